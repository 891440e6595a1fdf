import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onFlows } from '../checks/on-flows.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { flowDeletion, flowText } from '../checks/service-flows.ts';

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
  find: (facts) =>
    onFlows(facts, (flow, node) => {
      const { group, isKnown, isUnnatted } = flow;
      const isGone =
        group.protocol === 'tcp' &&
        group.state === 'ESTABLISHED' &&
        !isKnown &&
        !isUnnatted &&
        reusedBy(group.replySource, facts.desired, facts.cluster) === undefined;
      if (!isGone) return undefined;
      return {
        message: `${plural(group.entries, 'TCP connection')} on ${node} over ${hostPort(group.destination, group.destinationPort)} ${group.entries === 1 ? 'is' : 'are'} held open to ${hostPort(group.replySource, group.replySourcePort)}, which no EndpointSlice of the Service has.`,
        evidence: [flowText(flow)],
        advice: `Where the pod is gone, the connections end with the client's own timeout or keepalive. To end them at once, delete their entries on ${node}.`,
        commands: [flowDeletion(node, flow)],
      };
    }),
};
