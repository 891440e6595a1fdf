import { plural } from '../../lib/plural.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { growthText, kubeProxyGrowth } from '../checks/growth.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';

/** In one interval of a watched trace. */
const leastInInterval = 3;
const leastPerMinute = 1;

export const kpFullRestores: FindingKind = {
  id: 'KP-FULL-RESTORES',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    'kube-proxy writes all rules of all Services more than once a minute, instead of those that changed: at least 3 times between two readings.',
  notReported:
    'What was counted before the first reading: the full writes at its start, and the one that it does each hour; the mode ipvs and versions before 1.27, which always write all.',
  source: 'pkg/proxy/iptables/proxier.go doFullSync; KEP-3453; kubernetes/kubernetes#110268',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      if (metrics === undefined) return [];
      const { fullSyncs, partialSyncs } = kubeProxyTotals(metrics);
      // Without partial writes there is no choice between the two.
      if (fullSyncs === undefined || partialSyncs === undefined) return [];
      const growth = kubeProxyGrowth(facts, node, fullSyncs, 'fullSyncs');
      if (
        growth === undefined ||
        growth.count < leastInInterval ||
        (growth.count / growth.seconds) * 60 <= leastPerMinute
      )
        return [];
      const often = ((growth.count / growth.seconds) * 60).toFixed(1);
      return [
        onNode(node.node, {
          message: `kube-proxy on ${node.node} wrote all rules ${plural(growth.count, 'time')} ${growthText(growth)}, ${often} times a minute.`,
          evidence: [
            `full writes ${fullSyncs}, partial writes ${partialSyncs}`,
            `failed writes ${kubeProxyTotals(metrics).failures ?? 'not known'}: each failed partial write is followed by a full one`,
          ],
          ...kubeProxyLogs(
            node.node,
            facts.cluster,
            'shows why, at -v=2 as "Sync failed" or "monitoring canary"; the usual causes are a program that deletes its canary chains, and partial writes that fail',
          ),
        }),
      ];
    }),
};
