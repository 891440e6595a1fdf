/** From a trace's status to its picture. */
import { chainKind, iptablesChainKind, type ChainKind } from '../kube-proxy/chain-kinds.ts';
import { hostPort, isSameAddress } from '../net/address.ts';
import { mapChainName, readChainName } from '../api/chain-name.ts';
import { iptablesChainNames } from '../kube-proxy/chain-names.ts';
import type {
  ChainStatus,
  DnatTargetStatus,
  EndpointStatus,
  FindingStatus,
  NodePortStatus,
  NodeStatus,
  ProgramStatus,
  ServiceTraceStatus,
} from '../api/service-trace.ts';
import { topicOf } from '../diagnose/catalogue.ts';
import { isElementOf } from '../explain/rule-frontends.ts';
import { percentOf } from '../explain/sentence.ts';
import {
  isNodePortServer,
  isServerOf,
  namesAfter,
  ownTargets,
  parseStatusRule,
  targetKey,
  type StatusRuleModel,
} from '../explain/status-rule.ts';
import { portsOf } from '../iptables/rule.ts';
import type { Diagram, DiagramArrow, DiagramBox, DiagramLine, Layer } from './diagram.ts';
import { plural } from '../lib/plural.ts';
import { sumOfKnown } from '../lib/sum-of-known.ts';
import { familyOf } from '../net/family.ts';

export interface DiagramOptions {
  readonly namespace: string;
  readonly name: string;
  /** Nodes whose rules are drawn; empty for all. */
  readonly nodes: readonly string[];
  /** So many endpoints have a box of their own; the rest is folded into one. */
  readonly mostEndpoints: number;
}

/** Nodes with the same rules, drawn once. */
interface Group {
  readonly id: string;
  readonly nodes: readonly NodeStatus[];
  readonly program: ProgramStatus | undefined;
}

/** The first chain of a frontend's packets, and the chain that dispatches them by destination address and port. */
interface Entry {
  readonly dispatch?: string;
  readonly chain: string;
  readonly isComputed?: boolean;
}

export function buildDiagram(status: ServiceTraceStatus, options: DiagramOptions): Diagram {
  return new Picture(status, options).draw();
}

/** Status by program, each with the nodes that have it; nodes without any are not drawn. */
function groupsOf(status: ServiceTraceStatus, wanted: readonly string[]): Group[] {
  const nodes = (status.nodes ?? []).filter(
    ({ name, probe }) => probe.state === 'Collected' && (wanted.length === 0 || wanted.includes(name)),
  );
  const byProgram = Map.groupBy(
    nodes,
    ({ program, proxyMode, ports }) => program ?? `${proxyMode} ${ports.map(({ verdict }) => verdict).join(' ')}`,
  );
  return [...byProgram].map(([fingerprint, own], index) => ({
    id: `p${String(index)}`,
    nodes: own,
    program: status.programs?.find((program) => program.fingerprint === fingerprint),
  }));
}

class Picture {
  readonly #status: ServiceTraceStatus;
  readonly #options: DiagramOptions;
  readonly #groups: readonly Group[];
  readonly #boxes = new Map<string, DiagramBox>();
  readonly #arrows = new Map<string, DiagramArrow>();
  readonly #notes: string[] = [];

  constructor(status: ServiceTraceStatus, options: DiagramOptions) {
    this.#status = status;
    this.#options = options;
    this.#groups = groupsOf(status, options.nodes);
  }

  draw(): Diagram {
    const { service, truncated = [], findings = [] } = this.#status;
    const { namespace, name, nodes } = this.#options;
    this.#dns();
    for (const group of this.#groups)
      for (const frontend of group.nodes[0]?.ports ?? []) this.#frontend(group, frontend);
    const shown = this.#endpoints();
    if (service?.notProxied !== undefined) {
      this.#notes.push(`kube-proxy writes no rules for it, because ${service.notProxied}`);
      for (const box of [...this.#boxes.values()]) if (box.layer === 'endpointSlice') this.#arrow('dns', box.id);
    }
    for (const { name: node, probe } of this.#status.nodes ?? [])
      if (probe.state !== 'Collected' && (nodes.length === 0 || nodes.includes(node)))
        this.#notes.push(`${node} is not in the picture: ${probe.message ?? probe.state}`);
    this.#notes.push(...truncated.map((what) => `not in the picture: ${what}`));
    const relevant = findings.filter(({ node }) => node === undefined || nodes.length === 0 || nodes.includes(node));
    for (const finding of relevant) this.#mark(finding, shown);
    return {
      title: `Service ${namespace}/${name}`,
      groups: this.#groups.map(({ id, nodes: own }) => ({
        id,
        title: `${own.map((node) => node.name).join(', ')}: ${modeText(own[0])}`,
      })),
      boxes: [...this.#boxes.values()],
      arrows: [...this.#arrows.values()],
      findings: relevant.map(({ severity, id, where, message }) => ({
        severity,
        text: `${severity} ${id} ${where}: ${message}`,
      })),
      notes: this.#notes,
    };
  }

  #box(box: DiagramBox): string {
    if (!this.#boxes.has(box.id)) this.#boxes.set(box.id, box);
    return box.id;
  }

  #arrow(from: string, to: string, label?: string): void {
    const key = `${from}\n${to}`;
    if (from !== to && !this.#arrows.has(key))
      this.#arrows.set(key, { from, to, ...(label === undefined ? {} : { label }) });
  }

  #dns(): void {
    const { namespace, name } = this.#options;
    const asked = this.#groups.flatMap(({ nodes }) => nodes.flatMap(({ dns }) => dns ?? []));
    const [first] = asked;
    const answers = [...new Set(asked.flatMap((each) => each.answers))];
    const errors = [...new Set(asked.flatMap(({ error }) => error ?? []))];
    const expected = this.#status.service?.clusterIPs ?? [];
    this.#box({
      id: 'dns',
      layer: 'dns',
      title: 'DNS',
      lines: [
        plain(first?.name ?? `${name}.${namespace}.svc.cluster.local`),
        plain(
          first === undefined
            ? `should answer ${expected.join(', ') || "its pods' addresses"}`
            : `${first.server} answers ${answers.join(', ') || 'no address'}`,
        ),
        ...errors.map(mark),
      ],
      tone: errors.length > 0 ? 'error' : 'plain',
    });
  }

  /** The frontend, and its packet path through the program's chains. */
  #frontend(group: Group, frontend: NodePortStatus): void {
    const { frontend: kind, address, port, protocol, portName, family, verdict } = frontend;
    const own = group.nodes.flatMap(({ ports }) =>
      ports.filter(
        (each) =>
          each.frontend === kind &&
          each.address === address &&
          each.port === port &&
          each.protocol === protocol &&
          each.family === family,
      ),
    );
    const id = `f ${family} ${kind} ${address} ${String(port)} ${protocol}`;
    const text = address === '' ? `any node, port ${String(port)}` : hostPort(address, port);
    this.#box({
      id,
      layer: 'frontend',
      title: kind,
      lines: [
        `${text}/${protocol}${portName === undefined ? '' : ` ${portName}`}${kind === 'NodePort' ? ` ${family}` : ''}`,
        ...frontendFacts(frontend),
      ].map(plain),
      tone: 'plain',
      family,
    });
    if (kind === 'ClusterIP') this.#arrow('dns', id);
    const packets = sumOfKnown(own.map((each) => each.packets));
    const label = packets === undefined ? undefined : plural(packets, 'packet');
    if (verdict !== 'DNAT') {
      const end = this.#box({
        id: `${group.id} ${verdict} ${family}`,
        layer: 'service',
        title: verdict === 'None' ? 'no rule' : verdict === 'Unknown' ? 'not known' : verdict,
        lines: [endLines[verdict]],
        tone: verdict === 'None' ? 'error' : 'warning',
        group: group.id,
        family,
      });
      this.#arrow(id, end, label);
      return;
    }
    const chains = (group.program?.chains ?? []).filter((chain) => chain.family === family);
    const entry = entryOf(group, chains, frontend) ?? this.#computedEntry(chains, frontend);
    let last: string[];
    if (entry === undefined) {
      last = [
        this.#box({
          id: `${group.id} rules ${family} ${portName ?? ''} ${protocol}`,
          layer: 'service',
          title: `rules of ${modeText(group.nodes[0])}`,
          lines: this.#choices(frontend, own).map(plain),
          tone: 'plain',
          group: group.id,
          family,
        }),
      ];
      this.#arrow(id, last[0] ?? '', label);
    } else {
      let from = id;
      if (entry.dispatch !== undefined) {
        from = this.#box({
          id: `${group.id} ${family} ${entry.dispatch}`,
          layer: 'entry',
          title: entry.dispatch,
          lines: [family, ...(entry.isComputed === true ? ['not listed: known by counts of references'] : [])].map(
            plain,
          ),
          tone: 'plain',
          group: group.id,
          family,
        });
        this.#arrow(id, from, label);
      }
      last = this.#chain(
        group,
        chains,
        entry.chain,
        from,
        frontend,
        own,
        entry.dispatch === undefined ? label : this.#dispatchLabel(frontend),
        new Set(),
      );
    }
    for (const chain of last) for (const slice of this.#slicesOf(frontend, own)) this.#arrow(chain, slice);
    for (const target of unique(own.flatMap(({ dnatTargets }) => dnatTargets))) {
      if (this.#endpointOf(target.address) !== undefined) continue;
      const stale = this.#box({
        id: `pod ${target.address}`,
        layer: 'pod',
        title: `${hostPort(target.address, target.port)}`,
        lines: [mark('in no EndpointSlice')],
        tone: 'error',
      });
      for (const chain of last) this.#arrow(chain, stale, shareText(own, target));
    }
  }

  /** Where KUBE-SERVICES was not listed, the names of the Service's chains show where it jumps to. */
  #computedEntry(chains: readonly ChainStatus[], { frontend, portName, protocol }: NodePortStatus): Entry | undefined {
    const { namespace, name } = this.#options;
    if (!chains.some((chain) => isServiceLayer(iptablesChainKind(chain.name)))) return undefined;
    const names = iptablesChainNames({ namespace, name, portName, protocol });
    const candidates =
      frontend === 'ClusterIP'
        ? [names.cluster, names.local]
        : frontend === 'LoadBalancerIP'
          ? [names.firewall, names.external]
          : [names.external];
    const chain = candidates.find((each) => chains.some((own) => own.name === each));
    return chain === undefined ? undefined : { dispatch: 'nat KUBE-SERVICES', chain, isComputed: true };
  }

  /** Which of several frontends an arrow out of the dispatch is for. */
  #dispatchLabel({ frontend, port, protocol }: NodePortStatus): string | undefined {
    const isClear = frontend === 'ClusterIP' && (this.#status.service?.ports.length ?? 0) < 2;
    return isClear
      ? undefined
      : `${frontend === 'ClusterIP' || frontend === 'NodePort' ? '' : `${frontend} `}${String(port)}/${protocol}`;
  }

  /** The chain with those that it jumps to. @returns the boxes from which packets go to endpoints */
  #chain(
    group: Group,
    chains: readonly ChainStatus[],
    name: string,
    from: string,
    frontend: NodePortStatus,
    own: readonly NodePortStatus[],
    label: string | undefined,
    seen: ReadonlySet<string>,
  ): string[] {
    const chain = chains.find((each) => each.name === name);
    if (seen.has(name)) return [];
    const layer = layerOf(name);
    const next = (chain === undefined ? [] : modelsOf(group, chain))
      .flatMap(namesAfter)
      .filter((to) => layerOf(to) !== undefined);
    const isLast = next.length === 0 || layer === 'service';
    const id = this.#box({
      id: `${group.id} ${frontend.family} ${name}`,
      layer: layer ?? 'service',
      title: name,
      lines: (isLast ? this.#choices(frontend, own, { group, chains, chain }) : [frontend.family]).map(plain),
      tone: 'plain',
      group: group.id,
      family: frontend.family,
    });
    this.#arrow(from, id, label);
    return isLast
      ? [id]
      : [...new Set(next)].flatMap((to) =>
          this.#chain(group, chains, to, id, frontend, own, undefined, new Set([...seen, name])),
        );
  }

  /** A line for each DNAT target: `33.3 % → 10.244.1.4:8080, 3 packets`. */
  #choices(frontend: NodePortStatus, own: readonly NodePortStatus[], from?: Choosing): string[] {
    const { dnatTargets } = frontend;
    const chosen = dnatTargets.slice(0, mostChoices);
    const endpointChains = from === undefined ? undefined : endpointChainsOf(from, chosen);
    const shown = chosen.map((target) => {
      const via = endpointChains?.get(targetKey(target.address, target.port));
      const packets = sumOfKnown(
        own.map(
          ({ dnatTargets: targets }) =>
            targets.find(({ address, port }) => address === target.address && port === target.port)?.packets,
        ),
      );
      return `${percentOf(target)} → ${hostPort(target.address, target.port)}${target.weight === 0 ? ' (drains)' : ''}${packets === undefined ? '' : `, ${plural(packets, 'packet')}`}${via === undefined ? '' : `, ${via}`}`;
    });
    return dnatTargets.length > mostChoices ? [...shown, `… ${String(dnatTargets.length - mostChoices)} more`] : shown;
  }

  #slicesOf({ family }: NodePortStatus, own: readonly NodePortStatus[]): string[] {
    const addresses = new Set(own.flatMap(({ dnatTargets }) => dnatTargets.map(({ address }) => address)));
    return (this.#status.endpointSlices ?? [])
      .filter(
        ({ addressType, endpoints }) =>
          addressType === family &&
          endpoints.some((endpoint) => endpoint.addresses.some((address) => addresses.has(address))),
      )
      .map(({ name }) => `slice ${name}`);
  }

  #endpointOf(address: string): EndpointStatus | undefined {
    return (this.#status.endpointSlices ?? [])
      .flatMap(({ endpoints }) => endpoints)
      .find(({ addresses }) => addresses.includes(address));
  }

  /** Slices and their pods. @returns the names of pods that have a box of their own */
  #endpoints(): ReadonlySet<string> {
    const slices = this.#status.endpointSlices ?? [];
    const all = [...new Set(slices.flatMap(({ endpoints }) => endpoints.map(podKey)))];
    // Those that are not well are never folded away before those that are.
    const state = (key: string): number =>
      slices.some(({ endpoints }) => endpoints.some((endpoint) => podKey(endpoint) === key && !endpoint.ready)) ? 0 : 1;
    const ordered = all
      .map((key, index) => ({ key, index }))
      .sort((one, other) => state(one.key) - state(other.key) || one.index - other.index);
    const kept = new Set(
      ordered
        .slice(0, all.length > this.#options.mostEndpoints ? this.#options.mostEndpoints - 1 : all.length)
        .map(({ key }) => key),
    );
    const folded = all.filter((key) => !kept.has(key));
    for (const { name, endpoints, addressType, ports } of slices) {
      const id = this.#box({
        id: `slice ${name}`,
        layer: 'endpointSlice',
        title: `EndpointSlice ${name}`,
        lines: [
          `${addressType}, ${String(endpoints.filter(({ ready }) => ready).length)} of ${String(endpoints.length)} ready${ports.length === 0 ? '' : `, ${ports.map(({ port, protocol }) => `${String(port ?? 'any')}/${protocol ?? 'TCP'}`).join(' ')}`}`,
        ].map(plain),
        tone: endpoints.length === 0 ? 'warning' : 'plain',
        ...(addressType === 'FQDN' ? {} : { family: addressType }),
      });
      for (const endpoint of endpoints) {
        const key = podKey(endpoint);
        if (!kept.has(key)) this.#arrow(id, 'pod …');
        else this.#arrow(id, this.#pod(key), this.#share(endpoint));
      }
    }
    if (folded.length > 0)
      this.#box({
        id: 'pod …',
        layer: 'pod',
        title: `… ${String(folded.length)} more`,
        lines: folded.every((key) => state(key) === 1) ? [plain('all ready')] : [],
        tone: 'plain',
      });
    return kept;
  }

  #pod(key: string): string {
    const own = (this.#status.endpointSlices ?? []).flatMap(({ endpoints }) =>
      endpoints.filter((endpoint) => podKey(endpoint) === key),
    );
    const [first] = own;
    const problems = own.some(({ ready }) => !ready)
      ? [...new Set(own.filter(({ ready }) => !ready).map(stateText))]
      : [];
    const missing = this.#groups.flatMap(({ nodes }) =>
      nodes
        .filter((node) => own.some((endpoint) => endpoint.ready && isMissing(node, endpoint)))
        .map(({ name }) => name),
    );
    return this.#box({
      id: `pod ${key}`,
      layer: 'pod',
      title: first?.targetRef?.name ?? key,
      lines: [
        ...[...new Set(own.flatMap(({ addresses }) => addresses.slice(0, 1)))].map(plain),
        ...(first?.nodeName === undefined ? [] : [plain(`on ${first.nodeName}`)]),
        ...problems.map(mark),
        ...(missing.length === 0 ? [] : [mark(`no rule on ${missing.join(', ')}`)]),
      ],
      tone: missing.length > 0 ? 'error' : problems.length > 0 ? 'warning' : 'plain',
    });
  }

  /** Of the connections that the rules send to the endpoint, over all frontends that do. */
  #share({ addresses }: EndpointStatus): string | undefined {
    const [address = ''] = addresses;
    const targets = this.#groups.flatMap(({ nodes }) =>
      nodes.flatMap(({ ports }) =>
        ports.flatMap(({ dnatTargets }) => dnatTargets.filter((target) => target.address === address)),
      ),
    );
    const shares = [...new Set(targets.map(percentOf))];
    return shares.length === 0 ? undefined : shares.length === 1 ? shares[0] : 'differs';
  }

  /** The third-party rule that a finding is about: no box of kube-proxy's does it. */
  #foreignRule(group: Group, { table, chain, rule }: NonNullable<FindingStatus['rule']>): DiagramBox | undefined {
    const id = `${group.id} rule ${table} ${chain} ${rule}`;
    this.#box({
      id,
      layer: 'entry',
      title: `${table} ${chain}`,
      lines: ['of another program', rule].map(plain),
      tone: 'error',
      group: group.id,
    });
    for (const box of [...this.#boxes.values()]) if (box.layer === 'frontend') this.#arrow(box.id, id);
    return this.#boxes.get(id);
  }

  /** The box that a finding is about gets its id as a line. */
  #mark({ id, where, node, severity, rule }: FindingStatus, pods: ReadonlySet<string>): void {
    const [kind = '', name = ''] = where.split('/');
    const group = this.#groups.find(({ nodes }) => nodes.some((each) => each.name === (node ?? name)));
    const boxes = [...this.#boxes.values()];
    const found =
      (rule === undefined || group === undefined ? undefined : this.#foreignRule(group, rule)) ??
      this.#boxes.get(`slice ${name}`) ??
      (kind === 'pod'
        ? boxes.find(
            (box) => box.layer === 'pod' && (box.title === name || (pods.size > 0 && box.id === `pod ${name}`)),
          )
        : undefined) ??
      (topicOf(id) === 'dns' ? this.#boxes.get('dns') : undefined) ??
      (group === undefined ? undefined : boxes.find((box) => box.group === group.id)) ??
      boxes.find(({ layer }) => layer === 'frontend') ??
      this.#boxes.get('dns');
    if (found === undefined) return;
    const tone =
      severity === 'error' || found.tone === 'error' ? 'error' : severity === 'warning' ? 'warning' : found.tone;
    this.#boxes.set(found.id, {
      ...found,
      tone,
      lines: found.lines.some(({ isMark, text }) => isMark && text === id) ? found.lines : [...found.lines, mark(id)],
    });
  }
}

/** The chain that chooses an endpoint, among those of its family. */
interface Choosing {
  readonly group: Group;
  readonly chains: readonly ChainStatus[];
  readonly chain: ChainStatus | undefined;
}

/** The chains of iptables behind `chain` that send packets to the targets, by `address port`. */
function endpointChainsOf(
  { group, chains, chain }: Choosing,
  targets: readonly DnatTargetStatus[],
): ReadonlyMap<string, string> {
  const wanted = new Set(targets.map(({ address, port }) => targetKey(address, port)));
  const found = new Map<string, string>();
  if (chain === undefined) return found;
  const byName = new Map(chains.map((each) => [each.name, each]));
  // A Service may have thousands of endpoints: it ends with the last one that is shown.
  for (const { text } of chain.rules) {
    if (found.size === wanted.size) break;
    const rule = parseStatusRule(text, chain, { proxyMode: modeOf(group) });
    if (rule.kind !== 'iptables') continue;
    for (const name of namesAfter(rule)) {
      const next = byName.get(name);
      for (const target of next === undefined ? [] : modelsOf(group, next).flatMap(ownTargets))
        if (wanted.has(target) && !found.has(target)) found.set(target, name);
    }
  }
  return found;
}

function modelsOf(group: Group, chain: ChainStatus): StatusRuleModel[] {
  return chain.rules.map(({ text }) => parseStatusRule(text, chain, { proxyMode: modeOf(group) }));
}

function modeOf({ program, nodes }: Group): ProgramStatus['proxyMode'] {
  return program?.proxyMode ?? nodes[0]?.proxyMode ?? 'unknown';
}

/** More choices of one chain are folded. */
const mostChoices = 8;

const endLines: Readonly<Record<Exclude<NodePortStatus['verdict'], 'DNAT'>, DiagramLine>> = {
  REJECT: plain('the client is refused at once'),
  DROP: plain('the client gets no answer'),
  None: mark('nothing on the node answers for it'),
  Unknown: plain('the rules were not read'),
};

function plain(text: string): DiagramLine {
  return { text, isMark: false };
}

function mark(text: string): DiagramLine {
  return { text, isMark: true };
}

/** Chains of kube-proxy's that lead from an address to endpoints; undefined for all others, and for those of one endpoint. */
function layerOf(chain: string): Layer | undefined {
  const kind = chainKind(chain);
  if (kind === 'firewall' || kind === 'external') return kind;
  return isServiceLayer(kind) ? 'service' : undefined;
}

function isServiceLayer(kind: ChainKind | undefined): boolean {
  return kind === 'cluster' || kind === 'local';
}

/** Undefined where the program does not list it. */
function entryOf(group: Group, chains: readonly ChainStatus[], frontend: NodePortStatus): Entry | undefined {
  const virtual = chains.find((chain) => {
    const server = readChainName(chain);
    return (
      server.kind === 'virtualServer' &&
      (frontend.frontend === 'NodePort' ? isNodePortServer : isServerOf)(server, frontend)
    );
  });
  if (virtual !== undefined) return { chain: virtual.name };
  const names =
    frontend.frontend === 'NodePort'
      ? ['KUBE-NODEPORTS', mapChainName('service-nodeports')]
      : ['KUBE-SERVICES', mapChainName('service-ips')];
  for (const dispatch of chains.filter(({ name, table }) => names.includes(name) && table !== 'filter')) {
    const chain = modelsOf(group, dispatch)
      .filter((rule) => isEntryOf(rule, frontend))
      .flatMap(namesAfter)[0];
    if (chain !== undefined)
      return {
        dispatch: readChainName(dispatch).kind === 'map' ? dispatch.name : `${dispatch.table} ${dispatch.name}`,
        chain,
      };
  }
  return undefined;
}

/** Whether a rule of a dispatch chain, or an element of its map, is for the frontend's packets. */
function isEntryOf(rule: StatusRuleModel, frontend: NodePortStatus): boolean {
  if (rule.kind === 'element') return isElementOf(rule.element, frontend);
  if (rule.kind !== 'iptables') return false;
  const { destination, protocol } = rule.rule;
  const ports = portsOf(rule.rule, 'destination');
  return (
    ports?.negated === false &&
    ports.ranges.some(({ from, to }) => from === frontend.port && to === frontend.port) &&
    protocol?.protocol === frontend.protocol.toLowerCase() &&
    (frontend.frontend === 'NodePort'
      ? destination === undefined
      : destination !== undefined && isSameAddress(destination.prefix.split('/')[0] ?? '', frontend.address))
  );
}

function frontendFacts({ trafficPolicy, sourceRanges, sessionAffinitySeconds }: NodePortStatus): string[] {
  return [
    ...(trafficPolicy === 'Local' ? ['policy Local'] : []),
    ...(sessionAffinitySeconds === undefined ? [] : [`affinity ${String(sessionAffinitySeconds)} s`]),
    ...(sourceRanges === undefined ? [] : [`only from ${sourceRanges.join(', ')}`]),
  ];
}

function modeText(node: NodeStatus | undefined): string {
  return node === undefined ? 'unknown' : `${node.proxyMode}${node.backend === undefined ? '' : ` on ${node.backend}`}`;
}

function podKey({ targetRef, addresses }: EndpointStatus): string {
  return targetRef?.name ?? addresses[0] ?? '';
}

function stateText({ serving, terminating }: EndpointStatus): string {
  return terminating ? (serving ? 'terminating, serving' : 'terminating') : 'not ready';
}

/** Whether the node's rules send nothing to an endpoint that they should send packets of the cluster IPs to. */
function isMissing({ ports }: NodeStatus, { addresses }: EndpointStatus): boolean {
  const [own = ''] = addresses;
  const reaching = ports.filter(
    ({ frontend, family, verdict }) => frontend === 'ClusterIP' && verdict === 'DNAT' && family === familyOf(own),
  );
  return (
    reaching.length > 0 &&
    reaching.every(({ drift }) => drift?.missingTargets?.some(({ address }) => address === own) === true)
  );
}

function unique(targets: readonly DnatTargetStatus[]): DnatTargetStatus[] {
  return [...new Map(targets.map((target) => [hostPort(target.address, target.port), target])).values()];
}

function shareText(own: readonly NodePortStatus[], { address, port }: DnatTargetStatus): string | undefined {
  const target = own
    .flatMap(({ dnatTargets }) => dnatTargets)
    .find((each) => each.address === address && each.port === port);
  return target === undefined ? undefined : percentOf(target);
}

/** Undefined where nothing was counted. */
