/** The logs of the Service's pods, merged, the newest last; the chosen line may be opened to its whole length. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { plural } from '../../../core/lib/plural.ts';
import type { LogLine } from '../../logs/merge.ts';
import { wrapped } from '../../printers/wrapped.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { filterOf } from '../state/live-state.ts';
import { filteredText, isNews, type LogsState } from '../state/logs-state.ts';
import { rowFilter } from '../state/row-filter.ts';

interface Row {
  readonly line: LogLine;
  readonly key: string;
  readonly text: string;
  readonly isFirst: boolean;
}

export function logsBody(state: BodyState, { width, theme }: BodyOptions): Body {
  const { paint, marks } = theme;
  const { logs } = state;
  if (logs === undefined) return textBody([]);
  if (logs.absence !== undefined)
    return textBody(
      wrapped(`${marks.warning} no logs here: ${logs.absence}`, width).map((line) => paint('warning', line)),
    );
  const { lines, left, pods, waiting, notice, failure } = logs;
  const isShown = rowFilter(filterOf(state));
  const shown = lines.flatMap((line, index) =>
    isShown(filteredText(line)) ? [{ line, key: `log ${String(left + index)}` }] : [],
  );
  const label = labels(lines);
  const nodeRoom = roomFor(
    lines.map(({ node = '' }) => node),
    Math.max(8, Math.floor(width / 8)),
  );
  const room = roomFor(
    lines.map(({ from }) => label(from)),
    Math.max(16, Math.floor(width / 4)),
  );
  const before = 10 + room + (nodeRoom === 0 ? 0 : nodeRoom + 1);
  const textRoom = width - before;
  const rows = shown.flatMap(({ line, key }): Row[] =>
    state.folded.has(key)
      ? wrapped(line.text, isNews(line) ? textRoom - 2 : textRoom).map((text, index) => ({
          line,
          key,
          text,
          isFirst: index === 0,
        }))
      : [{ line, key, text: line.text, isFirst: true }],
  );
  return {
    fixed: [
      ...(failure !== undefined && lines.length === 0
        ? []
        : wrapped(summary(logs, shown.length), width).map((line) => paint('dim', line))),
      ...(failure === undefined
        ? []
        : wrapped(`${marks.error} no ${lines.length === 0 ? '' : 'more '}logs: ${failure} (r tries again)`, width).map(
            (line) => paint('error', line),
          )),
      ...(failure !== undefined || waiting.length === 0
        ? []
        : wrapped(
            `${marks.warning} not running: ${waiting.slice(0, namedWaiting).join(', ')}${waiting.length > namedWaiting ? `, and ${String(waiting.length - namedWaiting)} more` : ''}`,
            width,
          ).map((line) => paint('warning', line))),
      ...(failure !== undefined || notice === undefined
        ? []
        : wrapped(`${marks.warning} ${notice}`, width).map((line) => paint('warning', line))),
      ...(failure === undefined && notice === undefined && pods !== undefined && pods > 0 && lines.length === 0
        ? [paint('dim', 'no line yet')]
        : []),
      ...(lines.length > 0 && shown.length === 0 ? [paint('dim', 'No line has these words.')] : []),
    ],
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      const { from, time, node = '', news } = row.line;
      const text =
        news === undefined
          ? row.text
          : paint(
              news === 'bad' ? 'error' : 'dim',
              `${row.isFirst ? (news === 'bad' ? `${marks.error} ` : '- ') : '  '}${row.text}`,
            );
      if (!row.isFirst) return `${' '.repeat(before)}${text}`;
      const place = nodeRoom === 0 ? '' : `${paint('dim', fitted(node, nodeRoom))} `;
      return `${paint('dim', time.slice(11, 19).padEnd(8))} ${place}${theme.paintPod(podOf(from), fitted(label(from), room))} ${text}`;
    },
    meaning: (index) => {
      const row = rows[index];
      return row === undefined ? {} : { open: { kind: 'fold', key: row.key }, fold: row.key, copy: row.line.text };
    },
  };
}

/** Of the containers that wait; more of them are counted. */
const namedWaiting = 3;

function summary({ lines, left, isTailing, pods, failure }: LogsState, shown: number): string {
  if (pods === undefined) return 'asking for the pods of the Service';
  const count =
    shown === lines.length ? plural(lines.length, 'line') : `${String(shown)} of ${plural(lines.length, 'line')}`;
  const following =
    failure !== undefined ? [] : [isTailing ? 'the newest is followed' : 'stays here (f follows the newest)'];
  return [
    `${plural(pods, 'pod')}, ${count}${left > 0 ? `, ${String(left)} older ones have left` : ''}${lines.length > 0 ? ', times in UTC' : ''}`,
    ...following,
  ].join('; ');
}

/** As wide as the widest, up to a bound. */
function roomFor(texts: readonly string[], bound: number): number {
  return Math.min(Math.max(0, ...[...new Set(texts)].map((text) => stringWidth(text))), bound);
}

function fitted(text: string, room: number): string {
  const cut = cliTruncate(text, room, { position: 'middle' });
  return cut + ' '.repeat(Math.max(0, room - stringWidth(cut)));
}

function podOf(from: string): string {
  return from.split('/')[0] ?? from;
}

/** The container is named where a pod has several. */
function labels(lines: readonly LogLine[]): (from: string) => string {
  const all = new Set(lines.map(({ from }) => from).filter((from) => from.includes('/')));
  const isAlone = new Set([...all].map(podOf)).size === all.size;
  return (from) => (isAlone ? podOf(from) : from);
}
