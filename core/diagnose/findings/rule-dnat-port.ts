import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleDnatPort: FindingKind = {
  id: 'RULE-DNAT-PORT',
  topic: 'rules',
  severity: 'error',
  condition:
    "A node's rules send packets of a frontend to the right endpoint, but to another port than the EndpointSlice has.",
  notReported: 'Within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'pkg/proxy/iptables/proxier.go writeServiceToEndpointRules',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(({ explainedBy }) => !isIpvs && explainedBy === undefined)
        .flatMap(({ frontend, wrongPorts }) =>
          wrongPorts.map(({ target, wanted }) => ({
            message: `${node} sends packets of ${frontendText(frontend)} to port ${String(target.port)} of ${target.address}, where the EndpointSlice has port ${String(wanted.port)}.`,
            evidence: [
              `the EndpointSlices ask for: ${hostPort(wanted.address, wanted.port)}`,
              ...(target.by === undefined ? [] : [target.by.rule]),
            ],
            ...restartKubeProxy(node, facts.cluster),
          })),
        ),
    ),
};
