import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onFlows } from '../checks/on-flows.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { deleteFlow, flowText } from '../checks/service-flows.ts';

export const ctUdpStale: FindingKind = {
  id: 'CT-UDP-STALE',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'UDP conntrack entries of the Service point to an address that is not a serving endpoint: the client keeps sending there.',
  notReported:
    'Entries to an endpoint that serves while it terminates, or that the traffic policy would not choose now, which kube-proxy leaves on purpose; TCP, whose entries it never cleans; within 10 s and minSyncPeriod of a change of the EndpointSlices; a Service without serving endpoints (CT-UDP-NOEP).',
  source: 'pkg/proxy/conntrack/cleanup.go CleanStaleEntries; kubernetes/kubernetes#125467',
  find: (facts) =>
    onFlows(facts, (flow, node) => {
      const { group, serving, isServing, isKnown, isUnnatted } = flow;
      const isStale =
        group.protocol === 'udp' &&
        serving.length > 0 &&
        !isServing &&
        !isUnnatted &&
        reusedBy(group.replySource, facts.desired, facts.cluster) === undefined;
      if (!isStale) return undefined;
      return {
        message: `${plural(group.entries, 'UDP conntrack entry', 'UDP conntrack entries')} of ${node} ${group.entries === 1 ? 'sends' : 'send'} packets of ${hostPort(group.destination, group.destinationPort)} to ${hostPort(group.replySource, group.replySourcePort)}, which is ${isKnown ? 'an endpoint that does not serve' : 'in no EndpointSlice of the Service'}.`,
        evidence: [flowText(flow)],
        ...deleteFlow(node, flow),
      };
    }),
};
