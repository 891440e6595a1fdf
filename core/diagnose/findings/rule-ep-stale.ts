import { hostPort } from '../../address.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';
import type { FindingKind } from '../finding.ts';
import { frontendText } from '../frontend-drift.ts';
import { onNodes } from '../on-nodes.ts';

export const ruleEpStale: FindingKind = {
  id: 'RULE-EP-STALE',
  severity: 'error',
  condition: "A node's rules send packets to an address that is no desired endpoint: gone, not ready, or never of this Service.",
  notReported: 'Serving and terminating endpoints where no ready one is left; within 10 s and minSyncPeriod of a change of the EndpointSlices; where another finding of rules tells why.',
  source: 'kubernetes/kubernetes#47589, #28674, #98237; pkg/proxy/topology.go CategorizeEndpoints',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends.filter(() => !isIpvs).flatMap(({ frontend, staleTargets, known, desired: wanted }) =>
        staleTargets.map((target) => {
          const endpoint = known.find(({ address, port }) => address === target.address && port === target.port);
          const why = endpoint === undefined
            ? 'which is in no EndpointSlice of the Service'
            : `which is ${endpoint.ready ? 'not meant for this node' : 'not ready'}`;
          return {
            message: `${node} sends packets of ${frontendText(frontend)} to ${hostPort(target.address, target.port)}, ${why}.`,
            evidence: [
              `the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ') || 'no endpoint'}`,
              `the rules of ${node} have: ${frontend.dnatTargets.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
              ...(target.by === undefined ? [] : [target.by.rule]),
            ],
            ...restartKubeProxy(node, facts.cluster),
          };
        }),
      ),
    ),
};
