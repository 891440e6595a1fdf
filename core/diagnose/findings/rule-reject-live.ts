import { hostPort } from '../../address.ts';
import { frontendDrifts, frontendText, isSyncing } from '../frontend-drift.ts';
import type { FindingKind } from '../finding.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';

export const ruleRejectLive: FindingKind = {
  id: 'RULE-REJECT-LIVE',
  severity: 'error',
  condition: 'A node rejects or drops packets to a frontend although the EndpointSlices have endpoints for it.',
  notReported: 'Traffic policy Local on a node without an endpoint, where a drop is what was asked for; within 10 s of a change.',
  source: 'pkg/proxy/iptables/proxier.go syncProxyRules ("has no endpoints"); pkg/proxy/nftables/README.md no-endpoint-services',
  find: ({ desired, nodes }) =>
    nodes.filter((node) => !isSyncing(node, desired)).flatMap((node) =>
      frontendDrifts(node, desired)
        .filter(({ frontend, desired: wanted }) => (frontend.verdict === 'REJECT' || frontend.verdict === 'DROP') && wanted.length > 0)
        .map(({ frontend, desired: wanted }) => ({
          where: `node/${node.node}`,
          node: node.node,
          message: `${node.node} answers ${frontendText(frontend)} with ${frontend.verdict} although there are ${wanted.length} endpoints for it.`,
          evidence: [`the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`],
          advice: restartKubeProxy(node.node),
        })),
    ),
};
