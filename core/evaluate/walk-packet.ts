/** Walks one packet through what a node's report holds of one Service. */
import { dispatchRules } from '../dispatch-references.ts';
import type { IptablesRule } from '../iptables-rule.ts';
import { recordsOf, type NodeReport } from '../node-report.ts';
import { parseIptablesRule } from '../parse/iptables-rules.ts';
import { parseNftElements, parseNftRules } from '../parse/nft-json.ts';
import type { NftSet } from '../nft-table.ts';
import { readProxyMode } from '../proxy-mode.ts';
import { familyOf, type DesiredService, type Family } from '../service.ts';
import type { IptablesBackend } from '../program.ts';
import { priorities, walkHooks, type HookedChain } from './walk-hooks.ts';
import { IptablesWalk, type ChainLookup } from './walk-iptables.ts';
import { NftWalk, type NftTable } from './walk-nftables.ts';
import { Trail, type Hook, type Machine, type Packet, type Step, type WalkResult } from './walk.ts';

export interface Walk {
  readonly verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE';
  /** DNAT targets with their probabilities, in the order of the rules. */
  readonly destinations: readonly { readonly address: string; readonly port: number; readonly probability: number }[];
  /** Whether any branch of the walk gets another source address. */
  readonly masquerade: boolean;
  readonly path: readonly Step[];
  readonly unknown: readonly string[];
}

/** What becomes of the packet on the node; every branch of a random choice is followed. */
export function walkPacket(report: NodeReport, desired: DesiredService, packet: Packet): Walk {
  return summarize(walkReport(report, desired, packet));
}

/** The branches of the walk by themselves. */
export function walkReport(report: NodeReport, desired: DesiredService, packet: Packet): WalkResult {
  const service = `${desired.namespace}/${desired.name}`;
  const family = familyOf(packet.destination);
  const { mode, backend } = readProxyMode(report);
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  const trail = new Trail();
  const machine: Machine = { addresses, ipSets: new Map() };
  if (mode === 'nftables') return walkHooks(nftHooks(nftTable(report, service, family), packet, machine, trail), packet, machine, trail);
  if (mode === 'iptables' && backend !== undefined) return walkHooks(iptablesHooks(iptablesChains(report, service, family, backend), packet, machine, trail), packet, machine, trail);
  return { leaves: [], steps: [], unknown: [`the rules of proxy mode ${mode}`] };
}

/**
 * The chains that kube-proxy hangs on netfilter's hooks, as far as a report holds them
 * (pkg/proxy/iptables/proxier.go iptablesJumpChains, 1.37).
 */
function iptablesHooks(lookup: ChainLookup, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new IptablesWalk(lookup, packet, machine, trail);
  const chain = (hook: Hook, priority: number, table: string, name: string): HookedChain[] =>
    lookup(table, name) === undefined ? [] : [{ hook, priority, isNat: table === 'nat', isDropPolicy: false, run: (branches, at) => walk.chain(table, name, branches, at) }];
  const filter = (hook: Hook, ...names: readonly string[]): HookedChain[] => names.flatMap((name) => chain(hook, priorities.filter, 'filter', name));
  return [
    ...chain('prerouting', priorities.destinationNat, 'nat', 'PREROUTING'),
    ...chain('output', priorities.destinationNat, 'nat', 'OUTPUT'),
    ...filter('input', 'KUBE-PROXY-FIREWALL', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'),
    ...filter('forward', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES'),
    ...filter('output', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'),
    ...chain('postrouting', priorities.sourceNat, 'nat', 'KUBE-POSTROUTING'),
  ];
}

/** The same in the nftables mode (pkg/proxy/nftables/proxier.go nftablesJumpChains and setupNFTables, 1.37). */
function nftHooks(table: NftTable, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new NftWalk(table, packet, machine, trail);
  const chain = (hook: Hook, priority: number, isNat: boolean, ...names: readonly string[]): HookedChain[] =>
    // A check that was not read has no element of this Service, or the report says that it is unread.
    names.flatMap((name) => (table.chain(name) === undefined ? [] : [{ hook, priority, isNat, isDropPolicy: false, run: (branches, at) => walk.chain(name, branches, at) }]));
  const beforeNat = priorities.destinationNat - 10;
  return [
    ...chain('prerouting', beforeNat, false, 'firewall-check'),
    ...chain('output', beforeNat, false, 'firewall-check'),
    ...chain('prerouting', priorities.destinationNat, true, 'nat-prerouting'),
    ...chain('output', priorities.destinationNat, true, 'nat-output'),
    ...chain('input', priorities.filter, false, 'nodeport-endpoints-check', 'service-endpoints-check'),
    ...chain('forward', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
    ...chain('output', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
    ...chain('postrouting', priorities.sourceNat, true, 'masquerading'),
  ];
}

/** The branches of a walk as one answer. */
export function summarize({ leaves, steps, unknown }: WalkResult): Walk {
  const destinations = new Map<string, { address: string; port: number; probability: number }>();
  for (const { dnat, probability } of leaves) {
    if (dnat === undefined) continue;
    const key = `${dnat.address} ${String(dnat.port)}`;
    const present = destinations.get(key);
    if (present === undefined) destinations.set(key, { address: dnat.address, port: dnat.port, probability });
    else present.probability += probability;
  }
  // One word for several branches: DNAT wins, for the destinations say the rest with their probabilities.
  const verdict = (['DNAT', 'REJECT', 'DROP', 'ACCEPT'] as const).find((each) => leaves.some((leaf) => leaf.verdict === each)) ?? 'NONE';
  return { verdict, destinations: [...destinations.values()], masquerade: leaves.some(({ masquerade }) => masquerade), path: steps, unknown };
}

/** The Service's iptables rules of one family, parsed once for each report. */
export function iptablesChains(report: NodeReport, service: string, family: Family, backend: IptablesBackend): ChainLookup {
  const chains = new Map<string, readonly IptablesRule[]>();
  for (const record of recordsOf(report, 'iptablesChain')) {
    if (record.service !== service || record.family !== family || record.backend !== backend) continue;
    chains.set(`${record.table} ${record.chain}`, record.lines.flatMap((line) => parseIptablesRule(line) ?? []));
  }
  for (const record of recordsOf(report, 'dispatchReferences')) {
    if (record.service !== service || record.family !== family || record.backend !== backend) continue;
    chains.set(`${record.table} ${record.chain}`, dispatchRules(record));
  }
  return (table, chain) => chains.get(`${table} ${chain}`);
}

/** kube-proxy's table of one family, as far as the report holds it for the Service. */
export function nftTable(report: NodeReport, service: string, family: Family): NftTable {
  const isOwn = (record: { service: string; family: Family }): boolean => record.service === service && record.family === family;
  const chains = new Map(recordsOf(report, 'nftChain').filter(isOwn).map((record) => [record.chain, { rules: parseNftRules(record.objects) }]));
  const sets = new Map(recordsOf(report, 'nftElements').filter(isOwn).map((record) => [record.name, setOf(record.name, record.elements)]));
  return {
    name: 'kube-proxy',
    chain: (name) => chains.get(name),
    map: (name) => sets.get(name),
    // A client that has not been there before is in no affinity set, and a report holds none.
    set: (name) => sets.get(name) ?? (name.startsWith('affinity-') ? setOf(name, []) : undefined),
  };
}

/** What a report holds of a set or map: the elements of the Service. */
function setOf(name: string, elements: readonly unknown[]): NftSet {
  return { name, type: [], flags: [], elements: parseNftElements(elements) ?? elements.map((json) => ({ key: { kind: 'unrecognized', text: JSON.stringify(json), json } })) };
}
