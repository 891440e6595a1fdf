/** The chains of one node's program as a tree: folded, followed by their jumps, with counters as rates. */
import type { ProgramExplainer, StatusRule } from '../../core/explain/explain-status.ts';
import { plural } from '../../core/plural.ts';
import type { ChainStatus, NodeStatus, ProgramStatus, ServiceTrace } from '../../core/service-trace.ts';
import { wrapped } from '../printers/wrapped.ts';
import { countText, percentText } from '../words.ts';
import { textBody, type Body, type BodyOptions, type BodyState, type RowMeaning } from './body.ts';
import { explainProgram } from './explanations.ts';
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
  const explainer = explainerOf(program, node, state.trace);
  const rows = rowsOf(program, explainer, state);
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
      if (row.rule === undefined) return `${indent}${paint('heading', `${row.isFolded ? '+' : '-'} ${row.text}`)}${paint('dim', row.isFolded ? `  ${plural(row.chain.rules.length, 'rule')}` : (row.purpose ?? '') === '' ? '' : `, ${row.purpose ?? ''}`)}`;
      const rates = state.history.get(row.rule.key);
      const spark = isMoving ? `${sparkline(rates, sparkWidth).padEnd(sparkWidth)} ` : '';
      const counters = `${countText(row.rule.packets).padStart(room)} ${rateText(lastRate(rates)).padStart(rateRoom)} ${spark}`;
      return `${indent}  ${paint('dim', counters)} ${rowText(row.text)}`;
    },
    detail: (index) => detailOf(rows[index], explainer, { width: width - 2, theme }),
    meaning: (index) => meaningOf(rows, program, index),
    foldable: program.chains.map((chain) => keyOf(program, chain)),
  };
}

/** What a row tells of a rule: its chain stands above it, and its comments are in the pane below. */
function rowText(text: string): string {
  const [, own = text] = /^-A \S+ (.+)$/.exec(text) ?? [];
  return own.replaceAll(/-m comment --comment (?:"(?:[^"\\]|\\.)*"|\S+) ?/g, '').replace(/ comment "(?:[^"\\]|\\.)*"$/, '').trimEnd();
}

interface Row {
  readonly depth: number;
  readonly text: string;
  readonly chain: ChainStatus;
  /** Of a chain's title row. */
  readonly isFolded?: boolean;
  readonly purpose?: string | undefined;
  readonly rule?: { readonly index: number; readonly key: string; readonly packets: number | undefined; readonly jumpsTo: string | undefined };
}

/** A program is explained once, however often its rows are made anew: a status is never changed. */
const explainers = new WeakMap<ProgramStatus, ProgramExplainer>();

function explainerOf(program: ProgramStatus, { ports }: NodeStatus, trace: ServiceTrace | undefined): ProgramExplainer {
  const { service, endpointSlices = [] } = trace?.status ?? {};
  const desired = {
    namespace: trace?.metadata.namespace ?? 'default',
    name: trace?.spec.serviceRef.name ?? '',
    service: service ?? { type: '', clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] },
    endpointSlices,
  };
  const known = explainers.get(program) ?? explainProgram(program, desired, ports);
  explainers.set(program, known);
  return known;
}

/** Entry chains first, each followed by the chains that it leads to; a chain that several lead to is shown once. */
function rowsOf(program: ProgramStatus, explainer: ProgramExplainer, state: BodyState): Row[] {
  const filter = filterOf(state).toLowerCase();
  const targets = new Map(program.chains.map((chain) => [chain, chain.rules.map((_, index) => explainer.leadsTo(chain, index))]));
  const led = new Set([...targets].flatMap(([chain, own]) => own.flat().filter((next) => next !== chain)));
  const rows: Row[] = [];
  const shown = new Set<ChainStatus>();
  const add = (chain: ChainStatus, depth: number): void => {
    if (shown.has(chain)) return;
    shown.add(chain);
    const titleText = `${chain.family} ${chain.table} ${chain.name}`;
    const matching = chain.rules.map(({ text }) => filter === '' || `${titleText} ${text}`.toLowerCase().includes(filter));
    const isFolded = state.folded.has(keyOf(program, chain));
    const own = targets.get(chain) ?? [];
    if (matching.includes(true)) rows.push({ depth, text: titleText, chain, isFolded, purpose: explainer.purpose(chain) });
    chain.rules.forEach(({ text, packets }, index) => {
      const next = own[index]?.[0];
      if (!isFolded && matching[index] === true) rows.push({ depth, text, chain, rule: { index, key: ruleKey(program.fingerprint, chain, index), packets, jumpsTo: next === undefined ? undefined : keyOf(program, next) } });
    });
    if (isFolded) return;
    for (const next of own.flat()) add(next, depth + 1);
  };
  for (const chain of program.chains) if (!led.has(chain)) add(chain, 0);
  // What only a folded chain leads to is folded with it; a circle has no beginning.
  if (rows.length === 0) for (const chain of program.chains) add(chain, 0);
  return rows;
}

function keyOf({ fingerprint }: ProgramStatus, { family, table, name }: Pick<ChainStatus, 'family' | 'table' | 'name'>): string {
  return `${fingerprint} ${family} ${table} ${name}`;
}

function meaningOf(rows: readonly Row[], program: ProgramStatus, index: number): RowMeaning {
  const row = rows[index];
  if (row === undefined) return {};
  const key = keyOf(program, row.chain);
  if (row.rule === undefined) return { open: { kind: 'fold', key }, fold: key, copy: row.text };
  const { jumpsTo } = row.rule;
  const target = jumpsTo === undefined ? -1 : rows.findIndex(({ rule, chain }) => rule === undefined && keyOf(program, chain) === jumpsTo);
  return { ...(target === -1 ? {} : { open: { kind: 'row', row: target } }), fold: key, copy: row.text };
}

/** What the chosen rule does, whom it concerns, where it leads and who writes it. */
function detailOf(row: Row | undefined, explainer: ProgramExplainer, { width, theme: { paint } }: BodyOptions): string[] {
  if (row === undefined) return [];
  const { chain, rule } = row;
  if (rule === undefined) {
    const purpose = explainer.purpose(chain);
    return wrapped(`${chain.table === 'ipvs' ? '' : chain.name.startsWith('map ') ? '' : 'chain '}${chain.name}${purpose === undefined ? '' : `, ${purpose}`}: ${plural(chain.rules.length, chain.table === 'ipvs' ? 'real server' : chain.name.startsWith('map ') ? 'element' : 'rule')}`, width);
  }
  const explained = explainer.rule(chain, rule.index);
  const [next] = explained.leadsTo;
  const purpose = next === undefined ? undefined : explainer.purpose(next);
  return [
    ...wrapped(explained.sentence, width).map((line) => paint(explained.unknown.length > 0 ? 'warning' : 'heading', line)),
    ...wrapped(factsOf(explained, chain, rule.index).join('; '), width),
    ...explained.lines.flatMap(({ sentence }) => wrapped(sentence, width, 2)),
    ...(next === undefined ? [] : wrapped(`Enter: ${next.name}${purpose === undefined ? '' : `, ${purpose}`}`, width)),
    ...wrapped(explained.writer === undefined ? 'not a rule of kube-proxy' : `written by ${explained.writer} (Kubernetes 1.37)`, width).map((line) => paint('dim', line)),
    ...wrapped(chain.rules[rule.index]?.text ?? '', width).map((line) => paint('dim', line)),
  ];
}

function factsOf({ share, measured, countsAll }: StatusRule, chain: ChainStatus, index: number): string[] {
  const { packets, bytes } = chain.rules[index] ?? {};
  const noun = chain.table === 'ipvs' ? 'connection' : 'packet';
  return [
    share === undefined ? 'no endpoint is behind it' : `${percentText(share)} of the connections end at endpoints behind it`,
    ...(measured === undefined ? [] : [`by the counters ${percentText(measured)} of what this chain sent on`]),
    packets === undefined ? 'no counter' : `${plural(packets, noun)}${bytes === undefined ? '' : `, ${plural(bytes, 'byte')}`}${countsAll ? ' of all Services together' : ''}`,
  ];
}
