import { hostPort } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { plural } from '../../lib/plural.ts';
import type { DesiredService } from '../../api/service.ts';
import { newestChange } from '../checks/age.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { syncGrace } from '../checks/frontend-drift.ts';
import { deleteFlow, flowText, serviceFlows, type ServiceFlow } from '../checks/service-flows.ts';

/** nf_conntrack_tcp_timeout_syn_sent, where the node did not say its own. */
const usualTimeout = 120;

export const ctTcpSyn: FindingKind = {
  id: 'CT-TCP-SYN',
  topic: 'conntrack',
  severity: 'warning',
  isLasting: true,
  condition:
    'TCP connections that were never answered (SYN_SENT, UNREPLIED) are DNATed to an address that is not a serving endpoint, though nothing of the Service changed for longer than such an entry lives: its client sends its first packet again from the same port, or another rule sends it there.',
  notReported:
    'Within nf_conntrack_tcp_timeout_syn_sent (120 s), 10 s and minSyncPeriod of a change of the Service or its EndpointSlices, in which such entries go by themselves.',
  source: 'kubernetes/kubernetes#101607; nf_conntrack-sysctl.rst',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => isOld(node, desired, cluster))
      .flatMap((node) =>
        serviceFlows(node, desired)
          .filter(
            ({ group, isServing, isUnnatted }) =>
              group.protocol === 'tcp' && group.state === 'SYN_SENT' && group.unreplied && !isServing && !isUnnatted,
          )
          .map((flow) =>
            onNode(node.node, {
              message: `${plural(flow.group.entries, 'connection')}${clientsText(flow)} over ${hostPort(flow.group.destination, flow.group.destinationPort)} on ${node.node} got no answer: ${flow.group.entries === 1 ? 'it is' : 'they are'} DNATed to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, ${flow.isKnown ? 'an endpoint that does not serve' : 'which no EndpointSlice of the Service has'}.`,
              evidence: [
                flowText(flow),
                `the Service and its EndpointSlices last changed at ${newestChange(desired) ?? 'a time that is not known'}`,
              ],
              ...deleteFlow(node.node, flow),
            }),
          ),
      ),
};

/** An entry is one attempt: how many there are says nothing of how many clients. */
function clientsText({ group }: ServiceFlow): string {
  return group.clients === undefined ? '' : ` of ${plural(group.clients, 'client')}`;
}

/** Nothing changed within the life of such an entry; without a time of the last change, that is not known. */
function isOld(node: NodeFacts, desired: DesiredService, cluster: ClusterFacts | undefined): boolean {
  const { read } = node;
  const changed = newestChange(desired);
  if (read === undefined || changed === undefined || (desired.changedWhileCollecting ?? []).length > 0) return false;
  const seconds = Number(read.system?.sysctls['net/netfilter/nf_conntrack_tcp_timeout_syn_sent'] ?? usualTimeout);
  // Until kube-proxy has written its rules, they make new ones.
  return Date.parse(read.collectedAt) - Date.parse(changed) > seconds * 1000 + syncGrace(node, cluster);
}
