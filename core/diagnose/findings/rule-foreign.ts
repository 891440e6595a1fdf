import type { Leaf, Packet } from '../../evaluate/walk.ts';
import { walkAllHooks } from '../../report-rules.ts';
import type { FindingKind } from '../finding.ts';
import { frontendText } from '../frontend-drift.ts';
import { isSent, type FrontendCheck, type NodeCheck } from '../node-check.ts';
import { onNodes } from '../on-nodes.ts';

export const ruleForeign: FindingKind = {
  id: 'RULE-FOREIGN',
  severity: 'error',
  condition: "A rule of another program in iptables' raw, mangle or filter, or a policy DROP there, drops or rejects packets of the Service that kube-proxy's rules send to an endpoint.",
  notReported: "Rules that ask what is not known of the packet (an interface, a set, a limit), and whatever stands behind them; tables of nftables that other programs made; nodes with more than 1,000 such rules.",
  source: 'netfilter hooks and priorities (linux/netfilter_ipv4.h); KubeSkoop AssertDefaultAccept',
  find: (facts) =>
    onNodes(facts, (check) => {
      const lost = check.frontends.flatMap((frontend) => lostBranches(check, frontend, `${facts.desired.namespace}/${facts.desired.name}`).map((each) => ({ ...each, frontend })));
      return [...Map.groupBy(lost, ({ rule }) => rule)].map(([rule, each]) => {
        const texts = [...new Set(each.map(({ client, frontend }) => `${client} to ${frontendText(frontend.frontend)}`))];
        const owner = each[0]?.owner ?? 'another program';
        return {
          message: `On ${check.node}, a rule of ${owner} stops packets of ${texts.slice(0, 3).join(', ')}${texts.length > 3 ? ` and ${String(texts.length - 3)} more` : ''}.`,
          evidence: [rule],
          advice: `find out why ${owner} has it, and let packets of Services and pods through before it; kube-proxy's own rules on ${check.node} are right`,
        };
      });
    }),
};

function lostBranches(check: NodeCheck, { frontend, destination, outside, fromNode, fromPod }: FrontendCheck, service: string): { client: string; rule: string; owner: string }[] {
  const { read } = check.facts;
  const walk = read === undefined ? undefined : walkAllHooks(read.report, service, frontend.family);
  if (walk === undefined || destination === undefined) return [];
  const clients = [['clients outside', check.clients(frontend.family).outside, 'PREROUTING', outside], ['the node itself', check.clients(frontend.family).node, 'OUTPUT', fromNode], ['pods', check.clients(frontend.family).pod, 'PREROUTING', fromPod]] as const;
  return clients.flatMap(([client, source, entersAt, plain]) => {
    if (source === undefined || !plain.some(isSent)) return [];
    const packet: Packet = { source, destination, destinationPort: frontend.port, protocol: frontend.protocol, entersAt };
    const { leaves, unknown } = walk(packet);
    // What is not known may have let the packet through before.
    if (unknown.length > 0) return [];
    return leaves.flatMap((leaf) => {
      const chain = leaf.decidedBy ?? '';
      if ((leaf.verdict !== 'DROP' && leaf.verdict !== 'REJECT') || chain.startsWith('KUBE-') || plain.some((each) => each.verdict === leaf.verdict && each.decidedBy === chain)) return [];
      return [{ client, rule: ruleText(leaf), owner: ownerOf(leaf) }];
    });
  });
}

function ruleText({ decidedBy = '', path }: Leaf): string {
  const last = path.at(-1);
  return decidedBy.startsWith('policy of ') || last === undefined ? `${decidedBy} is DROP, and no rule accepts the packets before` : `${last.table}: ${last.rule}`;
}

/** Programs by the beginning of their chains' names. */
const owners: readonly (readonly [RegExp, string])[] = [
  [/^DOCKER/, 'Docker'], [/^cali-/, 'Calico'], [/^CILIUM_/, 'Cilium'], [/^ISTIO_/, 'Istio'], [/^ufw6?-/, 'ufw'], [/^(?:FWD[IO]?|IN|PRE|POST)_|^(?:INPUT|FORWARD|OUTPUT)_(?:direct|ZONES|POLICIES)/, 'firewalld'], [/^FLANNEL-/, 'flannel'], [/^f2b-/, 'fail2ban'], [/^CNI-/, 'a CNI plugin'], [/^LIBVIRT_/, 'libvirt'], [/^WEAVE-/, 'Weave'],
];

function ownerOf({ decidedBy = '', path }: Leaf): string {
  const chains = [decidedBy, ...path.map(({ chain }) => chain)];
  return owners.find(([pattern]) => chains.some((chain) => pattern.test(chain)))?.[1] ?? 'another program';
}
