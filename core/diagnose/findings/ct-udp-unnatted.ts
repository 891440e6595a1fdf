import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { isSyncing } from '../checks/frontend-drift.ts';
import { deleteFlow, flowText, serviceFlows } from '../checks/service-flows.ts';

export const ctUdpUnnatted: FindingKind = {
  id: 'CT-UDP-UNNATTED',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'UDP conntrack entries keep the address of the Service itself: they were made while no rule sent packets to an endpoint, and as long as the client sends, no rule is evaluated again.',
  notReported:
    'A Service without serving endpoints; an endpoint that has this very address and port (hostNetwork); within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'kubernetes/kubernetes#48370; pkg/proxy/conntrack/cleanup.go',
  find: ({ desired, nodes, cluster }) =>
    nodes
      .filter((node) => !isSyncing(node, desired, cluster))
      .flatMap((node) =>
        serviceFlows(node, desired)
          .filter(
            ({ group, serving, isServing, isUnnatted }) =>
              group.protocol === 'udp' && serving.length > 0 && isUnnatted && !isServing,
          )
          .map((flow) =>
            onNode(node.node, {
              message: `${plural(flow.group.entries, 'UDP conntrack entry', 'UDP conntrack entries')} of ${node.node} ${flow.group.entries === 1 ? 'sends' : 'send'} packets to ${hostPort(flow.group.destination, flow.group.destinationPort)} itself, past all endpoints.`,
              evidence: [flowText(flow)],
              ...deleteFlow(node.node, flow),
            }),
          ),
      ),
};
