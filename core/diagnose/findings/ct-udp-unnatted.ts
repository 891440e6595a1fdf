import { plural } from '../../lib/plural.ts';
import { hostPort } from '../../net/address.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onFlows } from '../checks/on-flows.ts';
import { deleteFlow, flowText } from '../checks/service-flows.ts';

export const ctUdpUnnatted: FindingKind = {
  id: 'CT-UDP-UNNATTED',
  topic: 'conntrack',
  severity: 'error',
  condition:
    'UDP conntrack entries keep the address of the Service itself: they were made while no rule sent packets to an endpoint, and as long as the client sends, no rule is evaluated again.',
  notReported:
    'A Service without serving endpoints; an endpoint that has this very address and port (hostNetwork); within 10 s and minSyncPeriod of a change of the EndpointSlices.',
  source: 'kubernetes/kubernetes#48370; pkg/proxy/conntrack/cleanup.go',
  find: (facts) =>
    onFlows(facts, (flow, node) => {
      const { group, serving, isServing, isUnnatted } = flow;
      if (group.protocol !== 'udp' || serving.length === 0 || !isUnnatted || isServing) return undefined;
      return {
        message: `${plural(group.entries, 'UDP conntrack entry', 'UDP conntrack entries')} of ${node} ${group.entries === 1 ? 'sends' : 'send'} packets to ${hostPort(group.destination, group.destinationPort)} itself, past all endpoints.`,
        evidence: [flowText(flow)],
        ...deleteFlow(node, flow),
      };
    }),
};
