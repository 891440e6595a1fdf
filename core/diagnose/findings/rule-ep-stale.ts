import { hostPort } from '../../address.ts';
import { frontendDrifts, frontendText, isSyncing } from '../frontend-drift.ts';
import type { FindingKind } from '../finding.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';

export const ruleEpStale: FindingKind = {
  id: 'RULE-EP-STALE',
  severity: 'error',
  condition: "A node's rules send packets to an address that is no desired endpoint: gone, not ready, or never of this Service.",
  notReported: 'Serving and terminating endpoints where no ready one is left; within 10 s of a change of the EndpointSlices.',
  source: 'kubernetes/kubernetes#47589, #28674, #98237; pkg/proxy/topology.go CategorizeEndpoints',
  find: ({ desired, nodes }) =>
    nodes.filter((node) => !isSyncing(node, desired)).flatMap((node) =>
      frontendDrifts(node, desired).flatMap(({ frontend, stale, known, desired: wanted }) =>
        stale.map((target) => {
          const endpoint = known.find(({ address, port }) => address === target.address && port === target.port);
          const why = endpoint === undefined
            ? 'which is in no EndpointSlice of the Service'
            : `which is ${endpoint.ready ? 'not meant for this node' : 'not ready'}`;
          return {
            where: `node/${node.node}`,
            node: node.node,
            message: `${node.node} sends packets of ${frontendText(frontend)} to ${hostPort(target.address, target.port)}, ${why}.`,
            evidence: [
              `the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ') || 'no endpoint'}`,
              `the rules of ${node.node} have: ${frontend.dnatTargets.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
            ],
            advice: restartKubeProxy(node.node),
          };
        }),
      ),
    ),
};
