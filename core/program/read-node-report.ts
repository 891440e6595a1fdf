/** The rules of one Service that a node's report has. */
import { cellPer, oncePer, oncePerAll } from '../lib/once-per.ts';
import type { ChainLookup } from '../evaluate/walk-iptables.ts';
import type { Machine } from '../evaluate/walk.ts';
import { parseIpset } from '../ipset/parse.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { VirtualServer } from '../ipvs/virtual-server.ts';
import { type NodeReport, type RecordOf, recordsOf } from '../wire/node-report.ts';
import type { Family } from '../net/family.ts';
import { readProxyMode, iptablesBackend } from '../kube-proxy/proxy-mode.ts';
import { nftHooks, kubeHooks, builtInHooks, type RegisteredChain } from './kube-proxy-hooks.ts';
import { dispatchRules } from '../kube-proxy/dispatch-references.ts';
import type { IptablesBackend } from '../kube-proxy/mode.ts';
import { parseIpvsadm } from '../ipvs/parse.ts';
import type { HookedChain } from '../evaluate/walk-hooks.ts';
import type { NftTable } from '../evaluate/walk-nftables.ts';
import type { NftRule, NftElement } from '../nftables/rule.ts';
import { parseNftElements, parseNftRules } from '../nftables/parse-json-rule.ts';
import { present } from '../lib/present.ts';
import { elementsWithProtocolNames } from '../nftables/normal-form.ts';
import type { NftSet } from '../nftables/table.ts';
import { parseIptablesRule, sharingParser } from '../iptables/parse-rule.ts';
import * as z from 'zod';
import { netfilterHooks } from '../net/netfilter.ts';

/** What a report holds of one Service in one family, as the rules themselves. */
export type NodeReportRules = {
  readonly machine: Machine;
  /** Those that are there, in no order. */
  readonly registered: readonly RegisteredChain[];
} & (
  | { readonly kind: 'nftables'; readonly table: KubeNftTable }
  | {
      readonly kind: 'iptables';
      readonly lookup: ChainLookup;
      readonly chains: readonly (readonly IptablesRule[])[];
      readonly servers: readonly VirtualServer[];
      readonly isIpvs: boolean;
    }
);

/** Undefined where the node's proxy mode is not known, or nothing of it was read. A report is never changed, and is read once. */
export const readNodeReportRules = oncePerAll(readRules);

function readRules(report: NodeReport, service: string, family: Family): NodeReportRules | undefined {
  const { mode } = readProxyMode(report);
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  if (mode === 'nftables') {
    const table = nftTable(report, service, family);
    // The base chains that were read, for releases differ; of reports without them, what 1.37 registers. There, a check that was
    // not read has no element of this Service, or the report says that it is unread.
    const registered =
      table.bases?.map(({ name, ...base }): RegisteredChain => ({ ...base, table: table.name, chain: name })) ??
      nftHooks.filter(({ chain }) => table.chain(chain) !== undefined);
    return { kind: 'nftables', machine: { addresses, ipSets: new Map() }, table, registered };
  }
  const backend = iptablesBackend(report);
  if (backend === undefined || (mode !== 'ipvs' && mode !== 'iptables')) return undefined;
  const all = iptablesChains(report, service, family, backend);
  const chains = [...all.values()];
  const lookup = lookupOf(all);
  const isThere = ({ table, chain }: RegisteredChain): boolean => lookup(table, chain) !== undefined;
  if (mode === 'iptables')
    return {
      kind: 'iptables',
      machine: { addresses, ipSets: new Map() },
      lookup,
      chains,
      servers: [],
      isIpvs: false,
      registered: kubeHooks.filter(isThere),
    };
  const servers = virtualServers(report, service, family);
  const sets = recordsOf(report, 'ipSet')
    .filter((record) => record.service === service && record.family === family)
    .flatMap(({ lines }) => parseIpset(lines.join('\n')).result);
  const machine: Machine = {
    addresses: [...addresses, ...servers.flatMap(({ address }) => address ?? [])],
    ipSets: new Map(sets.map((set) => [set.name, set])),
  };
  return { kind: 'iptables', machine, lookup, chains, servers, isIpvs: true, registered: builtInHooks.filter(isThere) };
}

/** The Service's iptables rules of one family. */
export function iptablesChains(
  report: NodeReport,
  service: string,
  family: Family,
  backend: IptablesBackend,
): ReadonlyMap<string, readonly IptablesRule[]> {
  const isOwn = (record: { service: string; family: Family; backend: IptablesBackend }): boolean =>
    record.service === service && record.family === family && record.backend === backend;
  const chains = new Map<string, readonly IptablesRule[]>();
  for (const record of recordsOf(report, 'iptablesChain').filter(isOwn)) {
    chains.set(`${record.table} ${record.chain}`, rulesOfRecord(record));
  }
  for (const record of recordsOf(report, 'dispatchReferences').filter(isOwn))
    chains.set(`${record.table} ${record.chain}`, dispatchRules(record));
  return chains;
}

/** The virtual servers of the Service in a report of the IPVS mode. */
export function virtualServers(report: NodeReport, service: string, family: Family): readonly VirtualServer[] {
  return recordsOf(report, 'ipvs')
    .filter((record) => record.service === service && record.family === family)
    .flatMap(({ lines }) => parseIpvsadm(lines.join('\n')).result.virtualServers);
}

/** The rules of a chain of nftables; a report is never changed. */
export const nftRulesOfRecord = oncePer(({ objects }: RecordOf<'nftChain'>): readonly NftRule[] =>
  parseNftRules(objects),
);

export const nftElementsOfRecord = oncePer(
  ({ elements }: Pick<RecordOf<'nftElements'>, 'elements'>): readonly NftElement[] =>
    parseNftElements(elements) ??
    elements.map((each): NftElement => ({ key: { kind: 'unrecognized', text: JSON.stringify(each), json: each } })),
);

/** A chain of nftables that is registered at a hook. */
export interface NftBaseChain extends Pick<HookedChain, 'hook' | 'priority' | 'isNat' | 'isDropPolicy'> {
  readonly name: string;
}

export interface KubeNftTable extends NftTable {
  readonly chains: ReadonlyMap<string, { readonly rules: readonly NftRule[] }>;
  /** Absent in reports that hold those of nat alone. */
  readonly bases?: readonly NftBaseChain[];
}

/** `{"chain": {"name": "nat-output", "type": "nat", "hook": "output", "prio": -100, "policy": "accept"}}` */
const baseChainSchema = z.object({
  chain: z.object({
    name: z.string(),
    type: z.string(),
    hook: z.enum(netfilterHooks),
    prio: z.number(),
    policy: z.string().optional(),
  }),
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
  const isOwn = (record: { service: string; family: Family }): boolean =>
    record.service === service && record.family === family;
  const asked = recordsOf(report, 'nftChain').filter(isOwn);
  const own = asked.filter(({ absent }) => !absent);
  const chains = new Map(own.map((record) => [record.chain, { rules: nftRulesOfRecord(record) }]));
  const sets = new Map(
    recordsOf(report, 'nftElements')
      .filter(isOwn)
      .map((record) => [record.name, setOf(record)]),
  );
  return {
    name: 'kube-proxy',
    ...(asked.some(({ chain }) => chain === 'nat-postrouting')
      ? { bases: own.flatMap(({ objects }) => baseChainsOf(objects)) }
      : {}),
    chains,
    chain: (name) => chains.get(name),
    map: (name) => sets.get(name),
    // A client that has not been there before is in no affinity set, and a report holds none.
    set: (name) => sets.get(name) ?? (name.startsWith('affinity-') ? setOf({ name, elements: [] }) : undefined),
  };
}

/** What a report holds of a set or map: the elements of the Service. */
function setOf(record: Pick<RecordOf<'nftElements'>, 'name' | 'elements' | 'timeout'>): NftSet {
  return present({
    name: record.name,
    type: [],
    flags: [],
    timeout: record.timeout,
    elements: nftElementsOfRecord(record).map(
      (element) => elementsWithProtocolNames(keyTypes(element), [element])[0] ?? element,
    ),
  });
}

/** The keys of kube-proxy's maps and sets end with protocol and port where they have more than one part. */
function keyTypes({ key }: NftElement): string[] {
  const parts = key.kind === 'concatenation' ? key.parts.length : 1;
  return Array.from({ length: parts }, (_, index) => (parts > 1 && index === parts - 2 ? 'inet_proto' : ''));
}

/** @param chains by `table chain` */
export function lookupOf(chains: ReadonlyMap<string, readonly IptablesRule[]>): ChainLookup {
  const tables = new Map(
    [...Map.groupBy(chains, ([key]) => key.slice(0, key.indexOf(' ')))].map(([table, own]) => [
      table,
      new Map(own.map(([key, rules]) => [key.slice(table.length + 1), rules])),
    ]),
  );
  return (table, chain) => tables.get(table)?.get(chain);
}

/** The rules of a chain as they were listed, read once: several views of a report ask for them. */
export function rulesOfRecord(record: ListedChain): readonly IptablesRule[] {
  const known = rulesOf(record).value;
  if (known !== undefined) return known;
  return readRecord(record, parseIptablesRule);
}

/**
 * Reads the rules of several nodes ahead: what they have in common, which is nearly all of a Service's rules, once. A chain
 * that is the same on several nodes, with its counters, is one array with the same rules, so that what is worked out of it
 * is worked out once.
 */
export function readRulesTogether(reports: readonly NodeReport[]): void {
  if (reports.length < 2) return;
  const parse = sharingParser();
  type Read = { readonly record: ChainRecord; readonly rules: readonly IptablesRule[] }[];
  const known = new Map<string, Read>();
  for (const report of reports)
    for (const record of [...recordsOf(report, 'iptablesChain'), ...recordsOf(report, 'hookChain')]) {
      const cell = rulesOf(record);
      if (cell.value !== undefined) continue;
      const read = known.get(record.chain);
      const same = read?.find((each) => isSameChain(each.record, record));
      if (same !== undefined) {
        cell.value = same.rules;
        continue;
      }
      const own = { record, rules: readRecord(record, parse) };
      if (read === undefined) known.set(record.chain, [own]);
      else read.push(own);
    }
}

type ChainRecord = RecordOf<'iptablesChain'> | RecordOf<'hookChain'>;

/** Within a report, a walk knows rules by identity: those of two chains are never the same. */
function isSameChain(one: ChainRecord, other: ChainRecord): boolean {
  return (
    one.kind === other.kind &&
    ('service' in one ? one.service : undefined) === ('service' in other ? other.service : undefined) &&
    one.family === other.family &&
    one.backend === other.backend &&
    one.table === other.table &&
    one.chain === other.chain &&
    isSameList(one.lines, other.lines)
  );
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, index) => line === other[index]);
}

type ListedChain = Pick<RecordOf<'iptablesChain'>, 'lines'>;

const rulesOf = cellPer<ListedChain, readonly IptablesRule[]>();

function readRecord(record: ListedChain, parse: typeof parseIptablesRule): readonly IptablesRule[] {
  const rules = record.lines.flatMap((line) => parse(line) ?? []);
  rulesOf(record).value = rules;
  return rules;
}
