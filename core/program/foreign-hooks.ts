/** The rules of all programs that a report has, at their hooks. */
import { plural } from '../lib/plural.ts';
import { AddressSegments } from '../evaluate/address-segments.ts';
import { nftHooks as hooksOfTable } from '../evaluate/walk-ruleset.ts';
import { NftWalk } from '../evaluate/walk-nftables.ts';
import { type ChainLookup, IptablesWalk } from '../evaluate/walk-iptables.ts';
import { walkHooks, type HookedChain } from '../evaluate/walk-hooks.ts';
import { AddressClasses } from '../evaluate/address-classes.ts';
import { type Packet, type WalkResult, type Machine, Trail } from '../evaluate/walk.ts';
import { rulesOfNodeReport } from './node-report-rules.ts';
import { addRulesOf, walkNodeReportRules } from './walk-node-report.ts';
import { isBesideNat, natHooksOf } from './kube-proxy-hooks.ts';
import {
  rulesOfRecord,
  lookupOf,
  iptablesChains,
  readNodeReportRules,
  type NodeReportRules,
} from './read-node-report.ts';
import { type NodeReport, type RecordOf, recordsOf } from '../wire/node-report.ts';
import type { Family } from '../net/family.ts';
import { readProxyMode, iptablesBackend } from '../kube-proxy/proxy-mode.ts';
import { NftJsonParser } from '../nftables/parse-json.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import { iptablesTables } from '../net/netfilter.ts';

/** All rules of a node that a Service's packets meet, kube-proxy's among those of other programs. */
export interface AllHooks {
  /** Through all of it; what is not known of the packet is followed both ways. */
  walk(packet: Packet): WalkResult;
  /** Through kube-proxy's rules alone. */
  walkOwn(packet: Packet): WalkResult;
  readonly machine: Machine;
  /** Tables that were not read, in words; the walk reports chains that were not read. */
  readonly unread: readonly string[];
  /** Tables of nat whose rules may come before kube-proxy's or behind them: they have the same priority. */
  readonly isBeside: (table: string) => boolean;
  /** Which addresses third-party rules distinguish. */
  readonly segments: AddressSegments;
  /** Whether the source of packets is known to be kept or rewritten as they leave: nat's POSTROUTING was read. */
  readonly knowsSourceNat: boolean;
}

/**
 * Undefined where a report holds no third-party rules, or the mode is one whose rules stand elsewhere. A report is
 * never changed: the same question has the same answer.
 * @param otherInterfaces those by which packets of Services surely neither come nor leave
 */
export function readAllHooks(
  report: NodeReport,
  service: string,
  family: Family,
  otherInterfaces: ReadonlySet<string>,
): AllHooks | undefined {
  const { mode } = readProxyMode(report);
  const hooked = recordsOf(report, 'hookChain').filter((record) => record.family === family);
  const foreign = recordsOf(report, 'foreignTable').filter(
    (table) => table.family !== (family === 'IPv4' ? 'ip6' : 'ip'),
  );
  if (hooked.length + foreign.length === 0 || (mode !== 'iptables' && mode !== 'nftables')) return undefined;
  const own = readNodeReportRules(report, service, family);
  if (own === undefined) return undefined;
  const machine: Machine = { ...own.machine, otherInterfaces };
  const kubeBackend = mode === 'iptables' ? iptablesBackend(report) : undefined;
  const { result: tables, problems } = nftTablesOf(foreign);
  const classes = new AddressClasses('destination', machine);
  addRulesOf(classes, own);
  for (const table of tables)
    for (const { rules } of table.chains.values())
      for (const { statements } of rules)
        classes.addNft(statements, (name) => table.sets.get(name) ?? table.maps.get(name));
  const ofBackends = (['nf_tables', 'legacy'] as const).map((backend) => {
    const records = hooked.filter((record) => record.backend === backend);
    const parsed = new Map(records.map((record) => [`${record.table} ${record.chain}`, rulesOfRecord(record)]));
    for (const rules of parsed.values()) classes.addIptables(rules);
    const kube =
      backend === kubeBackend && own.kind === 'iptables'
        ? own.lookup
        : leftoverLookup(iptablesChains(report, service, family, backend), classes);
    const lookup = foreignLookup(parsed, kube, mode === 'nftables');
    return {
      records,
      parsed,
      lookup,
      nat: natHooksOf(records, backend === kubeBackend).filter(
        ({ table, chain }) => lookup(table, chain) !== undefined,
      ),
    };
  });
  const alone = ownLookup(own);
  // Where nothing of others was among kube-proxy's rules, the same packets have been walked already.
  const shared = alone === own ? rulesOfNodeReport(report, service, family) : undefined;
  return {
    machine,
    walk: (packet) => {
      const trail = new Trail(true);
      const chains = ofBackends.flatMap(({ records, lookup, nat }) => {
        const cut = records.filter(({ omitted }) => omitted > 0);
        const withOmissions: ChainLookup =
          cut.length === 0
            ? lookup
            : (table, chain) => {
                const omitted = cut.find((record) => record.table === table && record.chain === chain)?.omitted;
                if (omitted !== undefined)
                  trail.unknown.add(
                    `the last ${omitted === 1 ? 'rule' : plural(omitted, 'rule')} of chain ${chain} of table ${table}, which ${omitted === 1 ? 'was' : 'were'} not read`,
                  );
                return lookup(table, chain);
              };
        const walk = new IptablesWalk(withOmissions, packet, machine, trail);
        return [
          ...nat.map((registered): HookedChain => ({
            ...registered,
            run: (branches, at) => walk.chain(registered.table, registered.chain, branches, at),
          })),
          ...records.flatMap((record) => hookOf(record, walk)),
        ];
      });
      const nft = own.kind === 'nftables' ? new NftWalk(own.table, packet, machine, trail) : undefined;
      const ofNft =
        nft === undefined
          ? []
          : own.registered.map((registered): HookedChain => ({
              ...registered,
              run: (branches, at) => nft.chain(registered.chain, branches, at),
            }));
      return walkHooks(
        [...tables.flatMap((table) => hooksOfTable(table, packet, machine, trail)).reverse(), ...chains, ...ofNft],
        packet,
        machine,
        trail,
        classes,
      );
    },
    walkOwn: (packet) => shared?.walk(packet) ?? walkNodeReportRules(alone, packet, classes),
    unread: [
      ...foreign.flatMap(({ family: of, name, omitted }) =>
        omitted === undefined ? [] : [`table ${of} ${name}: ${omitted}`],
      ),
      ...problems.map(
        ({ table, message }) => `${table === undefined ? 'a table of another program' : `table ${table}`}: ${message}`,
      ),
    ],
    isBeside: (name) =>
      (mode === 'nftables' && name === 'nat') ||
      tables.some((table) => table.name === name && [...table.chains.values()].some(({ base }) => isBesideNat(base))),
    segments: AddressSegments.of(
      family,
      ofBackends.flatMap(({ parsed }) => [...parsed.values()].flat()),
      foreign.flatMap(({ objects }) => objects),
    ),
    knowsSourceNat:
      mode === 'nftables' ||
      hooked.some(({ table, chain, backend }) => table === 'nat' && chain === 'POSTROUTING' && backend === kubeBackend),
  };
}

/** Rules of Services that kube-proxy left there in another mode, or with another backend. */
function leftoverLookup(chains: ReadonlyMap<string, readonly IptablesRule[]>, classes: AddressClasses): ChainLookup {
  for (const rules of chains.values()) classes.addIptables(rules);
  return lookupOf(chains);
}

function nftTablesOf(foreign: readonly RecordOf<'foreignTable'>[]): ReturnType<NftJsonParser['end']> {
  const whole = foreign.filter(({ omitted }) => omitted === undefined);
  if (whole.length === 0) return { result: [], problems: [] };
  const parser = new NftJsonParser();
  for (const { objects } of whole) parser.objects(objects);
  return parser.end();
}

/** Chains of all programs first, as they were read whole; then those of Services. What is left of the iptables mode under another one is KP-MODE-LEFTOVER's. */
function foreignLookup(
  rules: ReadonlyMap<string, readonly IptablesRule[]>,
  kube: ChainLookup,
  isOtherMode: boolean,
): ChainLookup {
  return (table, chain) =>
    rules.get(`${table} ${chain}`) ??
    kube(table, chain) ??
    ((table === 'filter' || isOtherMode) && chain.startsWith('KUBE-') ? noRules : undefined);
}

/** Of nat's built-in chains, the rules that jump to kube-proxy's chains alone. */
function ownLookup(own: NodeReportRules): NodeReportRules {
  if (own.kind === 'nftables') return own;
  const isKubes = ({ target }: IptablesRule): boolean =>
    (target?.kind === 'jump' || target?.kind === 'goto') && target.chain.startsWith('KUBE-');
  const kept = new Map(
    ['PREROUTING', 'OUTPUT'].flatMap((chain) => {
      const rules = own.lookup('nat', chain);
      return rules === undefined || rules.every(isKubes) ? [] : [[chain, rules.filter(isKubes)] as const];
    }),
  );
  if (kept.size === 0) return own;
  return {
    ...own,
    lookup: (table, chain) => (table === 'nat' ? kept.get(chain) : undefined) ?? own.lookup(table, chain),
  };
}

/** A chain that holds rules of Services, and none of this one. */
const noRules: readonly IptablesRule[] = [];

function hookOf({ table, chain, policy }: RecordOf<'hookChain'>, walk: IptablesWalk): HookedChain[] {
  const builtIn = table === 'nat' ? undefined : iptablesTables.get(table)?.get(chain);
  return policy === undefined || builtIn === undefined
    ? []
    : [
        {
          ...builtIn,
          isNat: false,
          isDropPolicy: policy === 'DROP',
          run: (branches, at) => walk.chain(table, chain, branches, at),
        },
      ];
}
