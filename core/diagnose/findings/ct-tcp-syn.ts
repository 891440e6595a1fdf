import { hostPort } from '../../address.ts';
import type { ClusterFacts } from '../../cluster-facts.ts';
import type { NodeFacts } from '../../node-facts.ts';
import type { DesiredService } from '../../service.ts';
import { onNode, type FindingKind } from '../finding.ts';
import { syncGrace } from '../frontend-drift.ts';
import { deleteFlow, flowText, serviceFlows } from '../service-flows.ts';

/** nf_conntrack_tcp_timeout_syn_sent, where the node did not say its own. */
const usualTimeout = 120;

export const ctTcpSyn: FindingKind = {
  id: 'CT-TCP-SYN',
  severity: 'warning',
  condition: 'TCP connections that were never answered (SYN_SENT, UNREPLIED) lead to an address that is no serving endpoint, and last longer than such an entry may: a client sends its first packet again and again from the same port.',
  notReported: 'Within nf_conntrack_tcp_timeout_syn_sent (120 s), 10 s and minSyncPeriod of a change of the EndpointSlices, in which such entries go by themselves.',
  source: 'kubernetes/kubernetes#101607; nf_conntrack-sysctl.rst',
  find: ({ desired, nodes, cluster }) =>
    nodes.filter((node) => isOld(node, desired, cluster)).flatMap((node) =>
      serviceFlows(node, desired)
        .filter(({ group, isServing, isUnnatted }) => group.protocol === 'tcp' && group.state === 'SYN_SENT' && group.unreplied && !isServing && !isUnnatted)
        .map((flow) =>
          onNode(node.node, {
            message: `${flow.group.entries} clients of ${node.node} try to connect over ${hostPort(flow.group.destination, flow.group.destinationPort)} to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, which is no endpoint any more.`,
            evidence: [flowText(flow)],
            advice: deleteFlow(node.node, flow),
          }),
        ),
    ),
};

/** Nothing changed within the life of such an entry; without a time of the last change, that is not known. */
function isOld(node: NodeFacts, desired: DesiredService, cluster: ClusterFacts | undefined): boolean {
  const { read } = node;
  if (read === undefined || desired.lastChange === undefined || (desired.changedWhileCollecting ?? []).length > 0) return false;
  const seconds = Number(read.system?.sysctls['net/netfilter/nf_conntrack_tcp_timeout_syn_sent'] ?? usualTimeout);
  // Until kube-proxy has written its rules, they make new ones.
  return Date.parse(read.collectedAt) - Date.parse(desired.lastChange) > seconds * 1000 + syncGrace(node, cluster);
}
