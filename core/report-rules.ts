/** The rules of one node as a probe's report holds them for one Service. */
import { z } from 'zod';
import { dispatchRules } from './dispatch-references.ts';
import { walkHooks, priorities, type HookedChain } from './evaluate/walk-hooks.ts';
import { IptablesWalk, type ChainLookup } from './evaluate/walk-iptables.ts';
import { NftWalk, type NftTable } from './evaluate/walk-nftables.ts';
import { ipvsHooks } from './evaluate/walk-ruleset.ts';
import { Trail, type Hook, type Machine, type Packet, type WalkResult } from './evaluate/walk.ts';
import type { IptablesRule } from './iptables-rule.ts';
import { iptablesNodeRules } from './iptables-node-rules.ts';
import { ipvsNodeRules } from './ipvs-node-rules.ts';
import { nftNodeRules } from './nft-node-rules.ts';
import type { NftElement } from './nft-expression.ts';
import type { NftSet } from './nft-table.ts';
import { recordsOf, type NodeReport, type RecordOf } from './node-report.ts';
import type { NodeRules } from './node-rules.ts';
import { parseIpset } from './parse/ipset.ts';
import { parseIptablesRule } from './parse/iptables-rules.ts';
import { parseIpvsadm } from './parse/ipvsadm.ts';
import { parseNftElements, parseNftRules } from './parse/nft-json.ts';
import { elementsWithProtocolNames } from './parse/nft-normal-form.ts';
import { present } from './present.ts';
import type { IptablesBackend } from './program.ts';
import { iptablesBackend, readProxyMode } from './proxy-mode.ts';
import type { Family } from './service.ts';
import type { VirtualServer } from './virtual-server.ts';

/**
 * Undefined where the node's proxy mode is not known, or nothing of it was read. A report is never changed: the same
 * question has the same answer, and a packet is walked once.
 */
export function rulesOfReport(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const known = answers.get(report) ?? new Map<string, NodeRules | undefined>();
  answers.set(report, known);
  const key = `${family} ${service}`;
  if (!known.has(key)) known.set(key, walkedOnce(readRules(report, service, family)));
  return known.get(key);
}

const answers = new WeakMap<NodeReport, Map<string, NodeRules | undefined>>();

function walkedOnce(rules: NodeRules | undefined): NodeRules | undefined {
  if (rules === undefined) return undefined;
  const walks = new Map<string, WalkResult>();
  return {
    ...rules,
    walk: (packet) => {
      const { source, sourcePort, destination, destinationPort, protocol, entersAt, inInterface, outInterface } = packet;
      const key = [source, sourcePort, destination, destinationPort, protocol, entersAt, inInterface, outInterface].join(' ');
      const known = walks.get(key) ?? rules.walk(packet);
      walks.set(key, known);
      return known;
    },
  };
}

function readRules(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const { mode } = readProxyMode(report);
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  if (mode === 'nftables') {
    const table = nftTable(report, service, family);
    const machine: Machine = { addresses, ipSets: new Map() };
    return nftNodeRules((packet) => walkAll(packet, machine, (trail) => nftHooks(table, packet, machine, trail)), table);
  }
  const backend = iptablesBackend(report);
  if (backend === undefined) return undefined;
  const lookup = iptablesChains(report, service, family, backend);
  if (mode === 'ipvs') {
    const servers = virtualServers(report, service, family);
    const sets = recordsOf(report, 'ipSet').filter((record) => record.service === service && record.family === family).flatMap(({ lines }) => parseIpset(lines.join('\n')).result);
    const machine: Machine = { addresses: [...addresses, ...servers.flatMap(({ address }) => address ?? [])], ipSets: new Map(sets.map((set) => [set.name, set])) };
    const walk = (packet: Packet): WalkResult => walkAll(packet, machine, (trail) => [...builtInHooks(lookup, packet, machine, trail), ...ipvsHooks(servers, packet, trail)]);
    return ipvsNodeRules(walk, servers, sets);
  }
  if (mode !== 'iptables') return undefined;
  const machine: Machine = { addresses, ipSets: new Map() };
  return iptablesNodeRules((packet) => walkAll(packet, machine, (trail) => kubeHooks(lookup, packet, machine, trail)), lookup);
}

function walkAll(packet: Packet, machine: Machine, hooksOf: (trail: Trail) => readonly HookedChain[]): WalkResult {
  const trail = new Trail();
  return walkHooks(hooksOf(trail), packet, machine, trail);
}

/** A chain of a table that hangs on a hook; none where it was not read, or is not there. */
type HangOn = (hook: Hook, priority: number, table: string, name: string) => HookedChain[];

function hanging(lookup: ChainLookup, packet: Packet, machine: Machine, trail: Trail): HangOn {
  const walk = new IptablesWalk(lookup, packet, machine, trail);
  return (hook, priority, table, name) =>
    lookup(table, name) === undefined ? [] : [{ hook, priority, isNat: table === 'nat', isDropPolicy: false, run: (branches, at) => walk.chain(table, name, branches, at) }];
}

/**
 * The chains that kube-proxy hangs on netfilter's hooks, as far as a report of the iptables mode holds them
 * (pkg/proxy/iptables/proxier.go iptablesJumpChains, 1.37).
 */
function kubeHooks(lookup: ChainLookup, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const chain = hanging(lookup, packet, machine, trail);
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

/** In the IPVS mode, nat and filter are read from their built-in chains on. */
function builtInHooks(lookup: ChainLookup, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const chain = hanging(lookup, packet, machine, trail);
  return [
    ...chain('prerouting', priorities.destinationNat, 'nat', 'PREROUTING'),
    ...chain('output', priorities.destinationNat, 'nat', 'OUTPUT'),
    ...chain('input', priorities.filter, 'filter', 'INPUT'),
    ...chain('forward', priorities.filter, 'filter', 'FORWARD'),
    ...chain('output', priorities.filter, 'filter', 'OUTPUT'),
    ...chain('postrouting', priorities.sourceNat, 'nat', 'POSTROUTING'),
  ];
}

/**
 * What the nftables mode hangs where: the base chains that were read, for releases differ; in reports without them, what
 * 1.37 hangs (pkg/proxy/nftables/proxier.go nftablesJumpChains and setupNFTables).
 */
function nftHooks(table: KubeNftTable, packet: Packet, machine: Machine, trail: Trail): HookedChain[] {
  const walk = new NftWalk(table, packet, machine, trail);
  if (table.bases !== undefined) {
    return table.bases.map(({ name, hook, priority, isNat, isDropPolicy }) => ({ hook, priority, isNat, isDropPolicy, run: (branches, at) => walk.chain(name, branches, at) }));
  }
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

/** The Service's iptables rules of one family. */
function iptablesChains(report: NodeReport, service: string, family: Family, backend: IptablesBackend): ChainLookup {
  const isOwn = (record: { service: string; family: Family; backend: IptablesBackend }): boolean => record.service === service && record.family === family && record.backend === backend;
  const chains = new Map<string, readonly IptablesRule[]>();
  for (const record of recordsOf(report, 'iptablesChain').filter(isOwn)) {
    chains.set(`${record.table} ${record.chain}`, record.lines.flatMap((line) => parseIptablesRule(line) ?? []));
  }
  for (const record of recordsOf(report, 'dispatchReferences').filter(isOwn)) chains.set(`${record.table} ${record.chain}`, dispatchRules(record));
  return (table, chain) => chains.get(`${table} ${chain}`);
}

/** The virtual servers of the Service in a report of the IPVS mode. */
export function virtualServers(report: NodeReport, service: string, family: Family): readonly VirtualServer[] {
  return recordsOf(report, 'ipvs')
    .filter((record) => record.service === service && record.family === family)
    .flatMap(({ lines }) => parseIpvsadm(lines.join('\n')).result.virtualServers);
}

/** A chain of nftables that hangs on a hook. */
interface NftBaseChain extends Pick<HookedChain, 'hook' | 'priority' | 'isNat' | 'isDropPolicy'> {
  readonly name: string;
}

interface KubeNftTable extends NftTable {
  /** Absent in reports that hold those of nat alone. */
  readonly bases?: readonly NftBaseChain[];
}

/** `{"chain": {"name": "nat-output", "type": "nat", "hook": "output", "prio": -100, "policy": "accept"}}` */
const baseChainSchema = z.object({
  chain: z.object({ name: z.string(), type: z.string(), hook: z.enum(['prerouting', 'input', 'forward', 'output', 'postrouting']), prio: z.number(), policy: z.string().optional() }),
});

/** The base chains among objects of `nft -j`. */
function baseChainsOf(objects: readonly unknown[]): NftBaseChain[] {
  return objects.flatMap((object) => {
    const parsed = baseChainSchema.safeParse(object);
    if (!parsed.success) return [];
    const { name, type, hook, prio, policy } = parsed.data.chain;
    return [{ name, hook, priority: prio, isNat: type === 'nat', isDropPolicy: policy === 'drop' }];
  });
}

/** kube-proxy's table of one family, as far as the report holds it for the Service. */
function nftTable(report: NodeReport, service: string, family: Family): KubeNftTable {
  const isOwn = (record: { service: string; family: Family }): boolean => record.service === service && record.family === family;
  const asked = recordsOf(report, 'nftChain').filter(isOwn);
  const own = asked.filter(({ absent }) => !absent);
  const chains = new Map(own.map((record) => [record.chain, { rules: parseNftRules(record.objects) }]));
  const sets = new Map(recordsOf(report, 'nftElements').filter(isOwn).map((record) => [record.name, setOf(record)]));
  return {
    name: 'kube-proxy',
    ...(asked.some(({ chain }) => chain === 'nat-postrouting') ? { bases: own.flatMap(({ objects }) => baseChainsOf(objects)) } : {}),
    chain: (name) => chains.get(name),
    map: (name) => sets.get(name),
    // A client that has not been there before is in no affinity set, and a report holds none.
    set: (name) => sets.get(name) ?? (name.startsWith('affinity-') ? setOf({ name, elements: [] }) : undefined),
  };
}

/** What a report holds of a set or map: the elements of the Service. */
function setOf({ name, elements, timeout }: Pick<RecordOf<'nftElements'>, 'name' | 'elements' | 'timeout'>): NftSet {
  const parsed = parseNftElements(elements) ?? elements.map((each): NftElement => ({ key: { kind: 'unrecognized', text: JSON.stringify(each), json: each } }));
  return present({ name, type: [], flags: [], timeout, elements: parsed.map((element) => elementsWithProtocolNames(keyTypes(element), [element])[0] ?? element) });
}

/** The keys of kube-proxy's maps and sets end with protocol and port where they have more than one part. */
function keyTypes({ key }: NftElement): string[] {
  const parts = key.kind === 'concatenation' ? key.parts.length : 1;
  return Array.from({ length: parts }, (_, index) => (parts > 1 && index === parts - 2 ? 'inet_proto' : ''));
}
