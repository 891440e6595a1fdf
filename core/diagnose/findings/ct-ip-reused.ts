import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';
import { reusedBy } from '../checks/reused-addresses.ts';
import { deleteFlow, flowText, serviceFlows } from '../checks/service-flows.ts';

export const ctIpReused: FindingKind = {
  id: 'CT-IP-REUSED',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'Conntrack entries of the Service point to an address that another pod has now: clients talk to the wrong program.',
  notReported:
    'Pods of other namespaces, which are not read (then CT-UDP-STALE, or CT-TCP-ESTABLISHED-GONE); a pod that is older than the last change of the EndpointSlices, for it may have been an endpoint itself; TCP that is not established.',
  source: 'kubernetes/kubernetes#141371; pkg/proxy/conntrack/cleanup.go',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) =>
        serviceFlows(node, desired)
          .filter(
            ({ group, isKnown, isUnnatted }) =>
              !isKnown &&
              !isUnnatted &&
              (group.protocol === 'udp' || (group.protocol === 'tcp' && group.state === 'ESTABLISHED')),
          )
          .flatMap((flow) => {
            const pod = reusedBy(flow.group.replySource, desired, cluster);
            if (pod === undefined) return [];
            return [
              onNode(node.node, {
                message: `${plural(flow.group.entries, 'conntrack entry', 'conntrack entries')} of ${node.node} ${flow.group.entries === 1 ? 'sends' : 'send'} packets of ${hostPort(flow.group.destination, flow.group.destinationPort)} to ${hostPort(flow.group.replySource, flow.group.replySourcePort)}, which is pod ${pod.name} now, and none of the Service.`,
                evidence: [
                  flowText(flow),
                  `pod ${pod.name} was made at ${pod.createdAt ?? ''}, after the EndpointSlices last changed`,
                ],
                ...deleteFlow(node.node, flow),
              }),
            ];
          }),
      ),
};
