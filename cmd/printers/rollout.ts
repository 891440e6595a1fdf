/** A rollout's result as text: the verdict, what it rests on, and the tables of endpoints and nodes. */
import { lagText } from '../../core/convergence/lag-text.ts';
import { plural } from '../../core/lib/plural.ts';
import { gapText, sleepText, verdictText } from '../../core/rollout/result-text.ts';
import type {
  ConnectionCounts,
  DurationBounds,
  GoneEndpoint,
  GoneOnNode,
  Risk,
  RolloutResult,
  Verdict,
} from '../../core/rollout/result.ts';
import { printColumns, type Column } from '../tables/columns.ts';
import { paintCell, type Paint } from '../tables/paint.ts';
import { cell, type Cell } from '../tables/tone.ts';
import { wrapped } from './wrapped.ts';

export interface RolloutTableOptions {
  readonly width: number;
  readonly paint: Paint;
  /** Every endpoint on every node. */
  readonly isWide: boolean;
}

/** Of so many endpoints, those at risk come first. */
const mostRows = 20;

export function printRollout(result: RolloutResult, options: RolloutTableOptions): string {
  return [head(result, options), gone(result, options), nodes(result, options), added(result, options)]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
    .concat('\n');
}

const verdictCells: Readonly<Record<Verdict, Cell>> = {
  noneAtRisk: cell('none at risk', 'ok'),
  someAtRisk: cell('some at risk', 'error'),
  partial: cell('partial', 'warning'),
};
const riskCells: Readonly<Record<Risk, Cell>> = {
  none: cell('none', 'ok'),
  atRisk: cell('at risk', 'error'),
  unknown: cell('unknown', 'warning'),
};

function head(result: RolloutResult, options: RolloutTableOptions): string[] {
  const { paint, width } = options;
  const { namespace, service, command, changes, startedAt, endedAt, preStopSleep, connections, gaps, verdict } = result;
  const seconds = Math.round((Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  const word = verdictCells[verdict];
  const lines = [
    `${paint('heading', `Rollout of Service ${namespace}/${service}`)}  ${plural(changes, 'change')} of its EndpointSlices in ${String(seconds)} s`,
    ...fact('Command', command === undefined ? undefined : commandText(command), width),
    ...fact('Verdict', `${word.text}: ${verdictText(result)}`, width).map((line, index) =>
      index === 0 ? line.replace(word.text, paintCell(paint, word)) : line,
    ),
    ...fact('preStop', preStopSleep === undefined ? undefined : sleepText(preStopSleep), width),
    ...fact('Connections', connections === undefined ? undefined : countsText(connections), width),
  ];
  return [
    ...lines,
    ...gaps.flatMap((gap) => fact('Not known', gapText(gap), width)).map((line) => paint('warning', line)),
  ];
}

const labelWidth = 13;

function fact(label: string, text: string | undefined, width: number): string[] {
  if (text === undefined) return [];
  return wrapped(text, width - labelWidth).map(
    (line, index) => (index === 0 ? label.padEnd(labelWidth) : ' '.repeat(labelWidth)) + line.trimStart(),
  );
}

function commandText({ words, exitCode, signal, endedAt }: NonNullable<RolloutResult['command']>): string {
  const end =
    endedAt === undefined
      ? 'did not end'
      : signal === undefined
        ? `ended with status ${String(exitCode ?? 0)}`
        : `was ended by ${signal}`;
  return `${words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')} (${end})`;
}

function countsText({ opened, unanswered, reset, kept }: ConnectionCounts): string {
  return [
    `${plural(opened, 'new one')} to endpoints that went, ${String(unanswered)} of them unanswered`,
    `${String(reset)} ended by RST`,
    ...(kept === undefined ? [] : [`conntrack keeps ${plural(kept, 'entry', 'entries')}`]),
  ].join('; ');
}

function gone({ goneEndpoints }: RolloutResult, options: RolloutTableOptions): string[] {
  if (goneEndpoints.length === 0) return [];
  const rows = options.isWide
    ? goneEndpoints.flatMap((endpoint) => endpoint.nodes.map((node) => goneRow(endpoint, node, true)))
    : riskiestFirst(goneEndpoints)
        .slice(0, mostRows)
        .map((endpoint) => goneRow(endpoint, lastOf(endpoint), false));
  const columns: Column[] = [
    { title: 'ENDPOINT' },
    { title: 'POD', least: 10, cut: 'middle' },
    { title: 'RISK' },
    { title: options.isWide ? 'NODE' : 'LAST NODE', least: 8, cut: 'middle' },
    { title: 'SENT FOR', align: 'right' },
    { title: 'TOO LATE BY', align: 'right' },
    ...(options.isWide
      ? (['OPENED', 'UNANSWERED', 'RESET', 'KEPT'] as const).map((title): Column => ({ title, align: 'right' }))
      : ([{ title: 'FAILED', align: 'right' }] as const)),
  ];
  const more = options.isWide ? 0 : goneEndpoints.length - rows.length;
  return [
    options.paint('heading', 'Endpoints that went'),
    ...tableOf(columns, rows, options),
    ...(more > 0 ? [`and ${String(more)} more; -o wide shows all`] : []),
    ...legend(
      `SENT FOR: how long ${options.isWide ? 'the node' : 'the last node'} sent new connections there after the EndpointSlices asked for no more. TOO LATE BY: so much of it after SIGTERM could come, or after it stopped serving.${options.isWide ? '' : ' FAILED: unanswered or reset, of all new connections there from all nodes.'}`,
      options,
    ),
  ];
}

function legend(text: string, { width, paint }: RolloutTableOptions): string[] {
  return text === '' ? [] : wrapped(text, width).map((line) => paint('dim', line));
}

/** -o wide cuts nothing. */
function tableOf(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  { width, paint, isWide }: RolloutTableOptions,
): string[] {
  return printColumns(columns, rows, { width: isWide ? Infinity : width, paint });
}

function goneRow(endpoint: GoneEndpoint, node: GoneOnNode | undefined, isWide: boolean): Cell[] {
  const { address, pod = '', risk } = endpoint;
  return [
    cell(address),
    cell(pod),
    riskCells[isWide ? (node?.risk ?? risk) : risk],
    cell(node?.node ?? ''),
    durationCell(node?.sentFor),
    lateCell(node?.sentAfterEnd),
    ...(isWide ? countCells(node?.connections) : [failedCell(endpoint)]),
  ];
}

function durationCell(duration: DurationBounds | undefined): Cell {
  if (duration === undefined) return cell('-', 'dim');
  return cell(lagText(duration), duration.maxMilliseconds === undefined ? 'warning' : 'plain');
}

function lateCell(duration: DurationBounds | undefined): Cell {
  if (duration === undefined) return cell('unknown', 'warning');
  return duration.maxMilliseconds === 0 ? cell('0', 'ok') : cell(lagText(duration));
}

function countCells(counts: ConnectionCounts | undefined): Cell[] {
  if (counts === undefined) return [cell('unknown', 'warning'), ...['', '', ''].map(() => cell('-', 'dim'))];
  const { opened, unanswered, reset, kept } = counts;
  return [
    cell(String(opened)),
    cell(String(unanswered), unanswered > 0 ? 'error' : 'plain'),
    cell(String(reset), reset > 0 ? 'warning' : 'plain'),
    kept === undefined ? cell('-', 'dim') : cell(String(kept)),
  ];
}

/** Of all nodes: `2/5`. */
function failedCell({ nodes: all }: GoneEndpoint): Cell {
  const known = all.flatMap(({ connections }) => connections ?? []);
  if (known.length === 0) return cell('unknown', 'warning');
  const failed = known.reduce((sum, { opened, unanswered, reset }) => sum + unanswered + Math.min(opened, reset), 0);
  const opened = known.reduce((sum, each) => sum + each.opened, 0);
  return cell(`${String(failed)}/${String(opened)}`, failed > 0 ? 'error' : 'plain');
}

function riskiestFirst(endpoints: readonly GoneEndpoint[]): GoneEndpoint[] {
  const rank: Readonly<Record<Risk, number>> = { atRisk: 0, unknown: 1, none: 2 };
  return [...endpoints].sort((one, other) => rank[one.risk] - rank[other.risk]);
}

function lastOf({ nodes: all, lastNode }: GoneEndpoint): GoneOnNode | undefined {
  return all.find(({ node }) => node === lastNode);
}

function nodes(
  { nodes: all, goneEndpoints, newEndpoints: added }: RolloutResult,
  options: RolloutTableOptions,
): string[] {
  if (all.length === 0) return [];
  const columns: Column[] = [
    { title: 'NODE', least: 8, cut: 'middle' },
    { title: 'RISK' },
    { title: 'SENT FOR', align: 'right' },
    { title: 'OPENED', align: 'right' },
    { title: 'UNANSWERED', align: 'right' },
    { title: 'RESET', align: 'right' },
    { title: 'NEW AFTER', align: 'right' },
  ];
  const longestFirst = [...all].sort((one, other) => mostOf(other.sentFor) - mostOf(one.sentFor));
  const shown = options.isWide ? longestFirst : longestFirst.slice(0, mostRows);
  const rows = shown.map(({ node, risk, endpointsAtRisk, sentFor, connections, newEndpoints }) => [
    cell(node),
    sentFor === undefined
      ? cell('-', 'dim')
      : risk === 'atRisk'
        ? cell(`at risk: ${String(endpointsAtRisk)} of ${String(goneEndpoints.length)}`, 'error')
        : riskCells[risk],
    durationCell(sentFor),
    ...countCells(connections).slice(0, 3),
    durationCell(newEndpoints),
  ]);
  return [
    options.paint('heading', 'Nodes'),
    ...tableOf(columns, rows, options),
    ...(all.length > shown.length ? [`and ${String(all.length - shown.length)} more; -o wide shows all`] : []),
    ...legend(
      [
        ...(goneEndpoints.length === 0 ? [] : ['SENT FOR: the longest of all endpoints that went.']),
        ...(added.length === 0 ? [] : ['NEW AFTER: the longest that its rules took to have a new endpoint.']),
      ].join(' '),
      options,
    ),
  ];
}

function mostOf(duration: DurationBounds | undefined): number {
  return duration === undefined ? -1 : (duration.maxMilliseconds ?? Infinity);
}

function added({ newEndpoints }: RolloutResult, options: RolloutTableOptions): string[] {
  if (newEndpoints.length === 0) return [];
  const columns: Column[] = [
    { title: 'ENDPOINT' },
    { title: 'POD', least: 10, cut: 'middle' },
    { title: 'ON', least: 8, cut: 'middle' },
    { title: 'LAST NODE', least: 8, cut: 'middle' },
    { title: 'AFTER', align: 'right' },
  ];
  const shown = options.isWide ? newEndpoints : newEndpoints.slice(0, mostRows);
  const rows = shown.map(({ address, pod = '', nodeName = '', nodes: all, lastNode }) => [
    cell(address),
    cell(pod),
    cell(nodeName),
    cell(lastNode ?? ''),
    durationCell(all.find(({ node }) => node === lastNode)),
  ]);
  return [
    options.paint('heading', 'New endpoints'),
    ...tableOf(columns, rows, options),
    ...(newEndpoints.length > shown.length
      ? [`and ${String(newEndpoints.length - shown.length)} more; -o wide shows all`]
      : []),
  ];
}
