import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { deleteFlow, flowText, serviceFlows } from '../checks/service-flows.ts';

export const ctUdpStale: FindingKind = {
  id: 'CT-UDP-STALE',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'UDP conntrack entries of the Service point to an address that is not a serving endpoint: the client keeps sending there.',
  notReported:
    'Entries to an endpoint that serves while it terminates, or that the traffic policy would not choose now, which kube-proxy leaves on purpose; TCP, whose entries it never cleans; within 10 s and minSyncPeriod of a change of the EndpointSlices; a Service without serving endpoints (CT-UDP-NOEP).',
  source: 'pkg/proxy/conntrack/cleanup.go CleanStaleEntries; kubernetes/kubernetes#125467',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) =>
        serviceFlows(node, desired)
          .filter(
            ({ group, serving, isServing, isUnnatted }) =>
              group.protocol === 'udp' &&
              serving.length > 0 &&
              !isServing &&
              !isUnnatted &&
              reusedBy(group.replySource, desired, cluster) === undefined,
          )
          .map((flow) =>
            onNode(node.node, {
              message: `${plural(flow.group.entries, 'UDP conntrack entry', 'UDP conntrack entries')} of ${node.node} ${flow.group.entries === 1 ? 'sends' : 'send'} packets of ${hostPort(flow.group.destination, flow.group.destinationPort)} to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, which is ${flow.isKnown ? 'an endpoint that does not serve' : 'in no EndpointSlice of the Service'}.`,
              evidence: [flowText(flow)],
              ...deleteFlow(node.node, flow),
            }),
          ),
      ),
};
