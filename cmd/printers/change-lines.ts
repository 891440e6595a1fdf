/** --watch after the first table: a line for each change, as kubectl prints a line for each object that changed. */
import { lagText } from '../../core/convergence/lag-text.ts';
import type { StatusChange } from '../../core/status/changes.ts';
import { marks, type Tone } from '../tables/tone.ts';
import type { Paint } from '../tables/paint.ts';

interface LineOptions {
  readonly paint: Paint;
  /** Of the column of the nodes. */
  readonly nodeWidth: number;
}

/** 2026-11-24T11:00:02Z */
const timeWidth = 20;
const kindWidth = 8;

export function changeTitle({ paint, nodeWidth }: LineOptions): string {
  return paint(
    'heading',
    `${'TIME'.padEnd(timeWidth)}  ${'NODE'.padEnd(nodeWidth)}  ${'WHAT'.padEnd(kindWidth)}  CHANGE`,
  );
}

const tones: Readonly<Record<StatusChange['severity'], Tone>> = { bad: 'error', good: 'ok', neutral: 'plain' };
const signs: Readonly<Record<StatusChange['severity'], string>> = {
  bad: `${marks.error} `,
  good: `${marks.ok} `,
  neutral: '',
};

/** Never cut: a line is for a log, or for grep. The node has its column. */
export function changeLine(
  { at, kind, severity, node, text, lag }: StatusChange,
  { paint, nodeWidth }: LineOptions,
): string {
  return `${paint('dim', secondsOf(at).padEnd(timeWidth))}  ${(node ?? '-').padEnd(nodeWidth)}  ${kind.padEnd(kindWidth)}  ${paint(tones[severity], `${signs[severity]}${text}${lag === undefined ? '' : `, lag ${lagText(lag)}`}`)}`;
}

/** A node's clock has fractions of seconds, the collector's object has none. */
function secondsOf(time: string): string {
  const milliseconds = Date.parse(time);
  return Number.isFinite(milliseconds) ? new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z') : 'unknown';
}
