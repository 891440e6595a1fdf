import { hostPort } from '../../net/address.ts';
import { afterLook, shellOn } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ipvsVsMissing: FindingKind = {
  id: 'IPVS-VS-MISSING',
  topic: 'rules',
  severity: 'error',
  condition: 'A node in IPVS mode has no virtual server for a frontend of the Service.',
  notReported: 'Within 10 s and minSyncPeriod of a change of the EndpointSlices; Services that kube-proxy leaves out.',
  source: 'pkg/proxy/ipvs/proxier.go syncService',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(({ frontend, desired }) => isIpvs && frontend.verdict === 'None' && desired.length > 0)
        .map(({ frontend, desired }) => ({
          message: `${node} has no virtual server for ${frontendText(frontend)}.`,
          evidence: [
            `the EndpointSlices ask for: ${desired.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
          ],
          ...afterLook(shellOn(node, 'ipvsadm', '-Ln'), restartKubeProxy(node, facts.cluster)),
        })),
    ),
};
