import { hostPort } from '../../address.ts';
import { frontendDrifts, frontendText, isSyncing, targetText } from '../frontend-drift.ts';
import type { FindingKind } from '../finding.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';

export const ruleEpMissing: FindingKind = {
  id: 'RULE-EP-MISSING',
  severity: 'error',
  condition: "A node's rules for a frontend send packets to some of the desired endpoints, and to this one not.",
  notReported: 'Within 10 s of a change of the EndpointSlices, while kube-proxy may still be writing.',
  source: 'kubernetes/kubernetes#70493, #47589; pkg/proxy/topology.go CategorizeEndpoints',
  find: ({ desired, nodes }) =>
    nodes.filter((node) => !isSyncing(node, desired)).flatMap((node) =>
      frontendDrifts(node, desired)
        .filter(({ frontend }) => frontend.verdict === 'DNAT')
        .flatMap(({ frontend, missing, desired: wanted }) =>
          missing.map((target) => ({
            where: `node/${node.node}`,
            node: node.node,
            message: `${node.node} sends no packet of ${frontendText(frontend)} to the ready endpoint ${targetText(target)}.`,
            evidence: [
              `the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
              `the rules of ${node.node} have: ${frontend.dnatTargets.map(({ address, port }) => hostPort(address, port)).join(', ') || 'no DNAT target'}`,
            ],
            advice: restartKubeProxy(node.node),
          })),
        ),
    ),
};
