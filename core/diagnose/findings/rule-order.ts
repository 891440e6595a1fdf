import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleOrder: FindingKind = {
  id: 'RULE-ORDER',
  topic: 'rules',
  severity: 'error',
  condition:
    'Rules of a chain of the Service, or of the chain that masquerades, stand in another order than kube-proxy writes them, so that shares change or a rule is never met.',
  notReported:
    'An order that changes nothing: endpoints in another sequence, frontends in KUBE-SERVICES, source ranges.',
  source: 'pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go syncProxyRules',
  find: (facts) =>
    onNodes(facts, ({ node, families }) =>
      families.flatMap(({ family, orderFaults }) =>
        orderFaults.map(({ chain, fault, rules: [late, before] }) => ({
          message: `In chain ${chain} (${family}) of ${node}, ${fault}.`,
          evidence: [`too late: ${late}`, `before it: ${before}`],
          ...restartKubeProxy(node, facts.cluster),
        })),
      ),
    ),
};
