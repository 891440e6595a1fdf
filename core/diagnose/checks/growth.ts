/**
 * How much counters grew between two readings: what they counted before is history, and no finding. A first reading of
 * kube-proxy's counters has nothing to compare with, so it says nothing; the next one would say something else.
 */
import type { NodeFacts } from '../../program/node-facts.ts';
import type { NodeStatus } from '../../api/service-trace.ts';
import type { Facts } from './finding.ts';

export interface Growth {
  readonly count: number;
  readonly seconds: number;
}

/** An older reading covers too long a time to be about now. */
const maxSeconds = 3600;

/**
 * Of counters of conntrack, summed: since the collection before, or where there was none, while the probe ran.
 * @returns undefined where there are no two readings
 */
export function conntrackGrowth(facts: Facts, node: NodeFacts, names: readonly string[]): Growth | undefined {
  const record = node.read?.conntrackStatistics;
  if (record === undefined) return undefined;
  const before = statusBefore(facts, node);
  const grew = (old: Readonly<Record<string, number>>): number =>
    names.reduce((sum, name) => sum + Math.max(0, (record.last[name] ?? 0) - (old[name] ?? record.last[name] ?? 0)), 0);
  const old = before?.status.conntrackStatistics;
  // A node that started again counts from 0.
  const isSameCount =
    old !== undefined && Object.entries(old).every(([name, count]) => (record.last[name] ?? count) >= count);
  if (before !== undefined && isSameCount) return { count: grew(old), seconds: before.seconds };
  return record.milliseconds > 0 ? { count: grew(record.first), seconds: record.milliseconds / 1000 } : undefined;
}

/** Of a counter of kube-proxy since the collection before; undefined where there was none, or kube-proxy started again. */
export function kubeProxyGrowth(
  facts: Facts,
  node: NodeFacts,
  now: number | undefined,
  field: 'fullSyncs' | 'failures' | 'apiErrors' | 'invalidPackets',
): Growth | undefined {
  const before = statusBefore(facts, node);
  const old = before?.status.kubeProxy?.[field];
  if (before === undefined || old === undefined || now === undefined || now < old) return undefined;
  return { count: now - old, seconds: before.seconds };
}

function statusBefore(
  { previous }: Facts,
  node: NodeFacts,
): { readonly status: NodeStatus; readonly seconds: number } | undefined {
  const status = previous?.nodes?.find(({ name }) => name === node.node);
  const seconds = (Date.parse(node.read?.collectedAt ?? '') - Date.parse(status?.probe.collectedAt ?? '')) / 1000;
  return status !== undefined && seconds > 0 && seconds <= maxSeconds ? { status, seconds } : undefined;
}

/** Such as "in 10 s". */
export function growthText({ seconds }: Growth): string {
  return `in ${seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds))} s`;
}
