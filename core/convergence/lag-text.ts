/** A lag of which two bounds are known, as text. */

import type { LagStatus } from '../api/service-trace.ts';
import { plural } from '../lib/plural.ts';

/** `3 of 3 nodes have it, p50 < 1 s, p99 1.2 s, node-c last after 1.2 s`. */
export function lagSummary({
  nodes,
  arrived,
  pending,
  neverArrived,
  unseen,
  p50,
  p99,
  max,
  lastNode,
}: LagStatus): string {
  if (nodes === 0) return 'no node has anything to write for it';
  return [
    `${String(arrived)} of ${plural(nodes, 'node')} ${nodes === 1 ? 'has' : 'have'} it`,
    ...(pending === 0 ? [] : [`${String(pending)} not yet`]),
    ...(neverArrived === 0 ? [] : [`undone before it arrived on ${String(neverArrived)}`]),
    ...(unseen === 0 ? [] : [`undone before a reading showed it on ${String(unseen)}`]),
    ...(arrived < 2 || p50 === undefined || p99 === undefined ? [] : [`p50 ${lagText(p50)}`, `p99 ${lagText(p99)}`]),
    ...(max === undefined || lastNode === undefined ? [] : [`${lastNode} last after ${lagText(max)}`]),
  ].join(', ');
}

/** `< 10 s` where nobody knows more; `1.2 s`, or `1.2 to 3.0 s` where the bounds differ in what is printed. */
export function lagText({
  minMilliseconds,
  maxMilliseconds,
}: {
  minMilliseconds: number;
  maxMilliseconds?: number;
}): string {
  if (maxMilliseconds === undefined)
    return minMilliseconds === 0 ? 'not known' : `> ${durationText(minMilliseconds, Math.floor)}`;
  if (minMilliseconds === 0) return `< ${durationText(Math.max(1, maxMilliseconds), Math.ceil)}`;
  const [least, most] = [durationText(minMilliseconds, Math.floor), durationText(maxMilliseconds, Math.ceil)];
  const middle = durationText((minMilliseconds + maxMilliseconds) / 2, Math.round);
  return maxMilliseconds - minMilliseconds <= maxMilliseconds * closeShare ? middle : rangeText(least, most);
}

/** `1.8 to 3.9 s`: a unit that both have stands once. */
function rangeText(least: string, most: string): string {
  const [number = '', unit] = least.split(' ');
  return most.endsWith(` ${unit ?? ''}`) ? `${number} to ${most}` : `${least} to ${most}`;
}

/** Bounds that are as near to each other as this share of the lag are one number. */
const closeShare = 0.1;

/** `250 ms`, `1.2 s`, `12 s`, `3m 5s`. */
function durationText(milliseconds: number, round: (value: number) => number): string {
  if (milliseconds < 1000) return `${String(round(milliseconds))} ms`;
  if (milliseconds < 9950) return `${(round(milliseconds / 100) / 10).toFixed(1)} s`;
  const seconds = round(milliseconds / 1000);
  if (seconds < 120) return `${String(seconds)} s`;
  return `${String(Math.floor(seconds / 60))}m ${String(seconds % 60)}s`;
}
