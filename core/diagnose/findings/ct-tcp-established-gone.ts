import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { flowDeletion, flowText, serviceFlows } from '../checks/service-flows.ts';

export const ctTcpEstablishedGone: FindingKind = {
  id: 'CT-TCP-ESTABLISHED-GONE',
  topic: 'conntrack',
  severity: 'info',
  isLasting: true,
  condition:
    'TCP connections that count as established are DNATed to an address and port that no EndpointSlice of the Service has: where the pod is gone, the client waits until its own timeout.',
  notReported:
    'Endpoints that are in an EndpointSlice, whatever their conditions; within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'pkg/proxy/conntrack/cleanup.go: kube-proxy cleans UDP alone',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) =>
        serviceFlows(node, desired)
          .filter(
            ({ group, isKnown, isUnnatted }) =>
              group.protocol === 'tcp' &&
              group.state === 'ESTABLISHED' &&
              !isKnown &&
              !isUnnatted &&
              reusedBy(group.replySource, desired, cluster) === undefined,
          )
          .map((flow) =>
            onNode(node.node, {
              message: `${plural(flow.group.entries, 'TCP connection')} on ${node.node} over ${hostPort(flow.group.destination, flow.group.destinationPort)} ${flow.group.entries === 1 ? 'is' : 'are'} held open to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, which no EndpointSlice of the Service has.`,
              evidence: [flowText(flow)],
              advice: `Where the pod is gone, the connections end with the client's own timeout or keepalive. To end them at once, delete their entries on ${node.node}.`,
              commands: [flowDeletion(node.node, flow)],
            }),
          ),
      ),
};
