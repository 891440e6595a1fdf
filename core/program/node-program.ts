/** From a node's report to the model of what the node does for the Service. */
import { isFrontendChecked, frontendsOf, type Frontend } from '../api/frontends.ts';
import { reachableAddresses } from '../net/address.ts';
import { shareFields } from '../evaluate/share.ts';
import type { Leaf, Packet, WalkResult } from '../evaluate/walk.ts';
import { recordsOf, type NodeReport, unreadRules } from '../wire/node-report.ts';
import { oncePer } from '../lib/once-per.ts';
import { frontendFacts, type FrontendFacts } from './frontend-facts.ts';
import { referenceOf, type NodeRules } from './node-rules.ts';
import type { DnatTarget, FrontendProgram, NodeProgram } from './program.ts';
import { iptablesBackend, readProxyMode } from '../kube-proxy/proxy-mode.ts';
import { rulesOfNodeReport } from './node-report-rules.ts';
import type { EndpointStatus } from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import type { Family } from '../net/family.ts';
import { byFamily, iptablesProgramChains, ipvsChains, nftChains } from './program-chains.ts';
import { destinationsOf, firstSent, isSent, outsideClients } from './client-walks.ts';

/** The node's program for the Service; what was not read, or not understood, has the verdict Unknown. */
export function buildNodeProgram(report: NodeReport, desired: DesiredService): NodeProgram {
  const { mode, source, backend } = readProxyMode(report);
  const service = `${desired.namespace}/${desired.name}`;
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  const rulesOf = once((family: Family) =>
    wasRead(report, desired, family) ? rulesOfNodeReport(report, service, family) : undefined,
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
function buildFrontends(
  desired: DesiredService,
  place: NodePlace,
  rulesOf: (family: Family) => NodeRules | undefined,
): { readonly frontends: FrontendProgram[]; readonly unrecognized: string[] } {
  const unrecognized = new Set<string>();
  const frontends = frontendsOf(desired).map((frontend): FrontendProgram => {
    // Of an address that may be somebody else's, its own rules alone would show half of a packet's path.
    const rules = isFrontendChecked(desired, frontend) ? rulesOf(frontend.family) : undefined;
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
  const walk = firstSent(destinationsOf(frontend, addresses), (destination) => ({
    destination,
    ...walkFrom(outsideClients[frontend.family][0], destination, 'PREROUTING'),
  }));
  if (walk === undefined) return unread([`no ${frontend.family} address of the node, for its NodePort`]);
  const { destination } = walk;
  const fromNode = own[0] === undefined ? undefined : walkFrom(own[0], destination, 'OUTPUT');
  const factsOf = (outside: WalkResult): FrontendFacts => frontendFacts(rules, frontend, outside, fromNode);
  const shut = factsOf(walk);
  const allowed = walk.leaves.some(isSent)
    ? undefined
    : allowedWalk(shut, (source) => walkFrom(source, destination, 'PREROUTING'));
  const { leaves } = allowed ?? walk;
  // Only the packets that are kept out show the source ranges.
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

/** Where source ranges keep the client outside from the frontend, one of those that may come in decides. */
function allowedWalk(
  { sourceRanges }: FrontendFacts,
  walkFrom: (source: string) => WalkResult,
): WalkResult | undefined {
  for (const range of sourceRanges?.value ?? []) {
    const walk = walkFrom(range.split(/[/-]/)[0] ?? '');
    if (walk.leaves.some(isSent)) return walk;
  }
  return undefined;
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
  const sent = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    if (leaf.dnat === undefined) continue;
    const key = `${leaf.dnat.address} ${String(leaf.dnat.port)}`;
    const known = sent.get(key);
    if (known === undefined) sent.set(key, [leaf]);
    else known.push(leaf);
  }
  return [...sent.values()].flatMap((own) => {
    const dnat = own.at(-1)?.dnat;
    if (dnat === undefined) return [];
    const { address, port, counters, by } = dnat;
    const target = {
      address,
      port,
      ...shareFields(own),
      ...(counters === undefined ? {} : { counters }),
      by: referenceOf(by),
    };
    // The packets of an endpoint elsewhere come back to it by its own node's rules.
    const hairpin = nodeOfTarget(target.address) === node ? rules.hairpin(target, frontend.protocol) : undefined;
    const weight = rules.weight(frontend, target);
    return hairpin === undefined && weight === undefined
      ? target
      : { ...target, ...(hairpin === undefined ? {} : { hairpin }), ...(weight === undefined ? {} : { weight }) };
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

/** Whether the report holds the rules of this family; a truncated report, or one with an unread part, may lack any of them. */
function wasRead(report: NodeReport, desired: DesiredService, family: Family): boolean {
  const service = `${desired.namespace}/${desired.name}`;
  if (unreadRules(report, service, family).length > 0) return false;
  const isOwn = (record: { service: string; family: Family }): boolean =>
    record.service === service && record.family === family;
  return recordsOf(report, 'iptablesChain').some(isOwn) || recordsOf(report, 'nftChain').some(isOwn);
}
