import { kubeProxyTotals } from '../../kube-proxy-totals.ts';
import { onNode, type FindingKind } from '../finding.ts';
import { convergenceOf, isSyncing } from '../frontend-drift.ts';
import { growthText, kubeProxyGrowth } from '../growth.ts';
import { kubeProxyLogs } from '../kube-proxy-advice.ts';

export const kpApiErrors: FindingKind = {
  id: 'KP-API-ERRORS',
  severity: 'warning',
  condition: "kube-proxy's requests to the API server fail (no answer, 401, 403 or 5xx): between two readings, or since it started where its rules also differ from the EndpointSlices.",
  notReported: 'Failed requests of before, where the rules are right now.',
  source: 'client-go rest_client_requests_total; Debug Services',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const metrics = node.read?.kubeProxy?.metrics;
      const totals = metrics === undefined ? {} : kubeProxyTotals(metrics);
      if (metrics === undefined || totals.apiErrors === undefined || totals.apiErrors === 0) return [];
      const growth = kubeProxyGrowth(facts, node, totals.apiErrors, 'apiErrors');
      const isBehind = convergenceOf(node, facts.desired) === 'Different' && !isSyncing(node, facts.desired, facts.cluster);
      if (growth === undefined ? !isBehind : growth.count === 0) return [];
      return [
        onNode(node.node, {
          message:
            growth === undefined
              ? `${totals.apiErrors} of ${totals.apiRequests ?? 0} requests of kube-proxy on ${node.node} to the API server failed, and its rules are behind.`
              : `${growth.count} requests of kube-proxy on ${node.node} to the API server failed ${growthText(growth)}.`,
          evidence: [...metrics.apiRequests].map(([code, count]) => `${code}: ${count}`),
          advice: `${kubeProxyLogs(node.node)} says which; 401 and 403 are of its credentials and of the ClusterRole system:node-proxier, no answer is of the network`,
        }),
      ];
    }),
};
