import { recordsOf } from '../../node-report.ts';
import { onNode, type FindingKind } from '../finding.ts';

const leastPackets = 1000;
const leastPerSecond = 1;

export const sysLiberal: FindingKind = {
  id: 'SYS-LIBERAL',
  severity: 'warning',
  condition: "kube-proxy's rule against packets that fit no connection dropped at least 1000, and one a second since it started, and conntrack checks TCP's windows strictly (nf_conntrack_tcp_be_liberal 0): connections that come back another way break.",
  notReported: 'A few late packets, for which the rule is there; be_liberal 1, with which kube-proxy writes no such rule.',
  source: 'kubernetes/kubernetes#94861, #120412; pkg/proxy/iptables/proxier.go (ctstate INVALID)',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const dropped = read?.kubeProxy?.metrics?.invalidPacketsDropped;
      const since = read?.kubeProxy?.metrics?.startedAt;
      const start = read === undefined ? undefined : recordsOf(read.report, 'start')[0];
      if (dropped === undefined || since === undefined || start === undefined || read?.system?.sysctls['net/netfilter/nf_conntrack_tcp_be_liberal'] !== '0') return [];
      const seconds = Date.parse(start.startedAt) / 1000 - since;
      if (dropped < leastPackets || !(dropped / seconds >= leastPerSecond)) return [];
      return [
        onNode(node, {
          message: `${node} dropped ${dropped} packets that fit no connection, ${(dropped / seconds).toFixed(1)} a second since its kube-proxy started.`,
          evidence: [`kubeproxy_iptables_ct_state_invalid_dropped_packets_total ${dropped}`, 'net.netfilter.nf_conntrack_tcp_be_liberal = 0'],
          advice: "set conntrack.tcpBeLiberal: true in kube-proxy's configuration, where packets of one connection take several ways",
        }),
      ];
    }),
};
