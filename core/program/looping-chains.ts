/**
 * Chains of a report that jump in a circle. The kernel takes none (iptables: ELOOP; nf_tables: nf_table_validate), so they
 * were read while the rules changed, or the file was altered: nothing holds of such a table, and it counts as not read.
 */
import { dispatchRules } from '../kube-proxy/dispatch-references.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { NftExpression } from '../nftables/rule.ts';
import { chainOfVerdict, jumpsOfStatement } from '../nftables/targets.ts';
import {
  recordsOf,
  type NodeAnswer,
  type NodeReport,
  type NodeReportRecord,
  type RecordOf,
} from '../wire/node-report.ts';
import { oncePer } from '../lib/once-per.ts';
import { findChainCycle, type Jump } from '../dump/chain-cycle.ts';
import { nftElementsOfRecord, nftRulesOfRecord, rulesOfRecord } from './read-node-report.ts';

/** The same answers, each table that jumps in a circle replaced by why it is not known. Other tables and nodes stay. */
export function withoutLoopingChains(answers: readonly NodeAnswer[]): readonly NodeAnswer[] {
  const all = answers.map(cleared);
  return all.every((answer, index) => answer === answers[index]) ? answers : all;
}

export interface LoopingChains {
  readonly node: string;
  /** In the order of their jumps; the last one is the first. */
  readonly chains: readonly string[];
}

/** The first circle of them all. */
export function findLoopingChains(answers: readonly NodeAnswer[]): LoopingChains | undefined {
  for (const answer of answers) {
    const [first] = lostOf(answer);
    if (first !== undefined) return { node: answer.node, chains: first.chains };
  }
  return undefined;
}

/** A report is never changed: the same one is looked through once. */
const lostOf = oncePer((answer: NodeAnswer): readonly Lost[] =>
  'report' in answer ? [...loopingIptables(answer.report), ...loopingNftables(answer.report)] : [],
);

const cleared = oncePer((answer: NodeAnswer): NodeAnswer => {
  const lost = lostOf(answer);
  if (!('report' in answer) || lost.length === 0) return answer;
  const { report } = answer;
  const gone = new Set<NodeReportRecord>(lost.flatMap(({ records }) => records));
  return {
    ...answer,
    report: {
      ...report,
      records: [...report.records.filter((record) => !gone.has(record)), ...lost.map(({ unread }) => unread)],
    },
  };
});

interface Lost {
  readonly chains: readonly string[];
  /** Of the table. */
  readonly records: readonly NodeReportRecord[];
  readonly unread: RecordOf<'unread'>;
}

type Jumps = (chain: string) => readonly string[];

/** From each chain that is known on: whichever of them a packet comes to first. */
function circle(chains: Iterable<string>, jumpsOf: Jumps): readonly string[] | undefined {
  return findChainCycle(chains, (chain) => withoutLines(jumpsOf(chain)))?.chains;
}

/** A report has no lines of a dump; nodes that have the same chain share where it jumps to. */
const withoutLines = oncePer((jumps: readonly string[]): readonly Jump[] => jumps.map((to) => ({ to, line: 0 })));

function reasonOf(node: string, chains: readonly string[]): string {
  return `on ${node}, chain ${chains[0] ?? ''} jumps in a circle, ${chains.join(' -> ')}, which no kernel takes: the rules changed while they were read, or the record was altered; trace again`;
}

function loopingIptables(report: NodeReport): Lost[] {
  const hooked = recordsOf(report, 'hookChain');
  const own = [...recordsOf(report, 'iptablesChain'), ...recordsOf(report, 'dispatchReferences')];
  const tableOf = ({ backend, family, table }: (typeof hooked)[number] | (typeof own)[number]): string =>
    `${backend} ${family} ${table}`;
  const ownTables = Map.groupBy(own, tableOf);
  const hookedTables = Map.groupBy(hooked, tableOf);
  return [...new Set([...ownTables.keys(), ...hookedTables.keys()])].flatMap((key) => {
    const [others, ours] = [hookedTables.get(key) ?? [], ownTables.get(key) ?? []];
    const first = others[0] ?? ours[0];
    if (first === undefined) return [];
    const { backend, family, table } = first;
    const tool = `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${backend === 'legacy' ? 'legacy' : 'nft'}`;
    const ofOthers = new Map(others.map((record) => [record.chain, jumpsOfRecord(record)]));
    const alone = circle(ofOthers.keys(), (chain) => ofOthers.get(chain) ?? []);
    const lost: Lost[] = [];
    if (alone !== undefined)
      lost.push({
        chains: alone,
        records: others,
        unread: {
          kind: 'unread',
          family,
          part: 'other',
          what: `chains of other programs, ${tool}, table ${table}`,
          reason: reasonOf(report.node, alone),
        },
      });
    for (const [service, records] of Map.groupBy(ours, (record) => record.service)) {
      const ofService = new Map(records.map((record) => [record.chain, jumpsOfRecord(record)]));
      const together: Jumps = (chain) => {
        const own = ofService.get(chain) ?? none;
        const other = (alone === undefined ? ofOthers.get(chain) : undefined) ?? none;
        return other.length === 0 ? own : [...own, ...other];
      };
      const chains = circle([...ofService.keys()], together);
      if (chains === undefined) continue;
      lost.push({
        chains,
        records,
        unread: {
          kind: 'unread',
          service,
          family,
          part: 'rules',
          what: `rules of ${tool}, table ${table}`,
          reason: reasonOf(report.node, chains),
        },
      });
    }
    return lost;
  });
}

function jumpsOfRecord(
  record: RecordOf<'hookChain'> | RecordOf<'iptablesChain'> | RecordOf<'dispatchReferences'>,
): readonly string[] {
  return jumpsOf(record.kind === 'dispatchReferences' ? dispatchRules(record) : rulesOfRecord(record));
}

const jumpsOf = oncePer((rules: readonly IptablesRule[]): readonly string[] => {
  const found = rules.flatMap(({ target }) => (target?.kind === 'jump' || target?.kind === 'goto' ? target.chain : []));
  return found.length === 0 ? none : found;
});

const none: readonly never[] = [];

function loopingNftables(report: NodeReport): Lost[] {
  const ofTable = ({ service, family }: { readonly service: string; readonly family: string }): string =>
    `${family} ${service}`;
  const elements = Map.groupBy(recordsOf(report, 'nftElements'), ofTable);
  return [...Map.groupBy(recordsOf(report, 'nftChain'), ofTable)].flatMap(([key, records]): Lost[] => {
    const [first] = records;
    if (first === undefined) return [];
    const { service, family } = first;
    const maps = new Map((elements.get(key) ?? []).map((record) => [record.name, nftElementsOfRecord(record)]));
    const chains = new Map(records.map((record) => [record.chain, nftRulesOfRecord(record)]));
    const named = (data: NftExpression): readonly string[] =>
      data.kind === 'setReference'
        ? (maps.get(data.name) ?? []).flatMap(({ value }) =>
            value?.kind === 'verdict' ? chainOfVerdict(value.verdict) : [],
          )
        : [];
    const found = circle(chains.keys(), (chain) =>
      (chains.get(chain) ?? []).flatMap(({ statements }) =>
        statements.flatMap((statement) => [
          ...jumpsOfStatement(statement),
          ...(statement.kind === 'vmap' ? named(statement.data) : []),
        ]),
      ),
    );
    if (found === undefined) return [];
    return [
      {
        chains: found,
        records: [...records, ...(elements.get(key) ?? [])],
        unread: {
          kind: 'unread',
          service,
          family,
          part: 'rules',
          what: 'rules of nftables, table kube-proxy',
          reason: reasonOf(report.node, found),
        },
      },
    ];
  });
}
