import { hostPort } from '../../address.ts';
import { frontendDrifts, frontendText, isSyncing } from '../frontend-drift.ts';
import type { FindingKind } from '../finding.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';

export const ruleSvcMissing: FindingKind = {
  id: 'RULE-SVC-MISSING',
  severity: 'error',
  condition: 'A node has no rule at all for a frontend of the Service: packets to it leave the node unchanged, or go nowhere.',
  notReported: 'Headless and ExternalName Services and those of another proxy, which kube-proxy leaves out; Services without endpoints.',
  source: 'Debug Services, "Is kube-proxy writing rules?"; kubernetes/kubernetes#129128',
  find: ({ desired, nodes }) =>
    nodes.filter((node) => !isSyncing(node, desired)).flatMap((node) =>
      frontendDrifts(node, desired)
        .filter(({ frontend, desired: wanted }) => frontend.verdict === 'None' && wanted.length > 0)
        .map(({ frontend, desired: wanted }) => ({
          where: `node/${node.node}`,
          node: node.node,
          message: `${node.node} has no rule for ${frontendText(frontend)}.`,
          evidence: [
            `the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
            `proxy mode ${node.read?.program.proxyMode ?? 'unknown'}: ${node.read?.program.proxyModeSource ?? 'not read'}`,
          ],
          advice: restartKubeProxy(node.node),
        })),
    ),
};
