import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleRejectLive: FindingKind = {
  id: 'RULE-REJECT-LIVE',
  topic: 'rules',
  severity: 'error',
  condition: 'A node rejects or drops packets to a frontend although the EndpointSlices have endpoints for it.',
  notReported:
    'Traffic policy Local on a node without an endpoint, where a drop is what was asked for; clients outside of the source ranges; within 10 s and minSyncPeriod of a change.',
  source:
    'pkg/proxy/iptables/proxier.go syncProxyRules ("has no endpoints"); pkg/proxy/nftables/README.md no-endpoint-services',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends }) =>
      frontends
        .filter(
          ({ frontend, desired: wanted, explainedBy, isUnreached }) =>
            !isIpvs &&
            !isUnreached &&
            (frontend.verdict === 'REJECT' || frontend.verdict === 'DROP') &&
            wanted.length > 0 &&
            explainedBy === undefined,
        )
        .map(({ frontend, desired: wanted }) => ({
          message: `${node} answers ${frontendText(frontend)} with ${frontend.verdict} although there ${wanted.length === 1 ? 'is' : 'are'} ${plural(wanted.length, 'endpoint')} for it.`,
          evidence: [
            `the EndpointSlices ask for: ${wanted.map(({ address, port }) => hostPort(address, port)).join(', ')}`,
            ...(frontend.refusedBy === undefined ? [] : [frontend.refusedBy.rule]),
          ],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
