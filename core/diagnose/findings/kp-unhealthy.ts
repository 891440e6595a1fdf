import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';

export const kpUnhealthy: FindingKind = {
  id: 'KP-UNHEALTHY',
  topic: 'kube-proxy',
  severity: 'error',
  condition: 'kube-proxy answers 127.0.0.1:10256/livez (healthz where it has no livez) with another status than 200.',
  notReported:
    'healthz is 503 on a node that is being deleted while livez is 200; kube-proxy that does not answer is unknown, not unhealthy.',
  source: 'kubernetes/kubernetes#116470; pkg/proxy/healthcheck/proxy_health.go',
  find: ({ nodes, cluster }) =>
    nodes.flatMap((node) => {
      const state = node.read?.kubeProxy;
      if (state?.healthy !== false) return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `kube-proxy on ${node.node} says that it is not healthy: it has not written its rules in time.`,
          evidence: [state.message ?? 'livez answered with another status than 200'],
          ...kubeProxyLogs(node.node, cluster, 'shows why it is not healthy'),
        },
      ];
    }),
};
