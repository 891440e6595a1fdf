import { kubeProxyTotals } from '../../kube-proxy-totals.ts';
import { onNode, type FindingKind } from '../finding.ts';
import { growthText, kubeProxyGrowth } from '../growth.ts';
import { kubeProxyLogs } from '../kube-proxy-advice.ts';

const leastFailures = 3;
const leastShare = 0.01;

export const kpRestoreFail: FindingKind = {
  id: 'KP-RESTORE-FAIL',
  severity: 'warning',
  condition: "kube-proxy's writes fail: between two readings, or at least 3 and more than 1 % of all since it started (iptables-restore, or a transaction of nft).",
  notReported: 'Single failures of long ago, such as at the start of a node.',
  source: 'pkg/proxy/metrics/metrics.go *_restore_failures_total, nftables_sync_failures_total; kubernetes/kubernetes#112604, #121362',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      if (metrics === undefined) return [];
      const { failures, syncs } = kubeProxyTotals(metrics);
      if (failures === undefined || failures === 0) return [];
      const growth = kubeProxyGrowth(facts, node, failures, 'failures');
      const isFrequent = failures >= leastFailures && (syncs === undefined || failures > leastShare * syncs.count);
      if (growth === undefined ? !isFrequent : growth.count === 0) return [];
      return [
        onNode(node.node, {
          message: growth === undefined ? `${failures} writes of kube-proxy on ${node.node} failed since it started.` : `${growth.count} writes of kube-proxy on ${node.node} failed ${growthText(growth)}.`,
          evidence: metrics.syncs.map(
            (sync) =>
              `${sync.family ?? 'both families'}: ${[
                ['restores', sync.restoreFailures],
                ['partial restores', sync.partialRestoreFailures],
                ['transactions of nft', sync.nftablesSyncFailures],
              ].flatMap(([what, count]) => (count === undefined ? [] : [`${String(count)} failed ${String(what)}`])).join(', ')}, of ${sync.syncs?.count ?? 'an unknown number of'} writes`,
          ),
          advice: `${kubeProxyLogs(node.node)} has the line that the kernel refused; versions of iptables that share a table, and the lock of iptables, are the usual causes`,
        }),
      ];
    }),
};
