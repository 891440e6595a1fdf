/** The chains of one node's program as a tree: folded, followed by their jumps, with counters as rates. */
import type { ChainStatus, ProgramStatus } from '../../core/service-trace.ts';
import { plural } from '../../core/plural.ts';
import { wrapped } from '../printers/wrapped.ts';
import { countText } from '../words.ts';
import { textBody, type Body, type BodyOptions, type BodyState, type RowMeaning } from './body.ts';
import { lastRate, ruleKey, sparkline } from './history.ts';
import { filterOf, selectedNode } from './live-state.ts';
import { rateText } from './rates.ts';

const sparkWidth = 8;

export function rulesBody(state: BodyState, { width, theme }: BodyOptions): Body {
  const { paint } = theme;
  const node = selectedNode(state);
  const status = state.trace?.status;
  const program = status?.programs?.find(({ fingerprint }) => fingerprint === node?.program);
  if (node === undefined || program === undefined) return textBody([paint('dim', node === undefined ? 'No node answered yet.' : `No rule of this Service was read on ${node.name}.`)]);
  if (program.chains.length === 0) return textBody([paint('warning', `The rules of program ${program.fingerprint} were cut: trace fewer nodes with --node.`)]);
  const others = program.nodes.length - 1;
  const title = `Program ${program.fingerprint}${others === 0 ? '' : `, the same on ${String(others)} more node${others === 1 ? '' : 's'}; packets are summed`}; mode known: ${node.proxyModeSource ?? 'unknown'}`;
  const rows = rowsOf(program, state);
  const room = Math.max(1, ...program.chains.flatMap(({ rules }) => rules.map(({ packets }) => countText(packets).length)));
  const rateRoom = Math.max(1, ...rows.map(({ rule }) => (rule === undefined ? 0 : rateText(lastRate(state.history.get(rule.key))).length)));
  const isMoving = rows.some(({ rule }) => rule !== undefined && sparkline(state.history.get(rule.key), sparkWidth) !== '');
  return {
    fixed: wrapped(title, width).map((line) => paint('dim', line)),
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      const indent = '  '.repeat(Math.min(row.depth, 6));
      if (row.rule === undefined) return `${indent}${paint('heading', `${row.isFolded ? '+' : '-'} ${row.text}`)}${row.isFolded ? paint('dim', `  ${plural(row.size ?? 0, 'rule')}`) : ''}`;
      const rates = state.history.get(row.rule.key);
      const spark = isMoving ? `${sparkline(rates, sparkWidth).padEnd(sparkWidth)} ` : '';
      const counters = `${countText(row.rule.packets).padStart(room)} ${rateText(lastRate(rates)).padStart(rateRoom)} ${spark}`;
      return `${indent}  ${paint('dim', counters)} ${row.text}`;
    },
    meaning: (index) => meaningOf(rows, index),
    foldable: program.chains.map((chain) => keyOf(program, chain)),
  };
}

interface Row {
  readonly depth: number;
  readonly text: string;
  /** Key of the chain, in its title row. */
  readonly chain?: string;
  readonly isFolded?: boolean;
  readonly size?: number;
  readonly rule?: { readonly key: string; readonly packets: number | undefined; readonly jumpsTo: string | undefined };
}

/** Entry chains first, each followed by the chains that it leads to; a chain that several lead to is shown once. */
function rowsOf(program: ProgramStatus, state: BodyState): Row[] {
  const filter = filterOf(state).toLowerCase();
  const byKey = new Map(program.chains.map((chain) => [keyOf(program, chain), chain]));
  const jumps = new Map(program.chains.map((chain) => [keyOf(program, chain), chain.rules.map(({ text }) => jumpOf(text, (name) => byKey.has(keyOf(program, { ...chain, name }))))]));
  const led = new Set(program.chains.flatMap((chain) => (jumps.get(keyOf(program, chain)) ?? []).flatMap((name) => (name === undefined ? [] : [keyOf(program, { ...chain, name })]))));
  const rows: Row[] = [];
  const shown = new Set<string>();
  const add = (chain: ChainStatus, depth: number): void => {
    const key = keyOf(program, chain);
    if (shown.has(key)) return;
    shown.add(key);
    const titleText = `${chain.family} ${chain.table} ${chain.name}`;
    const matching = chain.rules.map(({ text }) => filter === '' || `${titleText} ${text}`.toLowerCase().includes(filter));
    const isFolded = state.folded.has(key);
    const targets = jumps.get(key) ?? [];
    if (matching.includes(true)) rows.push({ depth, text: titleText, chain: key, isFolded, size: chain.rules.length });
    chain.rules.forEach(({ text, packets }, index) => {
      if (!isFolded && matching[index] === true) rows.push({ depth, text, rule: { key: ruleKey(program.fingerprint, chain, index), packets, jumpsTo: targets[index] === undefined ? undefined : keyOf(program, { ...chain, name: targets[index] }) } });
    });
    if (isFolded) return;
    for (const name of new Set(targets)) {
      const next = name === undefined ? undefined : byKey.get(keyOf(program, { ...chain, name }));
      if (next !== undefined) add(next, depth + 1);
    }
  };
  for (const chain of program.chains) if (!led.has(keyOf(program, chain))) add(chain, 0);
  // What only a folded chain leads to is folded with it; a circle has no beginning.
  if (rows.length === 0) for (const chain of program.chains) add(chain, 0);
  return rows;
}

function keyOf({ fingerprint }: ProgramStatus, { family, table, name }: Pick<ChainStatus, 'family' | 'table' | 'name'>): string {
  return `${fingerprint} ${family} ${table} ${name}`;
}

/** The chain of the program that a rule leads to, whatever the tool that printed it. */
function jumpOf(text: string, isChain: (name: string) => boolean): string | undefined {
  const word = /(?:-[jg]|jump|goto) "?([^\s",;}]+)/.exec(text)?.[1];
  return word !== undefined && isChain(word) ? word : undefined;
}

function meaningOf(rows: readonly Row[], index: number): RowMeaning {
  const row = rows[index];
  if (row === undefined) return {};
  if (row.chain !== undefined) return { open: { kind: 'fold', key: row.chain }, fold: row.chain, copy: row.text };
  const owner = rows.slice(0, index).findLast(({ chain }) => chain !== undefined)?.chain;
  const target = row.rule?.jumpsTo === undefined ? -1 : rows.findIndex(({ chain }) => chain === row.rule?.jumpsTo);
  return { ...(target === -1 ? {} : { open: { kind: 'row', row: target } }), ...(owner === undefined ? {} : { fold: owner }), copy: row.text };
}
