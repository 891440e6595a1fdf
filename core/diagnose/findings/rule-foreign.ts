import type { FindingKind } from '../checks/finding.ts';
import type { ForeignFault, ForeignKind } from '../checks/foreign-rules.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ruleForeign: FindingKind = {
  id: 'RULE-FOREIGN',
  topic: 'rules',
  severity: 'error',
  condition:
    "A third-party rule (iptables, or a table of nftables), or a policy DROP, stops packets of the Service that kube-proxy's rules send to an endpoint, or their answers, sends them elsewhere, keeps them from kube-proxy's rules or from being masqueraded, or the answers from conntrack. Packets and answers are walked on the node that the client asks, and on the endpoint's own.",
  notReported:
    "Where it depends on what is not known of the packet, as an interface, a set or a limit (RULE-FOREIGN-UNKNOWN); a cluster IP that the node itself has, as NodeLocal DNSCache's; packets that need not be masqueraded, for their endpoint is on the node; the mode ipvs.",
  source: 'netfilter hooks and priorities (linux/netfilter_ipv4.h); KubeSkoop AssertDefaultAccept',
  find: (facts) =>
    onNodes(facts, (check) => {
      const sure = check.frontends.flatMap(({ foreign }) => foreign.filter(({ unless }) => unless.length === 0));
      return [...Map.groupBy(sure, ({ rule }) => rule)].map(([rule, each]) => {
        const [first] = each;
        const owner = first?.owner ?? 'another program';
        const texts = [...new Set(each.map(({ client, frontend }) => `${client} to ${frontendText(frontend)}`))];
        return {
          message: `On ${check.node}, a rule of ${owner} ${doingText(first)} of ${texts.slice(0, 3).join(', ')}${texts.length > 3 ? ` and ${String(texts.length - 3)} more` : ''}${first?.to === undefined ? '' : ` to ${first.to}`}.`,
          evidence: [rule],
          ...(first?.place === undefined ? {} : { rule: first.place }),
          advice: `Find out why ${owner} has it, and let packets of Services and pods through before it. kube-proxy's own rules on ${check.node} are right.`,
        };
      });
    }),
};

/** `stops packets`, before `of clients outside to ClusterIP 10.96.0.7:80/TCP`. */
function doingText(fault: Pick<ForeignFault, 'kind'> | undefined): string {
  return doings[fault?.kind ?? 'stops'];
}

const doings: Readonly<Record<ForeignKind, string>> = {
  stops: 'stops packets',
  diverts: 'diverts packets',
  hides: "keeps from kube-proxy's rules packets",
  unmasks: 'keeps from being masqueraded packets',
  stopsAnswers: 'stops answers to packets',
  losesAnswers: 'keeps from conntrack, which would turn them back, answers to packets',
};
