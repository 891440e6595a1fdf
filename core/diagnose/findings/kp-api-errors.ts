import { plural } from '../../lib/plural.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { convergenceOf, isSyncing } from '../checks/frontend-drift.ts';
import { growthText, kubeProxyGrowth } from '../checks/growth.ts';

/** When an API server is replaced, each of kube-proxy's watches fails once, and is there again. */
const leastFailures = 5;

export const kpApiErrors: FindingKind = {
  id: 'KP-API-ERRORS',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    "kube-proxy's requests to the API server fail (no answer, 401, 403 or 5xx): at least 5 between two readings, or any since it started where its rules also differ from the EndpointSlices.",
  notReported:
    'Failed requests of before, where the rules are right now; a few, as when an API server is replaced: the watches are there again at once.',
  source: 'client-go rest_client_requests_total; Debug Services',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      const totals = metrics === undefined ? {} : kubeProxyTotals(metrics);
      if (metrics === undefined || totals.apiErrors === undefined || totals.apiErrors === 0) return [];
      const growth = kubeProxyGrowth(facts, node, totals.apiErrors, 'apiErrors');
      const isBehind =
        convergenceOf(node, facts.desired) === 'Different' && !isSyncing(node, facts.desired, facts.cluster);
      const hasGrown = growth !== undefined && growth.count >= leastFailures;
      if (!hasGrown && !isBehind) return [];
      return [
        onNode(node.node, {
          message: !hasGrown
            ? `${totals.apiErrors} of ${plural(totals.apiRequests ?? 0, 'request')} of kube-proxy on ${node.node} to the API server failed since it started, and its rules are behind.`
            : `${plural(growth.count, 'request')} of kube-proxy on ${node.node} to the API server failed ${growthText(growth)}.`,
          evidence: [...metrics.apiRequests].map(([code, count]) => `${code}: ${count}`),
          ...kubeProxyLogs(
            node.node,
            facts.cluster,
            'shows which requests fail: 401 and 403 are of its credentials and of the ClusterRole system:node-proxier, no answer is of the network',
          ),
        }),
      ];
    }),
};
