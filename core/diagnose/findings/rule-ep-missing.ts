import { placesText } from '../checks/listed.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText, targetText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleEpMissing: FindingKind = {
  id: 'RULE-EP-MISSING',
  topic: 'rules',
  severity: 'error',
  condition: "A node's rules for a frontend send packets to some of the desired endpoints, and to this one not.",
  notReported:
    'Within 10 s and minSyncPeriod of a change of the EndpointSlices, while kube-proxy may still be writing; where another finding of rules reports why.',
  source: 'kubernetes/kubernetes#70493, #47589; pkg/proxy/topology.go CategorizeEndpoints',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(
          ({ frontend, isUnreached, desired: wanted }) =>
            !isIpvs &&
            (frontend.verdict === 'DNAT' || (frontend.verdict === 'DROP' && wanted.length === 0 && !isUnreached)),
        )
        .flatMap(({ frontend, missingTargets, desired: wanted }) => {
          const evidence = [
            `the EndpointSlices ask for: ${placesText(wanted)}`,
            `the rules of ${node} have: ${placesText(frontend.dnatTargets) || 'no DNAT target'}`,
          ];
          return missingTargets.map((target) => ({
            message: `${node} sends no packet of ${frontendText(frontend)} to the ready endpoint ${targetText(target)}.`,
            evidence,
            ...restartKubeProxy(node, facts.cluster),
          }));
        }),
    ),
};
