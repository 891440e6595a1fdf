import { realServerText } from '../../evaluate/walk-ipvs.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText, targetText } from '../checks/frontend-drift.ts';
import { realServerOf } from '../checks/ipvs-servers.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ipvsW0: FindingKind = {
  id: 'IPVS-W0',
  topic: 'rules',
  severity: 'error',
  condition: 'The real server of a desired endpoint has weight 0, so that it gets no new connection.',
  notReported: 'Endpoints that are no longer desired, which drain so; within 10 s and minSyncPeriod of a change.',
  source: 'kubernetes/kubernetes#92019, #108319; pkg/proxy/ipvs/graceful_termination.go',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) =>
      frontends
        .filter(({ frontend }) => isIpvs && frontend.verdict !== 'None')
        .flatMap(({ frontend, missing }) =>
          missing.flatMap((target) => {
            const real = realServerOf(read?.report, facts.desired, frontend, target);
            if (real?.weight !== 0) return [];
            return [
              {
                message: `On ${node}, the ready endpoint ${targetText(target)} has weight 0 behind ${frontendText(frontend)}: it gets no new connection.`,
                evidence: [realServerText(real)],
                ...restartKubeProxy(node, facts.cluster),
              },
            ];
          }),
        ),
    ),
};
