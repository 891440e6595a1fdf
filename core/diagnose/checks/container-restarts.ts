/** Containers that end and are started again. */
import type { PodFacts } from '../../api/cluster-facts.ts';
import { isWithin } from './age.ts';

/** An end that is longer ago says nothing of what clients meet now. */
const recentMilliseconds = 3_600_000;
/** The kubelet waits this long at most before it starts a container again. */
const longestBackOffMilliseconds = 300_000;

type Container = PodFacts['containers'][number];

/** It ended in the last hour and was started again, or waits for that. */
export function isRestarting(container: Container, now: string): boolean {
  return endedWithin(container, recentMilliseconds, now);
}

/** The pod is not ready because a container of it ended: it waits to be started again, or has just been. */
export function isDownByRestart({ containers }: PodFacts, now: string): boolean {
  return containers.some((container) => endedWithin(container, longestBackOffMilliseconds, now));
}

function endedWithin({ restarts, waiting, lastEnd }: Container, milliseconds: number, now: string): boolean {
  return restarts > 0 && (waiting === 'CrashLoopBackOff' || isWithin(lastEnd?.finishedAt, milliseconds, now));
}
