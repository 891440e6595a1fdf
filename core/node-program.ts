/** From a node's report to the model of what the node does for the Service. */
import { reachableAddresses } from './address.ts';
import { hashText } from './chain-names.ts';
import { isAddressAsked } from './external-addresses.ts';
import { ipvsChainName, realServerText } from './evaluate/walk-ipvs.ts';
import type { Leaf, Packet, WalkResult } from './evaluate/walk.ts';
import { recordsOf, unreadRules, type NodeReport } from './node-report.ts';
import { iptablesRuleText } from './parse/print-iptables.ts';
import { printNftRule, printNftVerdict } from './nft-print-text.ts';
import { parseNftMapElements } from './parse/nft-elements.ts';
import { parseNftRules } from './parse/nft-json.ts';
import { oncePer } from './once-per.ts';
import { frontendFacts, type FrontendFacts } from './program-facts.ts';
import { referenceOf, type NodeRules } from './node-rules.ts';
import type {
  DnatTarget,
  FrontendProgram,
  IptablesBackend,
  NodeProgram,
  ProgramChain,
  ProgramRule,
} from './program.ts';
import { iptablesBackend, readProxyMode } from './proxy-mode.ts';
import { rulesOfRecord, rulesOfReport, virtualServers } from './report-rules.ts';
import type { EndpointStatus } from './service-trace.ts';
import { familyOf, type DesiredService, type Family, type Protocol } from './service.ts';

/** An address and port on which a Service is to be reached. */
export interface Frontend {
  readonly family: Family;
  readonly frontend: FrontendProgram['frontend'];
  /** Empty for a NodePort. */
  readonly address: string;
  readonly portName?: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** All frontends of a Service that kube-proxy serves, ports in the order of the Service. */
export function frontendsOf(desired: DesiredService): Frontend[] {
  const { service } = desired;
  if (service.notProxied !== undefined) return [];
  const families = [...new Set(service.clusterIPs.map(familyOf))];
  return service.ports.flatMap(({ name, protocol, port, nodePort }): Frontend[] => {
    const common = { protocol, ...(name === undefined || name === '' ? {} : { portName: name }) };
    const at = (frontend: Frontend['frontend'], addresses: readonly string[]): Frontend[] =>
      addresses.map((address) => ({ ...common, family: familyOf(address), frontend, address, port }));
    return [
      ...at('ClusterIP', service.clusterIPs),
      ...at('ExternalIP', service.externalIPs),
      ...at('LoadBalancerIP', service.loadBalancerIPs),
      ...(nodePort === undefined || nodePort === 0
        ? []
        : families.map((family): Frontend => ({
            ...common,
            family,
            frontend: 'NodePort',
            address: '',
            port: nodePort,
          }))),
    ];
  });
}

/** The frontends that nodes are asked for: not those whose address is not, or may not be, the Service's own. */
export function askedFrontends(desired: DesiredService): Frontend[] {
  return frontendsOf(desired).filter((frontend) => isFrontendAsked(desired, frontend));
}

function isFrontendAsked(desired: DesiredService, { frontend, address }: Frontend): boolean {
  return (frontend !== 'ExternalIP' && frontend !== 'LoadBalancerIP') || isAddressAsked(desired, address);
}

/** The node's program for the Service; what was not read, or not understood, has the verdict Unknown. */
export function buildNodeProgram(report: NodeReport, desired: DesiredService): NodeProgram {
  const { mode, source, backend } = readProxyMode(report);
  const service = `${desired.namespace}/${desired.name}`;
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  const rulesOf = once((family: Family) =>
    wasRead(report, desired, family) ? rulesOfReport(report, service, family) : undefined,
  );
  const { frontends, unrecognized } = buildFrontends(desired, { node: report.node, addresses }, rulesOf);
  return {
    proxyMode: mode,
    proxyModeSource: source,
    ...(backend === undefined ? {} : { backend }),
    frontends,
    chains: byFamily(
      mode === 'nftables'
        ? nftChains(report, service)
        : [...ipvsChains(report, service), ...iptablesProgramChains(report, service, iptablesBackend(report))],
    ),
    unrecognized,
  };
}

/**
 * What the rules do with each frontend of the Service.
 * @param place the node: its name in the EndpointSlices, and its addresses, where a NodePort is tried
 * @param rulesOf the node's rules of a family; undefined where they were not read
 */
export function buildFrontends(
  desired: DesiredService,
  place: NodePlace,
  rulesOf: (family: Family) => NodeRules | undefined,
): { readonly frontends: FrontendProgram[]; readonly unrecognized: string[] } {
  const unrecognized = new Set<string>();
  const frontends = frontendsOf(desired).map((frontend): FrontendProgram => {
    // Of an address that may be somebody else's, its own rules alone would tell half of what becomes of a packet.
    const rules = isFrontendAsked(desired, frontend) ? rulesOf(frontend.family) : undefined;
    if (rules === undefined) return { ...frontend, verdict: 'Unknown', dnatTargets: [] };
    const { program, unknown } = frontendProgram(frontend, rules, place, desired);
    for (const each of unknown) unrecognized.add(each);
    return program;
  });
  return { frontends, unrecognized: [...unrecognized] };
}

export interface NodePlace {
  readonly node: string;
  readonly addresses: readonly string[];
}

/** Asks once for each family. */
function once(read: (family: Family) => NodeRules | undefined): (family: Family) => NodeRules | undefined {
  const known = new Map<Family, NodeRules | undefined>();
  return (family) => {
    if (!known.has(family)) known.set(family, read(family));
    return known.get(family);
  };
}

/** Both families are read at the same time; IPv4 is shown first. */
function byFamily(chains: readonly ProgramChain[]): ProgramChain[] {
  return [...chains.filter(({ family }) => family === 'IPv4'), ...chains.filter(({ family }) => family === 'IPv6')];
}

/** A client that is neither a pod nor a node (TEST-NET-1 and the documentation prefix, RFC 5737 and RFC 3849). */
export const outsideClient: Readonly<Record<Family, string>> = { IPv4: '192.0.2.1', IPv6: '2001:db8::1' };

function frontendProgram(
  frontend: Frontend,
  rules: NodeRules,
  { node, addresses }: NodePlace,
  desired: DesiredService,
): { program: FrontendProgram; unknown: readonly string[] } {
  const unread = (unknown: readonly string[]): { program: FrontendProgram; unknown: readonly string[] } => ({
    program: { ...frontend, verdict: 'Unknown', dnatTargets: [] },
    unknown,
  });
  const walkFrom = (source: string, destination: string, entersAt: Packet['entersAt']): WalkResult =>
    rules.walk({ source, destination, destinationPort: frontend.port, protocol: frontend.protocol, entersAt });
  const own = reachableAddresses(addresses, frontend.family);
  const tried = destinationsOf(frontend, addresses).map((destination) => ({
    destination,
    walk: walkFrom(outsideClient[frontend.family], destination, 'PREROUTING'),
  }));
  // A NodePort may be served on some of the node's addresses only; the first that is served tells.
  const chosen = tried.find(({ walk }) => walk.leaves.some(isSent)) ?? tried[0];
  if (chosen === undefined) return unread([`no ${frontend.family} address of the node, for its NodePort`]);
  const { walk, destination } = chosen;
  const fromNode = own[0] === undefined ? undefined : walkFrom(own[0], destination, 'OUTPUT');
  const factsOf = (outside: readonly Leaf[]): FrontendFacts =>
    frontendFacts(rules, frontend, outside, fromNode?.leaves ?? []);
  const shut = factsOf(walk.leaves);
  const allowed = walk.leaves.some(isSent)
    ? undefined
    : allowedLeaves(shut, (source) => walkFrom(source, destination, 'PREROUTING'));
  const leaves = allowed ?? walk.leaves;
  // What the source ranges are, only those who are kept out can tell.
  const facts =
    allowed === undefined
      ? shut
      : { ...factsOf(allowed), ...(shut.sourceRanges === undefined ? {} : { sourceRanges: shut.sourceRanges }) };
  if (walk.unknown.length > 0 && !leaves.some(isSent)) return unread(walk.unknown);
  const counters = walk.steps.find((step) => rules.isEntry(step))?.counters;
  return {
    program: {
      ...frontend,
      verdict: verdictOf(leaves),
      ...(counters === undefined ? {} : { counters }),
      dnatTargets: targetsOf(leaves, frontend, rules, (address) => nodeOf(desired, address) ?? node, node),
      ...facts,
    },
    unknown: walk.unknown,
  };
}

/** Where source ranges keep the client outside from the frontend, one of those that may come in tells. */
function allowedLeaves(
  { sourceRanges }: FrontendFacts,
  walkFrom: (source: string) => WalkResult,
): readonly Leaf[] | undefined {
  for (const range of sourceRanges?.value ?? []) {
    const { leaves } = walkFrom(range.split(/[/-]/)[0] ?? '');
    if (leaves.some(isSent)) return leaves;
  }
  return undefined;
}

function isSent({ verdict }: Leaf): boolean {
  return verdict === 'DNAT';
}

function verdictOf(leaves: readonly Leaf[]): FrontendProgram['verdict'] {
  // cluster-ips-check refuses any port of a cluster IP that no Service has: no rule of this Service decided.
  const decided = leaves.filter(
    ({ verdict, decidedBy }) => verdict !== 'NONE' && verdict !== 'ACCEPT' && decidedBy !== 'cluster-ips-check',
  );
  return (
    (['DNAT', 'REJECT', 'DROP'] as const).find((each) => decided.some(({ verdict }) => verdict === each)) ?? 'None'
  );
}

/** One for each address and port: a target may be reached over several chains. */
function targetsOf(
  leaves: readonly Leaf[],
  frontend: Frontend,
  rules: NodeRules,
  nodeOfTarget: (address: string) => string,
  node: string,
): DnatTarget[] {
  const targets = new Map<string, DnatTarget & { probability: number }>();
  for (const { dnat, probability } of leaves) {
    if (dnat === undefined) continue;
    const { address, port, counters, by } = dnat;
    const key = `${address} ${String(port)}`;
    const present = targets.get(key);
    targets.set(key, {
      address,
      port,
      probability: (present?.probability ?? 0) + probability,
      ...(counters === undefined ? {} : { counters }),
      by: referenceOf(by),
    });
  }
  return [...targets.values()].map((target) => {
    // The packets of an endpoint elsewhere come back to it by its own node's rules.
    const hairpin = nodeOfTarget(target.address) === node ? rules.hairpin(target, frontend.protocol) : undefined;
    const weight = rules.weight(frontend, target);
    return { ...target, ...(hairpin === undefined ? {} : { hairpin }), ...(weight === undefined ? {} : { weight }) };
  });
}

function nodeOf({ endpointSlices }: DesiredService, address: string): string | undefined {
  return endpointsOfAddresses(endpointSlices).get(address)?.nodeName;
}

/** The first endpoint of each address. */
const endpointsOfAddresses = oncePer(
  (slices: DesiredService['endpointSlices']): ReadonlyMap<string, EndpointStatus> => {
    const found = new Map<string, EndpointStatus>();
    for (const { endpoints } of slices)
      for (const endpoint of endpoints)
        for (const address of endpoint.addresses) if (!found.has(address)) found.set(address, endpoint);
    return found;
  },
);

/** The addresses to try: the frontend's own, or for a NodePort those of the node. */
function destinationsOf(frontend: Frontend, addresses: readonly string[]): readonly string[] {
  return frontend.address === '' ? reachableAddresses(addresses, frontend.family) : [frontend.address];
}

/** Whether the report holds the rules of this family; a torn report, or one with an unread part, may lack any of them. */
function wasRead(report: NodeReport, desired: DesiredService, family: Family): boolean {
  const service = `${desired.namespace}/${desired.name}`;
  if (unreadRules(report, service, family).length > 0) return false;
  const isOwn = (record: { service: string; family: Family }): boolean =>
    record.service === service && record.family === family;
  return recordsOf(report, 'iptablesChain').some(isOwn) || recordsOf(report, 'nftChain').some(isOwn);
}

/** Virtual servers with their real servers, as chains: what a packet meets there instead of rules. */
function ipvsChains(report: NodeReport, service: string): ProgramChain[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) =>
    virtualServers(report, service, family).map((server): ProgramChain => {
      const [table, chain] = ['ipvs', ipvsChainName(server)];
      return {
        family,
        table,
        name: chain,
        rules: server.realServers.map((real): ProgramRule => ({
          family,
          table,
          chain,
          text: realServerText(real),
          ...(real.stats === undefined
            ? {}
            : { counters: { packets: real.stats.connections, bytes: real.stats.inBytes } }),
        })),
      };
    }),
  );
}

function iptablesProgramChains(
  report: NodeReport,
  service: string,
  backend: IptablesBackend | undefined,
): ProgramChain[] {
  return recordsOf(report, 'iptablesChain')
    .filter(
      (record) => record.service === service && record.backend === backend && !record.absent && record.lines.length > 0,
    )
    .map((record) => {
      const { family, table, chain } = record;
      return {
        family,
        table,
        name: chain,
        rules: rulesOfRecord(record).map((rule): ProgramRule => ({
          family,
          table,
          chain,
          text: iptablesRuleText(rule),
          ...(rule.counters === undefined ? {} : { counters: rule.counters }),
        })),
      };
    });
}

/** Maps whose elements of the Service belong to its program; the sets hold what differs from node to node. */
export const programMaps = new Set([
  'service-ips',
  'service-nodeports',
  'no-endpoint-services',
  'no-endpoint-nodeports',
  'firewall-ips',
]);

function nftChains(report: NodeReport, service: string): ProgramChain[] {
  const maps = recordsOf(report, 'nftElements')
    .filter((record) => record.service === service && programMaps.has(record.name) && record.elements.length > 0)
    .map(({ family, table, name, elements }): ProgramChain => ({
      family,
      table,
      name: `map ${name}`,
      rules: parseNftMapElements(elements).map(({ key, verdict }) => ({
        family,
        table,
        chain: `map ${name}`,
        text: `${key.join(' . ')} : ${printNftVerdict(verdict)}`,
      })),
    }));
  const chains = recordsOf(report, 'nftChain')
    .filter((record) => record.service === service && !record.absent)
    .map(({ family, table, chain, objects }): ProgramChain => ({
      family,
      table,
      name: chain,
      rules: parseNftRules(objects).map((rule) => {
        const counter = rule.statements.find((statement) => statement.kind === 'counter');
        const isCounted = counter?.packets !== undefined && counter.bytes !== undefined;
        return {
          family,
          table,
          chain,
          text: printNftRule(rule),
          ...(isCounted ? { counters: { packets: counter.packets, bytes: counter.bytes } } : {}),
        };
      }),
    }));
  return [...maps, ...chains].filter(({ rules }) => rules.length > 0);
}

/**
 * A short hash of the program without its counters: nodes with the same one do the same for the Service. What
 * KUBE-SERVICES does stands in the verdicts of the frontends, for the chain itself is not always listed.
 */
export const fingerprintOf = oncePer((program: NodeProgram): string => {
  const text = [
    program.proxyMode,
    program.backend ?? '',
    ...program.frontends.map(({ family, frontend, address, protocol, port, verdict }) =>
      [family, frontend, address, protocol, port, verdict].join(' '),
    ),
    ...program.chains
      .filter(({ table, name }) => table !== 'nat' || name !== 'KUBE-SERVICES')
      .flatMap(({ family, table, name, rules }) => [`${family} ${table} ${name}`, ...rules.map((rule) => rule.text)]),
  ].join('\n');
  return hashText(text).slice(0, 10).toLowerCase();
});
