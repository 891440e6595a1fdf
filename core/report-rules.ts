/** The rules of one node as a probe's report holds them for one Service. */
import * as z from 'zod';
import { prefixContains } from './address.ts';
import type { ClusterFacts } from './cluster-facts.ts';
import { dispatchRules } from './dispatch-references.ts';
import { AddressSegments } from './evaluate/address-segments.ts';
import { settle } from './evaluate/settle.ts';
import { walkHooks, priorities, type HookedChain } from './evaluate/walk-hooks.ts';
import { ToldApart } from './evaluate/told-apart.ts';
import { IptablesWalk, type ChainLookup } from './evaluate/walk-iptables.ts';
import { NftWalk, type NftTable } from './evaluate/walk-nftables.ts';
import { ipvsHooks, nftHooks as hooksOfTable } from './evaluate/walk-ruleset.ts';
import { Trail, type Hook, type Machine, type Packet, type WalkResult } from './evaluate/walk.ts';
import type { IptablesRule } from './iptables-rule.ts';
import { iptablesChainKind, iptablesNodeRules } from './iptables-node-rules.ts';
import { ipvsNodeRules } from './ipvs-node-rules.ts';
import { nftChainKind, nftNodeRules } from './nft-node-rules.ts';
import type { NftElement } from './nft-expression.ts';
import type { NftRule } from './nft-statement.ts';
import type { NftBase, NftSet } from './nft-table.ts';
import { recordsOf, type NodeReport, type RecordOf } from './node-report.ts';
import type { NodeRules, WalkedRules } from './node-rules.ts';
import { oncePer } from './once-per.ts';
import { parseIpset } from './parse/ipset.ts';
import { parseIptablesRule } from './parse/iptables-rules.ts';
import { parseIpvsadm } from './parse/ipvsadm.ts';
import { NftJsonParser } from './parse/nft-ruleset.ts';
import { parseNftElements, parseNftRules } from './parse/nft-json.ts';
import { elementsWithProtocolNames } from './parse/nft-normal-form.ts';
import { present } from './present.ts';
import type { IptablesBackend } from './program.ts';
import { iptablesBackend, readProxyMode } from './proxy-mode.ts';
import { familyOf, type Family } from './service.ts';
import type { VirtualServer } from './virtual-server.ts';
import { plural } from './plural.ts';

/** Where a chain hangs on a hook of netfilter, and when its turn comes there. */
export interface HungChain {
  readonly hook: Hook;
  /** The lower, the earlier. */
  readonly priority: number;
  readonly isNat: boolean;
  readonly isDropPolicy: boolean;
  readonly table: string;
  readonly chain: string;
}

/** What a report holds of one Service in one family, as the rules themselves. */
export type ReportRules = {
  readonly machine: Machine;
  /** Those that are there, in no order. */
  readonly hung: readonly HungChain[];
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

/** Undefined where the node's proxy mode is not known, or nothing of it was read. */
export function readReportRules(report: NodeReport, service: string, family: Family): ReportRules | undefined {
  const { mode } = readProxyMode(report);
  const addresses = recordsOf(report, 'start')[0]?.addresses ?? [];
  if (mode === 'nftables') {
    const table = nftTable(report, service, family);
    // The base chains that were read, for releases differ; of reports without them, what 1.37 hangs. There, a check that was
    // not read has no element of this Service, or the report says that it is unread.
    const hung =
      table.bases?.map(({ name, ...base }): HungChain => ({ ...base, table: table.name, chain: name })) ??
      nftHooks.filter(({ chain }) => table.chain(chain) !== undefined);
    return { kind: 'nftables', machine: { addresses, ipSets: new Map() }, table, hung };
  }
  const backend = iptablesBackend(report);
  if (backend === undefined || (mode !== 'ipvs' && mode !== 'iptables')) return undefined;
  const all = iptablesChains(report, service, family, backend);
  const chains = [...all.values()];
  const lookup = lookupOf(all);
  const isThere = ({ table, chain }: HungChain): boolean => lookup(table, chain) !== undefined;
  if (mode === 'iptables')
    return {
      kind: 'iptables',
      machine: { addresses, ipSets: new Map() },
      lookup,
      chains,
      servers: [],
      isIpvs: false,
      hung: kubeHooks.filter(isThere),
    };
  const servers = virtualServers(report, service, family);
  const sets = recordsOf(report, 'ipSet')
    .filter((record) => record.service === service && record.family === family)
    .flatMap(({ lines }) => parseIpset(lines.join('\n')).result);
  const machine: Machine = {
    addresses: [...addresses, ...servers.flatMap(({ address }) => address ?? [])],
    ipSets: new Map(sets.map((set) => [set.name, set])),
  };
  return { kind: 'iptables', machine, lookup, chains, servers, isIpvs: true, hung: builtInHooks.filter(isThere) };
}

/**
 * Undefined where the node's proxy mode is not known, or nothing of it was read. A report is never changed: the same
 * question has the same answer, and a packet is walked once.
 */
export function rulesOfReport(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const known = answers.get(report) ?? new Map<string, NodeRules | undefined>();
  answers.set(report, known);
  const key = `${family} ${service}`;
  if (!known.has(key)) known.set(key, walkedOnce(nodeRulesOf(report, service, family)));
  return known.get(key);
}

const answers = new WeakMap<NodeReport, Map<string, NodeRules | undefined>>();

function nodeRulesOf(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const rules = readReportRules(report, service, family);
  if (rules === undefined) return undefined;
  const walked: WalkedRules = {
    walk: (packet) => walkReportRules(rules, packet),
    sourceClass: (address) => sourcesApart(rules).classOf(address, 0, address),
  };
  if (rules.kind === 'nftables') return nftNodeRules(walked, rules.table);
  return rules.isIpvs
    ? ipvsNodeRules(walked, rules.servers, [...rules.machine.ipSets.values()])
    : iptablesNodeRules(walked, rules.lookup);
}

function walkedOnce(rules: NodeRules | undefined): NodeRules | undefined {
  if (rules === undefined) return undefined;
  const walks = new Map<string, WalkResult>();
  return {
    ...rules,
    walk: (packet) => {
      const { source, sourcePort, destination, destinationPort, protocol, entersAt, inInterface, outInterface } =
        packet;
      const key = [
        source,
        sourcePort,
        destination,
        destinationPort,
        protocol,
        entersAt,
        inInterface,
        outInterface,
      ].join(' ');
      const known = walks.get(key) ?? rules.walk(packet);
      walks.set(key, known);
      return known;
    },
  };
}

/** Which destinations the rules tell apart; a report is never changed. */
const apartOf = oncePer((rules: ReportRules): ToldApart => {
  const apart = new ToldApart('destination', rules.machine);
  addReportRules(apart, rules);
  return apart;
});

/** Which sources they tell apart, the chains of single endpoints left out: those ask for their own endpoint. */
const sourcesApart = oncePer((rules: ReportRules): ToldApart => {
  const apart = new ToldApart('source', rules.machine);
  addReportRules(
    apart,
    rules.kind === 'nftables'
      ? {
          ...rules,
          table: {
            ...rules.table,
            chains: new Map([...rules.table.chains].filter(([name]) => nftChainKind(name) !== 'endpoint')),
          },
        }
      : {
          ...rules,
          chains: rules.chains.filter(
            ([first]) => first === undefined || iptablesChainKind(first.chain) !== 'endpoint',
          ),
        },
  );
  return apart;
});

function addReportRules(apart: ToldApart, rules: ReportRules): void {
  if (rules.kind === 'nftables') {
    const { table } = rules;
    for (const { rules: own } of table.chains.values())
      for (const { statements } of own) apart.addNft(statements, (name) => table.set(name) ?? table.map(name));
    return;
  }
  for (const rule of rules.chains.flat()) apart.addIptables(rule);
  for (const { address, port } of rules.servers)
    if (address !== undefined && port !== undefined) apart.addPlace(address, port);
}

/** What becomes of the packet under the rules of a report. */
export function walkReportRules(rules: ReportRules, packet: Packet, apart = apartOf(rules)): WalkResult {
  const { machine, hung } = rules;
  const trail = new Trail();
  const hang = (runOf: (chain: HungChain) => HookedChain['run']): HookedChain[] =>
    hung.map((chain) => ({ ...chain, run: runOf(chain) }));
  if (rules.kind === 'nftables') {
    const walk = new NftWalk(rules.table, packet, machine, trail);
    return walkHooks(
      hang(
        ({ chain }) =>
          (branches, at) =>
            walk.chain(chain, branches, at),
      ),
      packet,
      machine,
      trail,
      apart,
    );
  }
  const walk = new IptablesWalk(rules.lookup, packet, machine, trail);
  const chains = hang(
    ({ table, chain }) =>
      (branches, at) =>
        walk.chain(table, chain, branches, at),
  );
  return walkHooks([...chains, ...ipvsHooks(rules.servers, packet, trail)], packet, machine, trail, apart);
}

/** All rules of a node that a Service's packets meet, kube-proxy's among those of other programs. */
export interface AllHooks {
  /** Through all of it; what is not known of the packet is followed both ways. */
  walk(packet: Packet): WalkResult;
  /** Through kube-proxy's rules alone. */
  walkOwn(packet: Packet): WalkResult;
  readonly machine: Machine;
  /** Tables that were not read, in words; of chains that were not, the walk tells. */
  readonly unread: readonly string[];
  /** Tables of nat whose rules may come before kube-proxy's or behind them: they hang at the same priority. */
  readonly isBeside: (table: string) => boolean;
  /** Which addresses rules of other programs tell apart. */
  readonly segments: AddressSegments;
  /** Whether the source of packets is known to be kept or rewritten as they leave: nat's POSTROUTING was read. */
  readonly knowsSourceNat: boolean;
}

/**
 * Undefined where a report holds no rules of other programs, or the mode is one whose rules stand elsewhere. A report is
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
  const own = readReportRules(report, service, family);
  if (own === undefined) return undefined;
  const machine: Machine = { ...own.machine, otherInterfaces };
  const kubeBackend = mode === 'iptables' ? iptablesBackend(report) : undefined;
  const { result: tables, problems } = nftTablesOf(foreign);
  const apart = new ToldApart('destination', machine);
  addReportRules(apart, own);
  for (const table of tables)
    for (const { rules } of table.chains.values())
      for (const { statements } of rules)
        apart.addNft(statements, (name) => table.sets.get(name) ?? table.maps.get(name));
  const ofBackends = (['nf_tables', 'legacy'] as const).map((backend) => {
    const records = hooked.filter((record) => record.backend === backend);
    const parsed = new Map(records.map((record) => [`${record.table} ${record.chain}`, rulesOfRecord(record)]));
    const kube = iptablesChains(report, service, family, backend);
    for (const rule of [...[...parsed.values()].flat(), ...[...kube.values()].flat()]) apart.addIptables(rule);
    const lookup = foreignLookup(parsed, lookupOf(kube), mode === 'nftables');
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
  const shared = alone === own ? rulesOfReport(report, service, family) : undefined;
  return {
    machine,
    walk: (packet) => {
      const trail = new Trail(true);
      const chains = ofBackends.flatMap(({ records, lookup, nat }) => {
        const cut = records.filter(({ omitted }) => omitted > 0);
        const tellOmitted: ChainLookup =
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
        const walk = new IptablesWalk(tellOmitted, packet, machine, trail);
        return [
          ...nat.map((hung): HookedChain => ({
            ...hung,
            run: (branches, at) => walk.chain(hung.table, hung.chain, branches, at),
          })),
          ...records.flatMap((record) => hookOf(record, walk)),
        ];
      });
      const nft = own.kind === 'nftables' ? new NftWalk(own.table, packet, machine, trail) : undefined;
      const ofNft =
        nft === undefined
          ? []
          : own.hung.map((hung): HookedChain => ({
              ...hung,
              run: (branches, at) => nft.chain(hung.chain, branches, at),
            }));
      return walkHooks(
        [...tables.flatMap((table) => hooksOfTable(table, packet, machine, trail)), ...chains, ...ofNft],
        packet,
        machine,
        trail,
        apart,
      );
    },
    walkOwn: (packet) => shared?.walk(packet) ?? walkReportRules(alone, packet, apart),
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

/**
 * What becomes of the packet on the node: through every table and hook that was read, in netfilter's order, until it ends.
 * Where a report holds no rules of other programs, through kube-proxy's alone.
 * @returns undefined where the node's proxy mode is not known, or nothing of it was read
 */
export function walkAllRules(
  report: NodeReport,
  service: string,
  packet: Packet,
  cluster?: Pick<ClusterFacts, 'nodes'>,
): WalkResult | undefined {
  const family = familyOf(packet.destination);
  const hooks = hooksOfReport(report, service, family, cluster);
  if (hooks !== undefined) return settle(hooks.walk(packet));
  const rules = readReportRules(report, service, family);
  return rules === undefined ? undefined : walkReportRules(rules, packet);
}

const hooksOfReports = new WeakMap<
  NodeReport,
  Map<string, { readonly cluster: Pick<ClusterFacts, 'nodes'> | undefined; readonly hooks: AllHooks | undefined }>
>();

/** The same for all who ask of one report and cluster. */
function hooksOfReport(
  report: NodeReport,
  service: string,
  family: Family,
  cluster: Pick<ClusterFacts, 'nodes'> | undefined,
): AllHooks | undefined {
  const known =
    hooksOfReports.get(report) ??
    new Map<
      string,
      { readonly cluster: Pick<ClusterFacts, 'nodes'> | undefined; readonly hooks: AllHooks | undefined }
    >();
  hooksOfReports.set(report, known);
  const key = `${family} ${service}`;
  const found = known.get(key);
  if (found !== undefined && found.cluster === cluster) return found.hooks;
  const hooks = readAllHooks(report, service, family, bridgesBeside(report, cluster));
  known.set(key, { cluster, hooks });
  return hooks;
}

/** Bridges with addresses of which none is of the node's podCIDR or its own in the cluster (docker0, virbr0): pods and other nodes are not there. */
export function bridgesBeside(
  report: NodeReport,
  cluster: Pick<ClusterFacts, 'nodes'> | undefined,
): ReadonlySet<string> {
  const own = cluster?.nodes?.find(({ name }) => name === report.node);
  if (own === undefined || own.podCIDRs.length === 0) return new Set();
  const isCluster = (address: string): boolean =>
    own.internalIPs.includes(address) || own.podCIDRs.some((prefix) => prefixContains(prefix, address) === true);
  const bridges = (recordsOf(report, 'interfaces')[0]?.interfaces ?? []).filter(
    ({ bridge, addresses }) => bridge === true && addresses.length > 0 && !addresses.some(isCluster),
  );
  return new Set(bridges.map(({ name }) => name));
}

/** At the priority of iptables' nat, and of kube-proxy's own chains. */
function isBesideNat(base: NftBase | undefined): boolean {
  return (
    base?.type === 'nat' &&
    base.priority ===
      (base.hook === 'postrouting' || base.hook === 'input' ? priorities.sourceNat : priorities.destinationNat)
  );
}

/** nat's built-in chains that were read; in a report of before they all were, kube-proxy's own chain stands for POSTROUTING. */
function natHooksOf(records: readonly RecordOf<'hookChain'>[], isKubes: boolean): HungChain[] {
  const read = builtInHooks.filter(
    ({ isNat, table, chain }) => isNat && records.some((record) => record.table === table && record.chain === chain),
  );
  const missing = isKubes
    ? kubeHooks.filter(({ isNat, hook }) => isNat && !read.some((each) => each.hook === hook))
    : [];
  return [...read, ...missing];
}

function nftTablesOf(foreign: readonly RecordOf<'foreignTable'>[]): ReturnType<NftJsonParser['end']> {
  const whole = foreign.filter(({ omitted }) => omitted === undefined);
  if (whole.length === 0) return { result: [], problems: [] };
  const parser = new NftJsonParser();
  parser.push(JSON.stringify({ nftables: whole.flatMap(({ objects }) => objects) }));
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

/** Of nat's built-in chains, the rules that lead to kube-proxy's chains alone. */
function ownLookup(own: ReportRules): ReportRules {
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
const hooksOfChains = new Map<string, Hook>([
  ['PREROUTING', 'prerouting'],
  ['INPUT', 'input'],
  ['FORWARD', 'forward'],
  ['OUTPUT', 'output'],
  ['POSTROUTING', 'postrouting'],
]);
const tablePriorities = new Map<string, number>([
  ['raw', priorities.raw],
  ['mangle', priorities.mangle],
  ['filter', priorities.filter],
  ['security', priorities.security],
]);

function hookOf({ table, chain, policy }: RecordOf<'hookChain'>, walk: IptablesWalk): HookedChain[] {
  const [hook, priority] = [hooksOfChains.get(chain), tablePriorities.get(table)];
  return policy === undefined || hook === undefined || priority === undefined
    ? []
    : [
        {
          hook,
          priority,
          isNat: false,
          isDropPolicy: policy === 'DROP',
          run: (branches, at) => walk.chain(table, chain, branches, at),
        },
      ];
}

function iptablesHook(hook: Hook, table: string, ...chains: readonly string[]): HungChain[] {
  const priority =
    table === 'filter'
      ? priorities.filter
      : hook === 'postrouting' || hook === 'input'
        ? priorities.sourceNat
        : priorities.destinationNat;
  return chains.map((chain) => ({ hook, priority, isNat: table === 'nat', isDropPolicy: false, table, chain }));
}

/**
 * The chains that kube-proxy hangs on netfilter's hooks, as far as a report of the iptables mode holds them
 * (pkg/proxy/iptables/proxier.go iptablesJumpChains, 1.37).
 */
const kubeHooks: readonly HungChain[] = [
  ...iptablesHook('prerouting', 'nat', 'PREROUTING'),
  ...iptablesHook('output', 'nat', 'OUTPUT'),
  ...iptablesHook('input', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'),
  ...iptablesHook('forward', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES'),
  ...iptablesHook('output', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'),
  ...iptablesHook('postrouting', 'nat', 'KUBE-POSTROUTING'),
];

/** In the IPVS mode, nat and filter are read from their built-in chains on. */
const builtInHooks: readonly HungChain[] = [
  ...iptablesHook('prerouting', 'nat', 'PREROUTING'),
  ...iptablesHook('output', 'nat', 'OUTPUT'),
  ...iptablesHook('input', 'nat', 'INPUT'),
  ...iptablesHook('input', 'filter', 'INPUT'),
  ...iptablesHook('forward', 'filter', 'FORWARD'),
  ...iptablesHook('output', 'filter', 'OUTPUT'),
  ...iptablesHook('postrouting', 'nat', 'POSTROUTING'),
];

function nftHook(hook: Hook, priority: number, isNat: boolean, ...chains: readonly string[]): HungChain[] {
  return chains.map((chain) => ({ hook, priority, isNat, isDropPolicy: false, table: 'kube-proxy', chain }));
}

const beforeNat = priorities.destinationNat - 10;

/** What the nftables mode hangs where (pkg/proxy/nftables/proxier.go nftablesJumpChains and setupNFTables, 1.37). */
const nftHooks: readonly HungChain[] = [
  ...nftHook('prerouting', beforeNat, false, 'firewall-check'),
  ...nftHook('output', beforeNat, false, 'firewall-check'),
  ...nftHook('prerouting', priorities.destinationNat, true, 'nat-prerouting'),
  ...nftHook('output', priorities.destinationNat, true, 'nat-output'),
  ...nftHook('input', priorities.filter, false, 'nodeport-endpoints-check', 'service-endpoints-check'),
  ...nftHook('forward', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
  ...nftHook('output', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
  ...nftHook('postrouting', priorities.sourceNat, true, 'masquerading'),
];

/** The Service's iptables rules of one family. */
function iptablesChains(
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

/** @param chains by `table chain` */
function lookupOf(chains: ReadonlyMap<string, readonly IptablesRule[]>): ChainLookup {
  const tables = new Map(
    [...Map.groupBy(chains, ([key]) => key.slice(0, key.indexOf(' ')))].map(([table, own]) => [
      table,
      new Map(own.map(([key, rules]) => [key.slice(table.length + 1), rules])),
    ]),
  );
  return (table, chain) => tables.get(table)?.get(chain);
}

/** The rules of a chain as they were listed, read once: several views of a report ask for them. */
export const rulesOfRecord = oncePer(({ lines }: Pick<RecordOf<'iptablesChain'>, 'lines'>): readonly IptablesRule[] =>
  lines.flatMap((line) => parseIptablesRule(line) ?? []),
);

/** The virtual servers of the Service in a report of the IPVS mode. */
export function virtualServers(report: NodeReport, service: string, family: Family): readonly VirtualServer[] {
  return recordsOf(report, 'ipvs')
    .filter((record) => record.service === service && record.family === family)
    .flatMap(({ lines }) => parseIpvsadm(lines.join('\n')).result.virtualServers);
}

/** The same of nftables. */
export const nftRulesOfRecord = oncePer(({ objects }: RecordOf<'nftChain'>): readonly NftRule[] =>
  parseNftRules(objects),
);

export const nftElementsOfRecord = oncePer(
  ({ elements }: Pick<RecordOf<'nftElements'>, 'elements'>): readonly NftElement[] =>
    parseNftElements(elements) ??
    elements.map((each): NftElement => ({ key: { kind: 'unrecognized', text: JSON.stringify(each), json: each } })),
);

/** A chain of nftables that hangs on a hook. */
interface NftBaseChain extends Pick<HookedChain, 'hook' | 'priority' | 'isNat' | 'isDropPolicy'> {
  readonly name: string;
}

interface KubeNftTable extends NftTable {
  readonly chains: ReadonlyMap<string, { readonly rules: readonly NftRule[] }>;
  /** Absent in reports that hold those of nat alone. */
  readonly bases?: readonly NftBaseChain[];
}

/** `{"chain": {"name": "nat-output", "type": "nat", "hook": "output", "prio": -100, "policy": "accept"}}` */
const baseChainSchema = z.object({
  chain: z.object({
    name: z.string(),
    type: z.string(),
    hook: z.enum(['prerouting', 'input', 'forward', 'output', 'postrouting']),
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
