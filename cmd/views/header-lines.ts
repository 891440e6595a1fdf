/** The top of the live view: what is traced, how fresh it is, the path in one line, and the conditions. */
import { originText } from '../sources/origin.ts';
import type { ServiceStatus, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { oncePer } from '../../core/lib/once-per.ts';
import { plural } from '../../core/lib/plural.ts';
import { untriedOf } from '../../core/status/untried.ts';
import { paintCell } from '../tables/paint.ts';
import { wrapped } from '../printers/wrapped.ts';
import { cell, type Cell } from '../tables/tone.ts';
import { ageText, conditionCell, endpointsText, ownPortText } from '../tables/words.ts';
import type { LiveState } from './state/live-state.ts';
import type { Theme } from './state/theme.ts';
import stringWidth from 'string-width';

/** All below the title line, painted, none longer than `width`: the path, the conditions, and what is wrong or waited for. */
export function headerLines(state: LiveState, theme: Theme, width: number): string[] {
  const { status } = state.trace ?? {};
  const { paint } = theme;
  // An old result is not shown in the colours of a fresh one.
  const isOld = isOldResult(state);
  const join = (cells: readonly Cell[]): string =>
    cells.map((each) => paintCell(paint, isOld ? cell(each.text, 'dim') : each)).join('');
  const trouble = troubleOf(state);
  return [
    ...(status?.service === undefined ? [] : [join(pathText(status, theme))]),
    ...(status === undefined ? [] : withUntried(join(conditionCells(status, theme)), status, theme, width)),
    ...(trouble === undefined
      ? []
      : atMost(wrapped(trouble.text, width), mostTroubleLines).map((line) => paint(trouble.tone, line))),
  ];
}

/** Behind the conditions what was not tried, or on a line of its own where there is no room. */
function withUntried(conditions: string, status: ServiceTraceStatus, { paint }: Theme, width: number): string[] {
  const text = untriedOf(status).join('; ');
  if (text === '') return [conditions];
  const line = `   ${text}`;
  return stringWidth(conditions) + line.length <= width
    ? [conditions + paint('dim', line)]
    : [conditions, ...wrapped(text, width).map((each) => paint('dim', each))];
}

const mostTroubleLines = 5;

/** A text that is cut says so. */
function atMost(lines: readonly string[], most: number): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most - 1), `${(lines[most - 1] ?? '').slice(0, -1)}…`];
}

/** What the user should know first; while not all is known, the condition Ready says what is waited for. */
function troubleOf({ connection, notice, origin, trace }: LiveState): Cell | undefined {
  if (connection.state === 'silent') return cell(connection.reason, 'error');
  if (connection.state === 'lost')
    return cell(
      `The API server does not answer (${connection.reason}); it is asked again and again${trace?.status === undefined ? '' : ', and what stands here is from before'}.`,
      'error',
    );
  if (connection.state === 'ended' && origin.kind !== 'recorded') return cell(connection.reason, 'warning');
  if (notice !== undefined) return cell(notice, 'warning');
  const ready = trace?.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready !== undefined && ready.status !== 'True') return cell(ready.message, 'warning');
  const notProxied = trace?.status?.service?.notProxied;
  return notProxied === undefined ? undefined : cell(`kube-proxy writes no rules, because ${notProxied}`, 'warning');
}

/** How the connection stands and how old the result is; the mark says what the colour says. */
export function connectionText(
  { connection, trace, origin, now }: Pick<LiveState, 'connection' | 'trace' | 'origin' | 'now'>,
  { marks }: Theme,
): Cell {
  const age = ageText(trace?.status?.collectedAt, now);
  switch (connection.state) {
    case 'connecting':
      if (trace === undefined)
        return cell(`${marks.warning} ${origin.kind === 'recorded' ? 'reading' : 'connecting'}`, 'warning');
      return cell(`${marks.warning} waiting for the ${origin.kind === 'standalone' ? 'nodes' : 'operator'}`, 'warning');
    case 'lost':
      return cell(
        `${marks.error} connection lost for ${ageText(new Date(connection.since).toISOString(), now)}${trace?.status === undefined ? '' : `, result ${age} old`}`,
        'error',
      );
    case 'silent':
      return cell(`${marks.error} no answer${trace?.status === undefined ? '' : `, result ${age} old`}`, 'error');
    case 'ended':
      return cell(`${marks.warning} ${origin.kind === 'recorded' ? originText(origin) : 'ended'}`, 'warning');
    case 'live': {
      const ready = trace?.status?.conditions?.find(({ type }) => type === 'Ready');
      const nodes = trace?.status?.nodes ?? [];
      const answered = nodes.filter(({ probe }) => probe.state === 'Collected').length;
      const share = `${String(answered)}/${String(nodes.length)} nodes`;
      if (ready?.status === 'Unknown') return cell(`${marks.warning} collecting, ${share}, ${age} ago`, 'warning');
      if (isStale({ trace, origin, now })) return cell(`${marks.warning} stale, ${age} old`, 'warning');
      const finished = isFinished({ trace, origin });
      return answered < nodes.length
        ? cell(`${marks.warning} ${finished ? 'finished, ' : ''}partial, ${share}, ${age} ago`, 'warning')
        : cell(`${marks.ok} ${finished ? 'finished' : 'live'}, ${age} ago`, 'ok');
    }
  }
}

/** Whether what is shown may not be so any more. A recorded trace is what it is. */
function isOldResult({
  connection,
  trace,
  origin,
  now,
}: Pick<LiveState, 'connection' | 'trace' | 'origin' | 'now'>): boolean {
  return (
    connection.state === 'lost' ||
    connection.state === 'silent' ||
    (connection.state === 'live' && isStale({ trace, origin, now }))
  );
}

function isFinished({ trace, origin }: Pick<LiveState, 'trace' | 'origin'>): boolean {
  return trace?.spec.mode === 'Once' && origin.kind !== 'standalone';
}

function isStale({ trace, origin, now }: Pick<LiveState, 'trace' | 'origin' | 'now'>): boolean {
  const isCollecting =
    trace?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'Unknown') === true;
  return (
    !isFinished({ trace, origin }) &&
    !isCollecting &&
    now - Date.parse(trace?.status?.collectedAt ?? '') > staleMilliseconds(trace?.spec.interval)
  );
}

/** A collection takes seconds on a big cluster: a result is stale after some missed intervals, not after one. */
function staleMilliseconds(interval: string | undefined): number {
  const seconds = /^(\d+)s$/.exec(interval ?? '')?.[1];
  return Math.max(15_000, 4000 * Number(seconds ?? 10));
}

/** The path that a packet takes, each part with what is known of it. */
export function pathText(status: ServiceTraceStatus, { marks }: Pick<Theme, 'marks'>): Cell[] {
  const { service, nodes = [], convergence } = status;
  if (service === undefined) return [];
  const ports = service.ports.map(ownPortText).join(', ');
  const nodesCell =
    service.notProxied !== undefined
      ? cell('no rules asked', 'dim')
      : cell(
          `rules right on ${convergence?.convergedNodes ?? 'unknown'}/${convergence?.totalNodes ?? nodes.length}`,
          convergence !== undefined && convergence.convergedNodes === convergence.totalNodes ? 'ok' : 'warning',
        );
  const [ready = '', all = ''] = endpointsText(status).split('/');
  const endpoints = cell(
    `${endpointsText(status)} ready`,
    ready === all && all !== '0' && all !== '' ? 'ok' : 'warning',
  );
  const parts = [
    dnsCell(status),
    cell(ports),
    nodesCell,
    cell(plural((status.endpointSlices ?? []).length, 'slice')),
    endpoints,
    cell(plural(podCount(status), 'pod')),
  ];
  return parts.flatMap((part, index) => (index === 0 ? [part] : [cell(` ${marks.arrow} `, 'dim'), part]));
}

/** The header is painted with every frame, and there may be thousands of pods, and of nodes. */
const podCount = oncePer(
  ({ endpointSlices = [] }: ServiceTraceStatus): number =>
    new Set(
      endpointSlices
        .flatMap((slice) => slice.endpoints)
        .flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' ? [targetRef.name ?? ''] : [])),
    ).size,
);

const dnsCell = oncePer(({ nodes = [], service }: ServiceTraceStatus): Cell => {
  const asked = nodes.flatMap(({ dns }) => dns ?? []);
  if (asked.length === 0)
    return nodes.some(({ probe }) => probe.state === 'Collected')
      ? cell('DNS not asked', 'dim')
      : cell('DNS unknown', 'warning');
  const failed = asked.filter(({ error, answers }) => error !== undefined || !isSame(answers, service));
  if (failed.length === 0 && asked.length < nodes.length)
    return cell(`DNS ok on ${asked.length}/${nodes.length}`, 'warning');
  return failed.length === 0
    ? cell('DNS ok', 'ok')
    : cell(`DNS wrong on ${failed.length}/${asked.length} nodes`, 'error');
});

function isSame(answers: readonly string[], service: ServiceStatus | undefined): boolean {
  const wanted = service?.clusterIPs ?? [];
  return (
    wanted.length === 0 || (answers.length === wanted.length && wanted.every((address) => answers.includes(address)))
  );
}

function conditionCells({ conditions = [] }: ServiceTraceStatus, { marks }: Theme): Cell[] {
  return conditions.flatMap((condition, index) => {
    const word = conditionCell(condition);
    const mark = word.tone === 'ok' || word.tone === 'warning' || word.tone === 'error' ? `${marks[word.tone]} ` : '';
    return [cell(index === 0 ? '' : '   '), cell(`${mark}${condition.type} ${word.text}`, word.tone)];
  });
}
