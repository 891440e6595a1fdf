import { hostPort } from '../../net/address.ts';
import { plural } from '../../lib/plural.ts';
import { familyOf } from '../../net/family.ts';
import { kubeProxyLogs } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';

export const hcnp: FindingKind = {
  id: 'HCNP',
  topic: 'health-checks',
  severity: 'error',
  condition:
    "A node's healthCheckNodePort says 200 without a ready endpoint on the node, another status with one, or does not answer although kube-proxy does: a load balancer sends packets where they are dropped, or none where they are served.",
  notReported:
    'A kube-proxy that is silent, or says there that it is not healthy (KP-ABSENT, KP-UNHEALTHY); within 10 s and minSyncPeriod of a change of the EndpointSlices; a node where another datapath serves Services.',
  source: 'pkg/proxy/healthcheck/service_health.go; kube-router#455',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) => {
        const { read } = node;
        const check = read?.healthCheck;
        if (check === undefined || check.serviceProxyHealthy === false || read?.datapath?.replacesKubeProxy === true)
          return [];
        const family = familyOf(check.address ?? desired.service.clusterIPs[0] ?? '');
        const local = desired.endpointSlices
          .filter(({ addressType }) => addressType === family)
          .flatMap(({ endpoints }) => endpoints)
          .filter(({ nodeName, ready }) => nodeName === node.node && ready);
        const wanted = `${plural(local.length, 'ready endpoint')} of the Service ${local.length === 1 ? 'is' : 'are'} on ${node.node}`;
        if (check.status === undefined) {
          if (read?.kubeProxy?.metrics === undefined) return [];
          return [
            onNode(node.node, {
              message: `healthCheckNodePort ${check.port} of ${node.node} does not answer: a load balancer sends nothing there.`,
              evidence: [wanted, ...check.errors],
              ...kubeProxyLogs(
                node.node,
                cluster,
                'says whether another program has the port ("Failed to start healthcheck")',
              ),
            }),
          ];
        }
        if ((check.status === 200) === local.length > 0) return [];
        return [
          onNode(node.node, {
            message: `healthCheckNodePort ${check.port} of ${node.node} answers ${check.status}, and ${wanted}.`,
            evidence: [
              `http://${hostPort(check.address ?? '', check.port)}/ answers ${check.status}${check.localEndpoints === undefined ? '' : ` with ${check.localEndpoints} local endpoints`}`,
            ],
            ...kubeProxyLogs(node.node, cluster, 'says what it knows of the endpoints'),
          }),
        ];
      }),
};
