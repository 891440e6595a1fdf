import { masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import { effectText } from '../../evaluate/action.ts';
import type { Leaf } from '../../evaluate/walk.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { Facts, FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { leavingBranches, type NodeCheck } from '../checks/node-check.ts';
import { markedBy, type FrontendCheck } from '../checks/frontend-check.ts';
import { isSent } from '../../program/client-walks.ts';
import { knowsPods } from '../checks/pod-addresses.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleNoMasq: FindingKind = {
  id: 'RULE-NO-MASQ',
  topic: 'rules',
  severity: 'error',
  condition:
    'Packets that need another source address do not get one: the rules do not mark them, or what masquerades marked packets (KUBE-POSTROUTING, the chain masquerading) is gone or asks for another mark. Replies then miss the node, and connections hang.',
  notReported:
    "External policy Local, which keeps the client's address; packets to an endpoint on the node's own address; packets to a cluster IP where kube-proxy's configuration does not say which addresses pods have.",
  source:
    'pkg/proxy/iptables/proxier.go (KUBE-MARK-MASQ, KUBE-POSTROUTING); pkg/proxy/nftables/proxier.go (masquerading)',
  find: (facts) =>
    onNodes(facts, (check) => {
      const lost = check.frontends
        .filter(({ explainedBy }) => explainedBy === undefined)
        .flatMap((frontend) => lostBranches(frontend, check, facts).map((each) => ({ ...each, frontend })));
      const isPostroutingMoved = check.families.some(({ orderFaults }) =>
        orderFaults.some(({ chain }) => masqueradeChains.has(chain)),
      );
      if (lost.length === 0 || isPostroutingMoved) return [];
      const texts = [...new Set(lost.map(({ frontend, client }) => `${client} to ${frontendText(frontend.frontend)}`))];
      const mark = lost.flatMap(({ leaf }) => markedBy(leaf) ?? [])[0];
      const [first] = lost;
      return [
        {
          message: `${check.node} does not masquerade packets of ${texts.slice(0, 4).join(', ')}${texts.length > 4 ? ` and ${String(texts.length - 4)} more` : ''}: ${mark === undefined ? 'no rule marks them' : 'they are marked, and no rule heeds the mark'}.`,
          evidence:
            mark === undefined
              ? (first?.leaf.path ?? []).map((step) => `${step.rule} (${effectText(step)})`).slice(0, 10)
              : [mark.rule, ...postroutingRules(check)],
          ...restartKubeProxy(check.node, facts.cluster),
        },
      ];
    }),
};

function lostBranches(
  { frontend, outside, fromNode, family }: FrontendCheck,
  check: NodeCheck,
  { desired, cluster }: Facts,
): { client: string; leaf: Leaf }[] {
  const isMasqueraded =
    frontend.frontend === 'ClusterIP'
      ? family !== undefined && !check.isIpvs && knowsPods(check.facts, cluster, frontend.family)
      : undefined;
  const isLocal = desired.service.externalTrafficPolicy === 'Local';
  const wanted = { outside: isMasqueraded ?? !isLocal, node: isMasqueraded ?? true };
  return (['outside', 'node'] as const).flatMap((client) => {
    const leaves = leavingBranches(check, client === 'outside' ? outside : fromNode).filter(isSent);
    const leaf = leaves.find((each) => !each.masquerade && (wanted[client] || markedBy(each) !== undefined));
    return leaf === undefined ? [] : [{ client: client === 'outside' ? 'clients outside' : 'the node itself', leaf }];
  });
}

function postroutingRules({ families }: NodeCheck): string[] {
  const found = families.flatMap(({ rules }) =>
    [...masqueradeChains].flatMap((chain) => (rules.chain(chain) ?? []).map(({ text }) => text)),
  );
  return found.length === 0
    ? ['KUBE-POSTROUTING (masquerading in the nftables mode) holds no rule']
    : [...new Set(found)];
}
