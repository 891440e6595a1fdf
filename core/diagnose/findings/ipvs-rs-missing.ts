import { afterLook, shellOn } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText, targetText } from '../checks/frontend-drift.ts';
import { realServerOf } from '../checks/ipvs-servers.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ipvsRsMissing: FindingKind = {
  id: 'IPVS-RS-MISSING',
  topic: 'rules',
  severity: 'error',
  condition: 'A virtual server of a node lacks a real server for a desired endpoint.',
  notReported: 'Real servers of weight 0 (IPVS-W0); within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'pkg/proxy/ipvs/proxier.go syncEndpoint',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) =>
      frontends
        .filter(({ frontend }) => isIpvs && frontend.verdict !== 'None')
        .flatMap(({ frontend, missingTargets }) =>
          missingTargets
            .filter((target) => realServerOf(read?.report, facts.desired, frontend, target) === undefined)
            .map((target) => ({
              message: `The virtual server of ${node} for ${frontendText(frontend)} has no real server ${targetText(target)}.`,
              evidence: frontend.dnatTargets.flatMap(({ by }) => (by === undefined ? [] : [by.rule])),
              ...afterLook(shellOn(node, 'ipvsadm', '-Ln'), restartKubeProxy(node, facts.cluster)),
            })),
        ),
    ),
};
