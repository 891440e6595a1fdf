/** How far a node's clock is from the collector's, by the time at which the node says that it was asked. */
import { recordsOf, type NodeAnswer } from './node-report.ts';

export interface ClockOffset {
  /** The node's clock minus the collector's, in milliseconds; positive where the node's is ahead. */
  readonly milliseconds: number;
  /** The offset is at most this much more or less. */
  readonly uncertainty: number;
}

/**
 * The probe ran between the times at which it was asked and had answered: so its start was not before the one, and its
 * end not after the other. Undefined where one of the four times is not known.
 */
export function clockOffset(answer: NodeAnswer): ClockOffset | undefined {
  if (!('report' in answer) || answer.askedAt === undefined) return undefined;
  const start = recordsOf(answer.report, 'start')[0];
  const end = recordsOf(answer.report, 'end')[0];
  if (start === undefined || end === undefined) return undefined;
  const most = Date.parse(start.startedAt) - Date.parse(answer.askedAt);
  const least = Date.parse(end.finishedAt) - Date.parse(answer.collectedAt);
  if (!Number.isFinite(most) || !Number.isFinite(least)) return undefined;
  return { milliseconds: Math.round((most + least) / 2), uncertainty: Math.ceil(Math.abs(most - least) / 2) };
}
