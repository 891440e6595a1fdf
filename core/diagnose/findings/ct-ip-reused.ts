import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onFlows } from '../checks/on-flows.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { deleteFlow, flowText } from '../checks/service-flows.ts';

export const ctIpReused: FindingKind = {
  id: 'CT-IP-REUSED',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'Conntrack entries of the Service point to an address that another pod has now: clients talk to the wrong program.',
  notReported:
    'Pods of other namespaces, which are not read (then CT-UDP-STALE, or CT-TCP-ESTABLISHED-GONE); a pod that is older than the last change of the EndpointSlices, for it may have been an endpoint itself; TCP that is not established.',
  source: 'kubernetes/kubernetes#141371; pkg/proxy/conntrack/cleanup.go',
  find: (facts) =>
    onFlows(facts, (flow, node) => {
      const { group, isKnown, isUnnatted } = flow;
      const isKept = group.protocol === 'udp' || (group.protocol === 'tcp' && group.state === 'ESTABLISHED');
      if (isKnown || isUnnatted || !isKept) return undefined;
      const pod = reusedBy(group.replySource, facts.desired, facts.cluster);
      if (pod === undefined) return undefined;
      return {
        message: `${plural(group.entries, 'conntrack entry', 'conntrack entries')} of ${node} ${group.entries === 1 ? 'sends' : 'send'} packets of ${hostPort(group.destination, group.destinationPort)} to ${hostPort(group.replySource, group.replySourcePort)}, which is pod ${pod.name} now, and none of the Service.`,
        evidence: [
          flowText(flow),
          `pod ${pod.name} was made at ${pod.createdAt ?? ''}, after the EndpointSlices last changed`,
        ],
        ...deleteFlow(node, flow),
      };
    }),
};
