import { plural } from '../../lib/plural.ts';
import { quantile } from '../../kube-proxy/histograms.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { kubeProxyConfigOf, sourceText } from '../checks/kube-proxy-config-of.ts';

const slowSeconds = 1;
/** Fewer may all be of a busy start. */
const leastSyncs = 10;

export const kpSyncSlow: FindingKind = {
  id: 'KP-SYNC-SLOW',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    'kube-proxy took more than 1 s on average for the writes since it started, of which there were at least 10; or minSyncPeriod is more than 1 s, which makes it wait for each change.',
  notReported: 'The default minSyncPeriod of 1 s, and 0.',
  source: 'Virtual IPs and Service Proxies, "Optimizing iptables mode performance"; kubernetes/kubernetes#98570',
  find: ({ nodes, cluster }) =>
    nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      const syncs = metrics === undefined ? undefined : kubeProxyTotals(metrics).syncs;
      const own = kubeProxyConfigOf(node, cluster);
      const average = syncs === undefined || syncs.count < leastSyncs ? undefined : syncs.sum / syncs.count;
      const isSlow = average !== undefined && average > slowSeconds;
      const wait = own?.config.minSyncPeriod;
      const waits = wait !== undefined && wait > slowSeconds;
      if (!isSlow && !waits) return [];
      const p99 = syncs === undefined ? undefined : quantile(syncs, 0.99);
      return [
        onNode(node.node, {
          message: isSlow
            ? `kube-proxy on ${node.node} took ${average.toFixed(1)} s on average for each of its ${syncs?.count ?? 0} writes since it started.`
            : `kube-proxy on ${node.node} waits up to ${wait ?? 0} s before it writes a change.`,
          evidence: [
            ...(average === undefined || syncs === undefined
              ? []
              : [
                  `${plural(syncs.count, 'write')} in ${syncs.sum.toFixed(1)} s${p99 === undefined || p99 === Infinity ? '' : `, 99 % of them within ${p99} s`}`,
                ]),
            ...(waits && own !== undefined ? [`minSyncPeriod ${wait} s, by ${sourceText(own)}`] : []),
          ],
          advice: waits
            ? 'Leave minSyncPeriod at its default: since 1.28 kube-proxy writes only what changed.'
            : 'The mode nftables writes large clusters faster. The usual causes are an old version of kube-proxy or of iptables, and a node without CPU to spare.',
        }),
      ];
    }),
};
