import type { FindingKind } from '../checks/finding.ts';
import { onNodes } from '../checks/on-nodes.ts';
import { unreferencedChains } from '../checks/unreferenced-chains.ts';

export const ruleOrphan: FindingKind = {
  id: 'RULE-ORPHAN',
  topic: 'rules',
  severity: 'info',
  condition:
    'A node holds chains of the Service that no rule jumps to: they do nothing, and kube-proxy has not removed them.',
  notReported:
    'Chains of a large cluster (1,000 endpoints and more, whose rules have no comments), which kube-proxy removes once in a syncPeriod; chains without rules, which the nftables mode removes a second later; where a finding reports that rules are missing; chains of endpoints that no rule of the Service names, for finding them costs a look at all chains of the node.',
  source: '"Virtual IPs and Service Proxies", optimizing iptables mode performance; kubernetes/kubernetes#121046',
  find: (facts) =>
    onNodes(facts, (check) => {
      const isBroken =
        check.isIpvs ||
        check.families.some(({ missingJumps, orderFaults }) => missingJumps.length + orderFaults.length > 0);
      const isDrifted = check.frontends.some(
        ({ missing, stale, explainedBy, frontend, desired, isUnreached, ranges }) =>
          isUnreached ||
          ranges.length > 0 ||
          missing.length + stale.length > 0 ||
          explainedBy !== undefined ||
          (frontend.verdict === 'None' && desired.length > 0),
      );
      const orphans = isBroken || isDrifted ? [] : unreferencedChains(check, facts.desired);
      if (orphans.length === 0) return [];
      return [
        {
          message: `${check.node} holds ${String(orphans.length)} ${orphans.length === 1 ? 'chain' : 'chains'} of Service ${facts.desired.name} that no rule jumps to: ${orphans
            .slice(0, 5)
            .map(({ name }) => name)
            .join(', ')}.`,
          evidence: orphans
            .slice(0, 5)
            .flatMap(({ name, rules }) => rules.slice(0, 3).map((rule) => `${name}: ${rule}`)),
          advice: `Nothing is to be done: kube-proxy removes them when it starts again on ${check.node}.`,
        },
      ];
    }),
};
