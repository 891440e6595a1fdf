import { plural } from '../../lib/plural.ts';
import { quantile } from '../../kube-proxy/histograms.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { kubectl } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

const slowSeconds = 5;
const leastChanges = 20;

export const latSlow: FindingKind = {
  id: 'LAT-SLOW',
  topic: 'latency',
  severity: 'warning',
  isLasting: true,
  condition:
    'On a node, half of all changes since kube-proxy started took more than 5 s from the Service or pod to the rules, by its own measure.',
  notReported:
    'Fewer than 20 changes; single late ones. The measure is of two clocks: where they differ (LAT-CLOCK), nothing is said.',
  source: 'pkg/proxy/metrics/metrics.go network_programming_duration_seconds; SLO network programming latency',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const metrics = read?.kubeProxy?.metrics;
      const programming = metrics === undefined ? undefined : kubeProxyTotals(metrics).networkProgramming;
      const median =
        programming === undefined || programming.count < leastChanges ? undefined : quantile(programming, 0.5);
      const offset =
        read?.clock === undefined ? 0 : Math.max(0, Math.abs(read.clock.milliseconds) - read.clock.uncertainty) / 1000;
      if (programming === undefined || median === undefined || median <= slowSeconds || offset > 1) return [];
      const most = quantile(programming, 0.99);
      return [
        onNode(node, {
          message: `Half of the ${plural(programming.count, 'change')} since kube-proxy of ${node} started took more than ${slowSeconds} s until they were in its rules${median === Infinity ? '' : `, up to ${median} s`}.`,
          evidence: [
            `network_programming_duration_seconds: ${plural(programming.count, 'change')}, ${(programming.sum / programming.count).toFixed(1)} s on average${most === undefined || most === Infinity ? '' : `, 99 % within ${most} s`}`,
          ],
          advice: `The other findings of ${node} may say why, or a lack of CPU.`,
          commands: [kubectl('top', 'node', node)],
        }),
      ];
    }),
};
