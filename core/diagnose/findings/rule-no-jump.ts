import { alsoLook } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleNoJump: FindingKind = {
  id: 'RULE-NO-JUMP',
  topic: 'rules',
  severity: 'error',
  condition:
    "A node's nat table does not lead packets to kube-proxy's rules (PREROUTING and OUTPUT to KUBE-SERVICES; nat-prerouting and nat-output to services): no Service works there.",
  notReported: 'Where another rule leads them there; in the IPVS mode, whose virtual servers need no such rule.',
  source: 'kubernetes/kubernetes#129128; pkg/proxy/iptables/proxier.go iptablesJumpChains',
  find: (facts) =>
    onNodes(facts, ({ node, families }) =>
      families.flatMap(({ family, missingJumps }) =>
        missingJumps.map(({ hook, chain, dispatch, holds }) => ({
          message: `On ${node}, no rule of ${chain} (nat, ${family}) jumps to ${dispatch}: ${hook === 'OUTPUT' ? "the node's own packets" : 'packets of pods and of clients outside'} meet no rule of any Service.`,
          evidence: [
            holds.length === 0
              ? `${chain} holds no rule that concerns Services`
              : `${chain} holds: ${holds.join('; ')}`,
          ],
          ...alsoLook(
            `Find out who flushed or rewrote ${chain}, for kube-proxy does not notice it.`,
            restartKubeProxy(node, facts.cluster),
          ),
        })),
      ),
    ),
};
