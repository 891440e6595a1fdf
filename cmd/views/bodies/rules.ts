/** The chains of one node's program as a tree: folded, followed by their jumps, with counters as rates. */
import { readChainName, type NamedChain } from '../../../core/api/chain-name.ts';
import type { ProgramExplainer, StatusRule } from '../../../core/explain/explain-status.ts';
import { plural } from '../../../core/lib/plural.ts';
import type { ChainStatus, NodeStatus, ProgramStatus } from '../../../core/api/service-trace.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { countText, percentText } from '../../tables/words.ts';
import { textBody, type Body, type BodyOptions, type BodyState, type RowMeaning } from './body.ts';
import { explainerOf } from '../state/explainers.ts';
import { isMoving, lastRate, sparkline } from '../state/history.ts';
import { filterOf, selectedNode } from '../state/live-state.ts';
import { rateText, rateWidth } from '../state/rates.ts';
import { treeOf, type RulesTree } from '../state/rules-tree.ts';

const sparkWidth = 8;

export function rulesBody(state: BodyState, { width, theme }: BodyOptions): Body {
  const { paint } = theme;
  const node = selectedNode(state);
  const status = state.trace?.status;
  const program = status?.programs?.find(({ fingerprint }) => fingerprint === node?.program);
  if (state.trace === undefined || node === undefined || program === undefined)
    return textBody([
      paint('dim', node === undefined ? 'No node answered yet.' : `No rule of this Service was read on ${node.name}.`),
    ]);
  if (program.chains.length === 0)
    return textBody([
      paint('warning', `The rules of program ${program.fingerprint} were cut: trace fewer nodes with --node.`),
    ]);
  const others = program.nodes.length - 1;
  const title = `Program ${program.fingerprint}${others === 0 ? '' : `, the same on ${String(others)} more node${others === 1 ? '' : 's'}; packets are summed`}`;
  const explainer = explainerOf(program, node, state.trace);
  const tree = treeOf(program, explainer);
  const rows = rowsOf(program, tree, state);
  const room = program.chains.reduce(
    (most, { rules }) => rules.reduce((widest, { packets }) => Math.max(widest, countText(packets).length), most),
    1,
  );
  const histories = rows.map(({ rule }) => (rule === undefined ? undefined : state.history.get(rule.key)));
  const rateRoom = rateWidth(histories.map(lastRate));
  const isAnyMoving = histories.some((rates) => isMoving(rates?.slice(-sparkWidth)));
  return {
    fixed: wrapped(title, width).map((line) => paint('dim', line)),
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      const indent = '  '.repeat(Math.min(row.depth, 6));
      if (row.rule === undefined) {
        const purpose = explainer.purpose(row.chain);
        return `${indent}${paint('heading', `${row.isFolded ? '+' : '-'} ${row.text}`)}${paint('dim', row.isFolded ? `  ${plural(row.chain.rules.length, 'rule')}` : purpose === undefined ? '' : `, ${purpose}`)}`;
      }
      const rates = histories[index];
      const spark = isAnyMoving ? `${sparkline(rates, sparkWidth).padEnd(sparkWidth)} ` : '';
      const counters = `${countText(row.rule.packets).padStart(room)} ${rateText(lastRate(rates)).padStart(rateRoom)} ${spark}`;
      return `${indent}  ${paint('dim', counters)} ${rowText(row.text)}`;
    },
    detail: (index) => detailOf(rows[index], node, explainer, { width: width - 2, theme }),
    meaning: (index) => meaningOf(rows, index),
    foldable: [...tree.branches.values()].map(({ key }) => key),
  };
}

/** What a row shows of a rule: its chain stands above it, and its comments are in the pane below. */
function rowText(text: string): string {
  const [, own = text] = /^-A \S+ (.+)$/.exec(text) ?? [];
  return own
    .replaceAll(/-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) ?/g, '')
    .replace(/ comment "(?:[^"\\]|\\.)*"$/, '')
    .trimEnd();
}

interface Row {
  readonly depth: number;
  readonly text: string;
  readonly chain: ChainStatus;
  /** By which the chain is folded. */
  readonly key: string;
  /** Of a chain's title row. */
  readonly isFolded?: boolean;
  readonly rule?: {
    readonly index: number;
    /** Of its history. */ readonly key: string;
    readonly packets: number | undefined;
    readonly jumpsTo: ChainStatus | undefined;
  };
}

/** Entry chains first, each followed by the chains that it jumps to; a chain that several jump to is shown once. */
function rowsOf(program: ProgramStatus, { entries, branches }: RulesTree, state: BodyState): Row[] {
  const filter = filterOf(state).toLowerCase();
  const rows: Row[] = [];
  const shown = new Set<ChainStatus>();
  const add = (chain: ChainStatus, depth: number): void => {
    const branch = branches.get(chain);
    if (branch === undefined || shown.has(chain)) return;
    shown.add(chain);
    const { title, key, rules } = branch;
    const isFolded = state.folded.has(key);
    const isMatching = ({ text }: ChainStatus['rules'][number]): boolean =>
      filter === '' || `${title} ${text}`.toLowerCase().includes(filter);
    if (chain.rules.some(isMatching)) rows.push({ depth, text: title, chain, key, isFolded });
    // What only a folded chain jumps to is folded with it.
    if (isFolded) return;
    chain.rules.forEach((rule, index) => {
      const own = rules[index];
      if (own !== undefined && isMatching(rule))
        rows.push({
          depth,
          text: rule.text,
          chain,
          key,
          rule: { index, key: own.key, packets: rule.packets, jumpsTo: own.jumpsTo[0] },
        });
    });
    for (const { jumpsTo } of rules) for (const next of jumpsTo) add(next, depth + 1);
  };
  for (const chain of entries) add(chain, 0);
  return rows;
}

function meaningOf(rows: readonly Row[], index: number): RowMeaning {
  const row = rows[index];
  if (row === undefined) return {};
  const { key, text, rule } = row;
  if (rule === undefined) return { open: { kind: 'fold', key }, fold: key, copy: text };
  const target =
    rule.jumpsTo === undefined ? -1 : rows.findIndex((each) => each.rule === undefined && each.chain === rule.jumpsTo);
  return { ...(target === -1 ? {} : { open: { kind: 'row', row: target } }), fold: key, copy: text };
}

/** Before a chain's name, and what its rules are called. */
const rowWords = {
  chain: ['chain ', 'rule'],
  map: ['', 'element'],
  virtualServer: ['', 'real server'],
  firewallMark: ['', 'real server'],
} as const satisfies Readonly<Record<NamedChain['kind'], readonly [string, string]>>;

/** What the chosen rule does, whom it concerns, where it leads and who writes it. */
function detailOf(
  row: Row | undefined,
  node: NodeStatus,
  explainer: ProgramExplainer,
  { width, theme: { paint } }: BodyOptions,
): string[] {
  if (row === undefined) return [];
  const { chain, rule } = row;
  if (rule === undefined) {
    const purpose = explainer.purpose(chain);
    const [kind, part] = rowWords[readChainName(chain).kind];
    return [
      ...wrapped(
        `${kind}${chain.name}${purpose === undefined ? '' : `, ${purpose}`}: ${plural(chain.rules.length, part)}`,
        width,
      ),
      ...wrapped(
        `proxy mode of ${node.name}: ${node.proxyMode}${node.backend === undefined ? '' : ` on ${node.backend}`} (${node.proxyModeSource ?? 'how it is known was not recorded'})`,
        width,
      ).map((line) => paint('dim', line)),
    ];
  }
  const explained = explainer.rule(chain, rule.index);
  const [next] = explained.jumpsTo;
  const purpose = next === undefined ? undefined : explainer.purpose(next);
  return [
    ...wrapped(explained.sentence, width).map((line) =>
      paint(explained.unknown.length > 0 ? 'warning' : 'heading', line),
    ),
    ...wrapped(factsOf(explained, chain, rule.index).join('; '), width),
    ...explained.lines.flatMap(({ sentence }) => wrapped(sentence, width, 2)),
    ...(next === undefined ? [] : wrapped(`Enter: ${next.name}${purpose === undefined ? '' : `, ${purpose}`}`, width)),
    ...wrapped(
      explained.writer === undefined ? 'not a rule of kube-proxy' : `written by ${explained.writer} (Kubernetes 1.37)`,
      width,
    ).map((line) => paint('dim', line)),
    ...wrapped(chain.rules[rule.index]?.text ?? '', width).map((line) => paint('dim', line)),
  ];
}

function factsOf({ share, measured, countsAll }: StatusRule, chain: ChainStatus, index: number): string[] {
  const { packets, bytes } = chain.rules[index] ?? {};
  const noun = chain.table === 'ipvs' ? 'connection' : 'packet';
  return [
    share === undefined
      ? 'no endpoint is behind it'
      : `${percentText(share)} of the connections end at endpoints behind it`,
    ...(measured === undefined ? [] : [`by the counters ${percentText(measured)} of what this chain sent on`]),
    packets === undefined
      ? 'no counter'
      : `${plural(packets, noun)}${bytes === undefined ? '' : `, ${plural(bytes, 'byte')}`}${countsAll ? ' of all Services together' : ''}`,
  ];
}
