import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleRanges: FindingKind = {
  id: 'RULE-RANGES',
  topic: 'rules',
  severity: 'error',
  condition:
    "A node's rules let other clients come to a load balancer IP than the Service's loadBalancerSourceRanges do.",
  notReported:
    "Ranges that are written otherwise and mean the same; the load balancer IP itself, which kube-proxy lets in for the node's own packets; Services without endpoints.",
  source: 'pkg/proxy/iptables/proxier.go (KUBE-FW, KUBE-PROXY-FIREWALL); pkg/proxy/nftables/README.md firewall-ips',
  find: (facts) =>
    onNodes(facts, ({ node, frontends }) =>
      frontends
        .filter(
          ({ ranges, explainedBy }) => ranges.length > 0 && (explainedBy === undefined || explainedBy === 'ranges'),
        )
        .map(({ frontend, ranges }) => ({
          message: `The rules of ${node} for ${frontendText(frontend)} differ from loadBalancerSourceRanges: ${ranges.join('; ')}.`,
          evidence: [
            `loadBalancerSourceRanges: ${(facts.desired.service.loadBalancerSourceRanges ?? []).join(', ') || 'none'}`,
            frontend.sourceRanges === undefined
              ? 'no rule asks for source ranges'
              : `the rules have ${frontend.sourceRanges.value.join(', ')}: ${frontend.sourceRanges.by.rule}`,
          ],
          ...restartKubeProxy(node, facts.cluster),
        })),
    ),
};
