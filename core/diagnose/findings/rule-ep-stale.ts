import { hostPort } from '../../net/address.ts';
import { placesText } from '../checks/listed.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleEpStale: FindingKind = {
  id: 'RULE-EP-STALE',
  topic: 'rules',
  severity: 'error',
  condition:
    "A node's rules send packets to an address that is not a desired endpoint: gone, not ready, or never of this Service.",
  notReported:
    'Serving and terminating endpoints where no ready one is left; within 10 s and minSyncPeriod of a change of the EndpointSlices; where another finding of rules reports why.',
  source: 'kubernetes/kubernetes#47589, #28674, #98237; pkg/proxy/topology.go CategorizeEndpoints',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(({ staleTargets }) => !isIpvs && staleTargets.length > 0)
        .flatMap(({ frontend, staleTargets, known, desired: wanted }) => {
          const endpoints = new Map(known.map((endpoint) => [hostPort(endpoint.address, endpoint.port), endpoint]));
          const evidence = [
            `the EndpointSlices ask for: ${placesText(wanted) || 'no endpoint'}`,
            `the rules of ${node} have: ${placesText(frontend.dnatTargets)}`,
          ];
          return staleTargets.map((target) => {
            const endpoint = endpoints.get(hostPort(target.address, target.port));
            const why =
              endpoint === undefined
                ? 'which is in no EndpointSlice of the Service'
                : `which is ${endpoint.ready ? 'not meant for this node' : 'not ready'}`;
            return {
              message: `${node} sends packets of ${frontendText(frontend)} to ${hostPort(target.address, target.port)}, ${why}.`,
              evidence: [...evidence, ...(target.by === undefined ? [] : [target.by.rule])],
              ...restartKubeProxy(node, facts.cluster),
            };
          });
        }),
    ),
};
