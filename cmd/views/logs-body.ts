/** The logs of the Service's pods, merged, the newest last; the chosen line may be opened to its whole length. */
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { plural } from '../../core/plural.ts';
import type { LogLine } from '../log-merge.ts';
import { wrapped } from '../printers/wrapped.ts';
import { textBody, type Body, type BodyOptions, type BodyState } from './body.ts';
import { filterOf } from './live-state.ts';
import { filteredText } from './logs-state.ts';
import { rowFilter } from './row-filter.ts';

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
  if (logs.absence !== undefined) return textBody(wrapped(`${marks.warning} no logs here: ${logs.absence}`, width).map((line) => paint('warning', line)));
  const { lines, left, isTailing, pods, notice, failure } = logs;
  const isShown = rowFilter(filterOf(state));
  const shown = lines.flatMap((line, index) => (isShown(filteredText(line)) ? [{ line, key: `log ${String(left + index)}` }] : []));
  const label = labels(lines);
  const room = Math.min(Math.max(0, ...[...new Set(lines.map(({ from }) => from))].map((from) => stringWidth(label(from)))), Math.max(16, Math.floor(width / 4)));
  const textRoom = width - room - 12;
  const rows = shown.flatMap(({ line, key }): Row[] => (state.folded.has(key) ? wrapped(line.text, textRoom).map((text, index) => ({ line, key, text, isFirst: index === 0 })) : [{ line, key, text: line.text, isFirst: true }]));
  const count = shown.length === lines.length ? plural(lines.length, 'line') : `${String(shown.length)} of ${plural(lines.length, 'line')}`;
  const summary = pods === undefined ? 'asking for the pods of the Service' : `${plural(pods, 'pod')}, ${count}${left > 0 ? `, ${String(left)} older ones have left` : ''}; ${isTailing ? 'the newest is followed' : 'stays here (f follows the newest)'}`;
  return {
    fixed: [
      ...(failure !== undefined && pods === undefined ? [] : wrapped(summary, width).map((line) => paint('dim', line))),
      ...(failure === undefined ? [] : wrapped(`${marks.error} no more logs: ${failure} (r tries again)`, width).map((line) => paint('error', line))),
      ...(failure !== undefined || notice === undefined ? [] : wrapped(`${marks.warning} ${notice}`, width).map((line) => paint('warning', line))),
      ...(failure === undefined && notice === undefined && pods !== undefined && pods > 0 && lines.length === 0 ? [paint('dim', 'no line yet')] : []),
      ...(lines.length > 0 && shown.length === 0 ? [paint('dim', 'No line has these words.')] : []),
    ],
    count: rows.length,
    line: (index) => {
      const row = rows[index];
      if (row === undefined) return '';
      if (!row.isFirst) return `${' '.repeat(10 + room)}${row.text}`;
      const { from, time } = row.line;
      const name = cliTruncate(label(from), room, { position: 'middle' });
      return `${paint('dim', (time === '' ? '' : time.slice(11, 19)).padEnd(8))} ${theme.paintPod(podOf(from), name)}${' '.repeat(Math.max(0, room - stringWidth(name)))} ${row.text}`;
    },
    meaning: (index) => {
      const row = rows[index];
      return row === undefined ? {} : { open: { kind: 'fold', key: row.key }, fold: row.key, copy: row.line.text };
    },
  };
}

function podOf(from: string): string {
  return from.split('/')[0] ?? from;
}

/** The container is told where a pod has several. */
function labels(lines: readonly LogLine[]): (from: string) => string {
  const all = new Set(lines.map(({ from }) => from));
  const isAlone = new Set([...all].map(podOf)).size === all.size;
  return (from) => (isAlone ? podOf(from) : from);
}
