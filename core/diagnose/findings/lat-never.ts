import { waitingSince } from '../../kube-proxy/metric-totals.ts';
import type { KubeProxySync } from '../../kube-proxy/metrics.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf } from '../../net/family.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { convergenceOf, isSyncing } from '../checks/frontend-drift.ts';

/** Between the clock of the API server's side, which dates the change, and that of the collector. */
const clockMilliseconds = 2000;

export const latNever: FindingKind = {
  id: 'LAT-NEVER',
  topic: 'latency',
  severity: 'error',
  condition:
    "A node's rules differ from the EndpointSlices, and its kube-proxy has not written any since they changed, and does not know that it should: it does not hear of changes.",
  notReported:
    'A kube-proxy that was asked to write and has not yet (KP-SYNC-STALE); within 10 s and minSyncPeriod of the change; times that the clocks may confuse.',
  source: 'pkg/proxy/metrics/metrics.go sync_proxy_rules_last_timestamp_seconds; kubernetes/kubernetes#28674',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster) && convergenceOf(node, desired) === 'Different')
      .flatMap(({ node, read }) => {
        const { metrics } = read?.kubeProxy ?? {};
        const lastSync = lastSyncOf(metrics?.syncs ?? [], desired);
        if (
          lastSync === undefined ||
          metrics === undefined ||
          desired.lastChange === undefined ||
          waitingSince(metrics.syncs) !== undefined
        )
          return [];
        const offset = read?.clock ?? { milliseconds: 0, uncertainty: clockMilliseconds };
        const byCollector = lastSync - offset.milliseconds;
        if (byCollector + offset.uncertainty + clockMilliseconds >= Date.parse(desired.lastChange)) return [];
        return [
          onNode(node, {
            message: `kube-proxy on ${node} has not written its rules since the EndpointSlices changed, and does not wait to do so.`,
            evidence: [`last written ${new Date(lastSync).toISOString()}`, `last change ${desired.lastChange}`],
            ...kubeProxyLogs(node, cluster, 'shows why it does not follow'),
          }),
        ];
      }),
};

/** When the older half of the Service's own families was written, in milliseconds since 1970: the other family has no reason to be. */
function lastSyncOf(syncs: readonly KubeProxySync[], { service }: DesiredService): number | undefined {
  const families = new Set(service.clusterIPs.map(familyOf));
  const seconds = syncs.flatMap(({ family, lastSync }) =>
    lastSync === undefined || (family !== undefined && !families.has(family)) ? [] : [lastSync],
  );
  return seconds.length === 0 ? undefined : Math.min(...seconds) * 1000;
}
