import { hostPort } from '../../net/address.ts';
import { afterLook, shellOn } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ipvsRsStale: FindingKind = {
  id: 'IPVS-RS-STALE',
  topic: 'rules',
  severity: 'error',
  condition: 'A virtual server of a node sends new connections to a real server that is not a desired endpoint.',
  notReported:
    'Real servers of weight 0, which drain (IPVS-LINGER); within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'pkg/proxy/ipvs/proxier.go syncEndpoint; kubernetes/kubernetes#66062',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(() => isIpvs)
        .flatMap(({ frontend, staleTargets, wrongPorts, explainedBy }) =>
          [...staleTargets, ...(explainedBy === undefined ? wrongPorts.map(({ target }) => target) : [])].map(
            (target) => ({
              message: `The virtual server of ${node} for ${frontendText(frontend)} sends connections to ${hostPort(target.address, target.port)}, which is not a desired endpoint.`,
              evidence: target.by === undefined ? [] : [target.by.rule],
              ...afterLook(shellOn(node, 'ipvsadm', '-Ln'), restartKubeProxy(node, facts.cluster)),
            }),
          ),
        ),
    ),
};
