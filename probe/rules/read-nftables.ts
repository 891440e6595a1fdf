/** Reads the part of Services in kube-proxy's nftables table: their elements by key, their chains by name and by what jumps to them. */
import { comparableAddress } from '../../core/net/address.ts';
import { nftablesChainNames, nftablesChainService } from '../../core/kube-proxy/chain-names.ts';
import type { RecordOf } from '../../core/wire/node-report.ts';
import { chainOfVerdict, dnatTargetsOfStatement, jumpsOfStatement } from '../../core/nftables/targets.ts';
import type { NftStatement } from '../../core/nftables/rule.ts';
import { keyWords, parseNftMapElements, withProtocolName } from '../../core/nftables/map-elements.ts';
import { parseNftRules } from '../../core/nftables/parse-json-rule.ts';
import type { ProbeRequest, ProbeRequestService } from '../../core/wire/probe-request.ts';
import { familyOf, type Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { provenAddresses } from './service-selector.ts';
import type { NftKey, NftObjects, NftTable } from './nft-table.ts';
import { readNftTable } from './read-nft-table.ts';

/** The table of kube-proxy, in both families. */
const table = 'kube-proxy';

/** The base chains of every release since 1.29: one that is missing is reported. */
const knownBaseChains = [
  'nat-prerouting',
  'nat-output',
  'nat-postrouting',
  'filter-input',
  'filter-forward',
  'filter-output',
];
/** Base chains of some releases: 1.31, and since 1.33. */
const otherBaseChains = [
  'filter-prerouting',
  'filter-output-post-dnat',
  'filter-prerouting-pre-dnat',
  'filter-output-pre-dnat',
];
/** Those, and the chains that a Service may jump to by a map alone. */
const commonChains = [
  ...knownBaseChains,
  ...otherBaseChains,
  'services',
  'masquerading',
  'reject-chain',
  'mark-for-masquerade',
];

/** The maps and sets that the common chains ask. */
const dispatchMaps = [
  'service-ips',
  'service-nodeports',
  'no-endpoint-services',
  'no-endpoint-nodeports',
  'firewall-ips',
  'cluster-ips',
  'nodeport-ips',
];

/** Of those, the maps whose keys begin with an address of a Service. */
const serviceMaps = new Set(['service-ips', 'no-endpoint-services', 'firewall-ips']);

/** The maps by which packets come to a Service: what stands there under a key that no port of it has is only found in the whole. */
const leftoverMaps = ['service-ips', 'service-nodeports', 'no-endpoint-services', 'no-endpoint-nodeports'];

/** What is known of one Service. */
interface ServiceReading {
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
  readonly chains: ReadonlyMap<string, NftObjects | undefined>;
  /** Of the sets that remember clients, in seconds. */
  readonly timeouts: ReadonlyMap<string, number>;
}

/** Reads one family for all Services in one pass. */
export async function readNftables(
  commands: Commands,
  family: Family,
  services: readonly ProbeRequestService[],
  nodeAddresses: readonly string[],
  dispatch: ProbeRequest['collect']['dispatch'],
  emit: Emit,
): Promise<void> {
  const keys = services.map((service) => keysOf(service, family, nodeAddresses));
  const reading = await readNftTable(commands, family, table, async (source) =>
    readServices(source, services, keys, dispatch === 'References' ? [] : leftoverMaps),
  );
  if ('problem' in reading) {
    emit({
      kind: 'unread',
      family,
      part: 'rules',
      what: 'rules of nftables, table kube-proxy',
      reason: reading.problem,
    });
    return;
  }
  reading.result.forEach(({ elements, chains, timeouts }, service) => {
    const own = { service: `${service.namespace}/${service.name}`, family, table };
    for (const [name, found] of elements) emit({ kind: 'nftElements', ...own, name, elements: [...found] });
    // Who is remembered is nobody's business here: the clients are left out.
    for (const [name, timeout] of timeouts) emit({ kind: 'nftElements', ...own, name, elements: [], timeout });
    for (const [chain, objects] of chains) {
      const record: RecordOf<'nftChain'> = {
        kind: 'nftChain',
        ...own,
        chain,
        scope: 'all',
        absent: objects === undefined,
        objects: [...(objects ?? [])],
      };
      // The chains of other kinds of Services are absent as a rule, and say nothing.
      if (objects !== undefined || !isComputed(chain, service) || knownBaseChains.includes(chain)) emit(record);
    }
  });
}

/** Of a node whose kube-proxy is in this mode, and whose kernel does not have the table: nothing is there, which is known. */
export function emitMissingTable(family: Family, services: readonly ProbeRequestService[], emit: Emit): void {
  for (const { namespace, name } of services) {
    const own = { service: `${namespace}/${name}`, family, table };
    for (const map of dispatchMaps) emit({ kind: 'nftElements', ...own, name: map, elements: [] });
    for (const chain of [...knownBaseChains, 'services'])
      emit({ kind: 'nftChain', ...own, chain, scope: 'all', absent: true, objects: [] });
  }
}

/** First what jumps to the Services, then the chains that it jumps to, then the sets that those look their endpoints and clients up in. */
async function readServices(
  source: NftTable,
  services: readonly ProbeRequestService[],
  keys: readonly (readonly NftKey[])[],
  wholeMaps: readonly string[],
): Promise<Map<ProbeRequestService, ServiceReading>> {
  const found = await source.elements(keys.flat());
  const whole = await source.allElements(wholeMaps);
  const entries = services.map((service, index) => {
    // A map that the Service can have no element in is known to hold none of it.
    const isOwn = ownElement(service);
    const asked = [...elementsOf(found, keys[index] ?? [])].map(([name, own]): [string, unknown[]] => [
      name,
      own.filter((element) => isOwn(name, element)),
    ]);
    const elements = new Map([...dispatchMaps.map((name): [string, unknown[]] => [name, []]), ...asked]);
    for (const [name, all] of whole) elements.set(name, withLeftovers(elements.get(name) ?? [], all, service));
    const verdicts = [...elements.values()]
      .flatMap(parseNftMapElements)
      .flatMap(({ verdict }) => chainOfVerdict(verdict));
    return { service, elements, names: [...commonChains, ...ownChains(service), ...verdicts] };
  });
  const allChains = await source.chains(entries.flatMap(({ names }) => names));
  const programs = entries.map(({ service, elements, names }) => {
    const chains = chainsOf(allChains, names);
    const statements = [...chains.values()].flatMap((objects) =>
      parseNftRules(objects ?? []).flatMap((rule) => rule.statements),
    );
    return {
      service,
      elements,
      chains,
      hairpins: [...new Set(statements.flatMap(dnatTargets))].flatMap((target) => hairpinKeys(target, service)),
      remembering: [...new Set(statements.flatMap(setsThatRemember))],
    };
  });
  const pairs = await source.elements(programs.flatMap(({ hairpins }) => hairpins));
  const timeouts = await source.timeouts(programs.flatMap(({ remembering }) => remembering));
  return new Map(
    programs.map(({ service, elements, chains, hairpins, remembering }) => [
      service,
      {
        elements: new Map([...elements, ...elementsOf(pairs, hairpins)]),
        chains,
        timeouts: new Map(
          remembering.flatMap((name) => {
            const timeout = timeouts.get(name);
            return timeout === undefined ? [] : [[name, timeout] as const];
          }),
        ),
      },
    ]),
  );
}

/**
 * Whether what stands under a key of the Service is its own: by the address, or where kube-proxy has written its name, in
 * the chain that it jumps to or, of a Service without endpoints, in the comment.
 */
function ownElement(service: ProbeRequestService): (map: string, element: unknown) => boolean {
  const proven = new Set(provenAddresses(service).map(comparableAddress));
  return (map, element) => {
    const [address = '', ...port] = keyText(element).split(' . ');
    // Keys of NodePorts, and of the node's own addresses, have no external address.
    if (port.length !== 2 || proven.has(address) || !serviceMaps.has(map)) return true;
    return isNamed(element, `${service.namespace}/${service.name}`);
  };
}

function isNamed(element: unknown, id: string): boolean {
  return (
    Array.isArray(element) &&
    parseNftMapElements([element]).some(
      ({ verdict, comment }) =>
        comment === id ||
        comment?.startsWith(`${id}:`) === true ||
        chainOfVerdict(verdict).some((chain) => nftablesChainService(chain) === id),
    )
  );
}

/** With the elements of the Service under keys that it does not have: of a cluster IP, which is its alone, or to a chain of its name. */
function withLeftovers(known: readonly unknown[], all: readonly unknown[], service: ProbeRequestService): unknown[] {
  const keys = new Set(known.map(keyText));
  const clusterIPs = new Set(service.clusterIPs.map(comparableAddress));
  const id = `${service.namespace}/${service.name}`;
  const leftovers = all.filter((element) => {
    const text = keyText(element);
    if (keys.has(text)) return false;
    if (clusterIPs.has(text.split(' ')[0] ?? '')) return true;
    return isNamed(element, id);
  });
  return [...known, ...leftovers];
}

/** Elements by set or map; one without any of the keys is there with none. */
function elementsOf(found: ReadonlyMap<string, readonly unknown[]>, keys: readonly NftKey[]): Map<string, unknown[]> {
  const wanted = Map.groupBy(keys, ({ name }) => name);
  return new Map(
    [...wanted].map(([name, own]) => {
      const texts = new Set(own.map(({ key }) => key.join(' . ')));
      return [name, (found.get(name) ?? []).filter((element) => texts.has(keyText(element)))];
    }),
  );
}

/** `10.96.0.7 . tcp . 80` of an element of a set, or of [key, verdict] of a map. */
function keyText(element: unknown): string {
  const words = keyWords(Array.isArray(element) ? (element as readonly unknown[])[0] : element);
  return words === undefined ? '' : withProtocolName(words).join(' . ');
}

/** Chains by name, and those that can be reached from them. */
function chainsOf(
  all: ReadonlyMap<string, NftObjects | undefined>,
  names: readonly string[],
): Map<string, NftObjects | undefined> {
  const wanted = new Set(names);
  for (const name of wanted)
    for (const { statements } of parseNftRules(all.get(name) ?? []))
      for (const jump of statements.flatMap(jumpsOfStatement)) wanted.add(jump);
  return new Map([...wanted].map((name) => [name, all.get(name)]));
}

/** The keys under which the Service may stand in the maps and sets that all share. */
function keysOf(service: ProbeRequestService, family: Family, nodeAddresses: readonly string[]): NftKey[] {
  const own = (addresses: readonly string[]): string[] =>
    addresses.filter((address) => familyOf(address) === family).map(comparableAddress);
  const external = own([...service.externalIPs, ...service.loadBalancerIPs]);
  const clusterIPs = own(service.clusterIPs);
  const keys: NftKey[] = clusterIPs.map((address) => ({ name: 'cluster-ips', key: [address] }));
  for (const { protocol, port, nodePort } of service.ports) {
    const l4 = protocol.toLowerCase();
    for (const address of [...clusterIPs, ...external]) {
      for (const name of ['service-ips', 'no-endpoint-services']) keys.push({ name, key: [address, l4, String(port)] });
    }
    for (const address of own(service.loadBalancerIPs))
      keys.push({ name: 'firewall-ips', key: [address, l4, String(port)] });
    if (nodePort === undefined) continue;
    for (const name of ['service-nodeports', 'no-endpoint-nodeports']) keys.push({ name, key: [l4, String(nodePort)] });
  }
  if (service.ports.some(({ nodePort }) => nodePort !== undefined)) {
    for (const address of own(nodeAddresses)) keys.push({ name: 'nodeport-ips', key: [address] });
  }
  return keys;
}

function hairpinKeys(target: string, service: ProbeRequestService): NftKey[] {
  const [address = '', port = ''] = target.split(' ');
  return [...new Set(service.ports.map(({ protocol }) => protocol.toLowerCase()))].map((l4) => ({
    name: 'hairpin-connections',
    key: [address, address, l4, port],
  }));
}

function ownChains(service: ProbeRequestService): string[] {
  return service.ports.flatMap(({ name, protocol }) => {
    const names = nftablesChainNames({ namespace: service.namespace, name: service.name, portName: name, protocol });
    return [names.cluster, names.local, names.external, names.firewall];
  });
}

function isComputed(chain: string, service: ProbeRequestService): boolean {
  return ownChains(service).includes(chain) || commonChains.includes(chain);
}

/** `address port` of each DNAT target. */
function dnatTargets(statement: NftStatement): string[] {
  return dnatTargetsOfStatement(statement).flatMap(({ address, port }) =>
    port === undefined ? [] : [`${address} ${String(port)}`],
  );
}

/** The sets that the statement looks a client up in, or adds it to: those of session affinity. */
function setsThatRemember(statement: NftStatement): string[] {
  if (statement.kind === 'setUpdate') return [statement.set];
  return statement.kind === 'match' &&
    statement.right.kind === 'setReference' &&
    !dispatchMaps.includes(statement.right.name)
    ? [statement.right.name]
    : [];
}
