import { plural } from '../../lib/plural.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { lateWrite } from '../checks/late-write.ts';

export const kpSyncStale: FindingKind = {
  id: 'KP-SYNC-STALE',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    'kube-proxy was asked to write its rules more than 10 s (and two minSyncPeriods) ago, and has not: it fails, or hangs.',
  notReported:
    'Rules that were not written for long because nothing changed. Both times are of the one clock of the node.',
  source: 'pkg/proxy/metrics/metrics.go sync_proxy_rules_last_queued_timestamp_seconds; kubernetes/kubernetes#28674',
  find: ({ nodes, cluster }) =>
    nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      const late = lateWrite(node, cluster);
      if (metrics === undefined || late === undefined) return [];
      const pending = (metrics.endpointChangesPending ?? 0) + (metrics.serviceChangesPending ?? 0);
      return [
        onNode(node.node, {
          message: `kube-proxy on ${node.node} was asked to write its rules ${Math.round(late.seconds)} s ago, and has not yet.`,
          evidence: [
            `last asked ${timeText(late.since)}, last written ${node.read?.kubeProxy?.lastSync ?? 'never'}`,
            `${plural(pending, 'change')} ${pending === 1 ? 'waits' : 'wait'}`,
          ],
          ...kubeProxyLogs(node.node, cluster, 'shows why it does not write'),
        }),
      ];
    }),
};

function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
