import { plural } from '../../lib/plural.ts';
import { kubeProxyTotals } from '../../kube-proxy/metric-totals.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { growthText, kubeProxyGrowth } from '../checks/growth.ts';

const leastPackets = 10;
const leastPerSecond = 1;

export const sysLiberal: FindingKind = {
  id: 'SYS-LIBERAL',
  topic: 'kernel-settings',
  severity: 'warning',
  isLasting: true,
  condition:
    "kube-proxy's rule against packets that fit no connection dropped at least 10, and one a second, between two readings, and conntrack checks TCP's windows strictly (nf_conntrack_tcp_be_liberal 0): connections that come back another way break.",
  notReported:
    'What was counted before the first reading; a few late packets, for which the rule is there; be_liberal 1, with which kube-proxy writes no such rule.',
  source: 'kubernetes/kubernetes#94861, #120412; pkg/proxy/iptables/proxier.go (ctstate INVALID)',
  find: (facts) =>
    facts.nodes.flatMap((each) => {
      const { node, read } = each;
      const metrics = read?.kubeProxy?.metrics;
      const dropped =
        metrics === undefined
          ? undefined
          : kubeProxyGrowth(facts, each, kubeProxyTotals(metrics).invalidPackets, 'invalidPackets');
      if (dropped === undefined || read?.system?.sysctls['net/netfilter/nf_conntrack_tcp_be_liberal'] !== '0')
        return [];
      if (dropped.count < leastPackets || dropped.count / dropped.seconds < leastPerSecond) return [];
      return [
        onNode(node, {
          message: `${node} dropped ${plural(dropped.count, 'packet')} that fit no connection ${growthText(dropped)}, ${(dropped.count / dropped.seconds).toFixed(1)} a second.`,
          evidence: [
            `kubeproxy_iptables_ct_state_invalid_dropped_packets_total +${dropped.count}`,
            'net.netfilter.nf_conntrack_tcp_be_liberal = 0',
          ],
          advice:
            "Where packets of one connection take several ways, set conntrack.tcpBeLiberal: true in kube-proxy's configuration.",
        }),
      ];
    }),
};
