import { quantile } from '../../kube-proxy/histograms.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { kubectl } from '../../api/command.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

const leastNodes = 3;
const leastChanges = 20;
const times = 3;
const leastSeconds = 2;

export const latLaggard: FindingKind = {
  id: 'LAT-LAGGARD',
  topic: 'latency',
  severity: 'warning',
  isLasting: true,
  condition:
    'A node takes at least three times as long as the median of the nodes, and 2 s more, until half of its changes are in its rules.',
  notReported: 'Fewer than 3 nodes to compare, or 20 changes of a node; clocks that differ (LAT-CLOCK).',
  source: 'pkg/proxy/metrics/metrics.go network_programming_duration_seconds',
  find: ({ nodes, cluster }) => {
    const medians = nodes.flatMap(({ node, read }) => {
      const metrics = read?.kubeProxy?.metrics;
      const programming = metrics === undefined ? undefined : kubeProxyTotals(metrics).networkProgramming;
      const seconds =
        programming === undefined || programming.count < leastChanges ? undefined : quantile(programming, 0.5);
      const isOff = read?.clock !== undefined && Math.abs(read.clock.milliseconds) - read.clock.uncertainty > 1000;
      return seconds === undefined || isOff ? [] : [{ node, seconds }];
    });
    if (medians.length < leastNodes) return [];
    const usual =
      [...medians].sort((one, other) => one.seconds - other.seconds)[Math.floor((medians.length - 1) / 2)]?.seconds ??
      0;
    return medians
      .filter(({ seconds }) => seconds >= times * usual && seconds >= usual + leastSeconds)
      .map(({ node, seconds }) =>
        onNode(node, {
          message: `${node} lagged behind since its kube-proxy started: half of its changes took ${seconds === Infinity ? 'more than 300' : `up to ${seconds}`} s, on the other nodes ${usual} s.`,
          evidence: [
            `medians of network_programming_duration_seconds: ${medians
              .slice(0, 10)
              .map((each) => `${each.node} ${each.seconds} s`)
              .join(', ')}`,
          ],
          advice: `Compare ${node} with its peers: its load, the log of its kube-proxy, and the number of rules that third-party programs keep there.`,
          commands: [kubectl('top', 'node', node), ...kubeProxyLogs(node, cluster, 'shows').commands],
        }),
      );
  },
};
