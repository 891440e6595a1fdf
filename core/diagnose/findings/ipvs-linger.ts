import { realServerText } from '../../evaluate/walk-ipvs.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { realServersOf } from '../checks/ipvs-servers.ts';
import { onNodes } from '../checks/on-nodes.ts';
import { plural } from '../../lib/plural.ts';

export const ipvsLinger: FindingKind = {
  id: 'IPVS-LINGER',
  topic: 'rules',
  severity: 'info',
  isLasting: true,
  condition: 'A real server of weight 0 that is not a desired endpoint still has connections: it drains.',
  notReported: 'Those without connections, which kube-proxy removes within a minute.',
  source: 'kubernetes/kubernetes#89392; pkg/proxy/ipvs/graceful_termination.go',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) =>
      frontends
        .filter(() => isIpvs)
        .flatMap(({ frontend, desired }) =>
          realServersOf(read?.report, facts.desired, frontend)
            .filter(
              (real) =>
                real.weight === 0 &&
                (real.activeConnections ?? 0) + (real.inactiveConnections ?? 0) > 0 &&
                !desired.some(({ address, port }) => address === real.address && port === real.port),
            )
            .map((real) => ({
              message: `On ${node}, ${hostPort(real.address, real.port)} drains behind ${frontendText(frontend)}: ${plural(real.activeConnections ?? 0, 'active connection')} ${real.activeConnections === 1 ? 'is' : 'are'} left.`,
              evidence: [realServerText(real)],
              advice: 'Nothing is to be done: kube-proxy removes it when its connections have ended.',
            })),
        ),
    ),
};
