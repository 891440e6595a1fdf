import type { FindingKind } from '../finding.ts';
import type { ForeignFault } from '../foreign-rules.ts';
import { frontendText } from '../frontend-drift.ts';
import { onNodes } from '../on-nodes.ts';

export const ruleForeign: FindingKind = {
  id: 'RULE-FOREIGN',
  severity: 'error',
  condition: "A rule of another program (iptables, or a table of nftables), or a policy DROP, stops packets of the Service that kube-proxy's rules send to an endpoint, sends them elsewhere, or keeps them from kube-proxy's rules.",
  notReported:
    "Where it hangs on what is not known of the packet, as an interface, a set or a limit (RULE-FOREIGN-UNKNOWN); a cluster IP that the node itself has, as NodeLocal DNSCache's; nat's POSTROUTING; the nat table of the backend of iptables that kube-proxy does not use; the mode ipvs.",
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
          advice: `Find out why ${owner} has it, and let packets of Services and pods through before it. kube-proxy's own rules on ${check.node} are right.`,
        };
      });
    }),
};

export function doingText(fault: Pick<ForeignFault, 'kind'> | undefined): string {
  return fault?.kind === 'diverts' ? 'diverts packets' : fault?.kind === 'hides' ? "keeps from kube-proxy's rules packets" : 'stops packets';
}
