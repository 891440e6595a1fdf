import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleEpDup: FindingKind = {
  id: 'RULE-EP-DUP',
  topic: 'rules',
  severity: 'warning',
  condition:
    "A node's rules for a frontend name the same endpoint more than once, so that it gets more than its share.",
  notReported:
    'Rules that send back a client by session affinity; an endpoint that several EndpointSlices repeat, which kube-proxy writes once.',
  source: 'pkg/proxy/iptables/proxier.go writeServiceToEndpointRules',
  find: (facts) =>
    onNodes(facts, ({ node, frontends }) =>
      frontends
        .filter(({ duplicates }) => duplicates.length > 0)
        .map(({ frontend, duplicates }) => ({
          message: `The rules of ${node} for ${frontendText(frontend)} name ${duplicates.join(', ')} more than once.`,
          evidence: frontend.dnatTargets.map(
            ({ address, port, probability, by }) =>
              `${hostPort(address, port)} gets ${probability === undefined ? 'an unknown share' : probability.toFixed(4)}${by === undefined ? '' : ` by ${by.rule}`}`,
          ),
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
