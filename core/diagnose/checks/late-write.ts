/** Whether a kube-proxy has not written what it was asked to, for longer than that takes. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { waitingSince } from '../../kube-proxy/metric-totals.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { recordsOf } from '../../wire/node-report.ts';
import { kubeProxyConfigOf } from './kube-proxy-config-of.ts';

/** kube-proxy waits minSyncPeriod, and a sync takes seconds on a big cluster. */
const graceSeconds = 10;

export interface LateWrite {
  /** Seconds since 1970, by the node's clock: when writing was asked for. */
  readonly since: number;
  /** How long ago that was when the node was read. */
  readonly seconds: number;
}

/** Undefined where nothing waits, or not for long; both times are of the node's one clock. A write that fails is not a write. */
export function lateWrite(node: NodeFacts, cluster: ClusterFacts | undefined): LateWrite | undefined {
  const metrics = node.read?.kubeProxy?.metrics;
  const start = node.read === undefined ? undefined : recordsOf(node.read.report, 'start')[0];
  const since = metrics === undefined ? undefined : waitingSince(metrics.syncs);
  if (start === undefined || since === undefined) return undefined;
  const seconds = Date.parse(start.startedAt) / 1000 - since;
  const grace = Math.max(graceSeconds, 2 * (kubeProxyConfigOf(node, cluster)?.config.minSyncPeriod ?? 0));
  return seconds > grace ? { since, seconds } : undefined;
}
