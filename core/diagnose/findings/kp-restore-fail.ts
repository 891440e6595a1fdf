import { failedWrites, kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { plural } from '../../lib/plural.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { growthText, kubeProxyGrowth } from '../checks/growth.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { lateWrite } from '../checks/late-write.ts';

export const kpRestoreFail: FindingKind = {
  id: 'KP-RESTORE-FAIL',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    "kube-proxy's writes fail (iptables-restore, or a transaction of nft): one did between two readings, or one did since it started and what it was asked to write is late (KP-SYNC-STALE).",
  notReported:
    'Failures after which it has written everything that it was asked to, such as those at the start of a node or a lock that was held once: what was counted before the first reading.',
  source:
    'pkg/proxy/metrics/metrics.go *_restore_failures_total, nftables_sync_failures_total; kubernetes/kubernetes#112604, #121362',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      if (metrics === undefined) return [];
      const { failures } = kubeProxyTotals(metrics);
      if (failures === undefined || failures === 0) return [];
      const growth = kubeProxyGrowth(facts, node, failures, 'failures');
      const hasGrown = growth !== undefined && growth.count > 0;
      if (!hasGrown && lateWrite(node, facts.cluster) === undefined) return [];
      return [
        onNode(node.node, {
          message: hasGrown
            ? `${plural(growth.count, 'write')} of kube-proxy on ${node.node} failed ${growthText(growth)}.`
            : `${plural(failures, 'write')} of kube-proxy on ${node.node} failed since it started, and it has not written what it was asked to.`,
          evidence: metrics.syncs.map(
            (sync) =>
              `${sync.family ?? 'both families'}: ${failedWrites(sync) ?? 'an unknown number'} failed, of ${sync.syncs?.count ?? 'an unknown number of'} writes (${[
                ['restores', sync.restoreFailures],
                ['partial restores', sync.partialRestoreFailures],
                ['transactions of nft', sync.nftablesSyncFailures],
              ]
                .flatMap(([what, count]) => (count === undefined ? [] : [`${String(count)} failed ${String(what)}`]))
                .join(', ')})`,
          ),
          ...kubeProxyLogs(
            node.node,
            facts.cluster,
            'has the line that the kernel refused; the usual causes are versions of iptables that share a table, and the lock of iptables',
          ),
        }),
      ];
    }),
};
