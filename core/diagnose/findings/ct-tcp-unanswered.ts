import { hostPort } from '../../net/address.ts';
import { plural } from '../../lib/plural.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { answerOf } from '../checks/endpoint-evidence.ts';
import { kubectl } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { flowText, serviceFlows, type ServiceFlow } from '../checks/service-flows.ts';
import { synSentTimeout } from '../checks/syn-sent-timeout.ts';

/** A SYN that was sent so long ago, and has no answer: clients send it again after 1 s, 2 s, 4 s. */
const silentSeconds = 3;

export const ctTcpUnanswered: FindingKind = {
  id: 'CT-TCP-UNANSWERED',
  topic: 'conntrack',
  severity: 'warning',
  condition:
    "A node's conntrack holds TCP connections of the Service that a serving endpoint did not answer for 3 s after their last SYN (SYN_SENT, UNREPLIED), or that were reset before they were connections (CLOSE without ASSURED).",
  notReported:
    'Connections whose first packet was just sent; entries from before the last change of the EndpointSlices; refused connections, whose entry the kernel deletes with the RST; what a rule of the node itself drops, which never is an entry; entries to what is not a serving endpoint (CT-TCP-SYN).',
  source: 'nf_conntrack_proto_tcp.c; nf_conntrack-sysctl.rst, nf_conntrack_tcp_timeout_syn_sent',
  find: ({ desired, nodes }) =>
    nodes.flatMap((node) => {
      const failed = serviceFlows(node, desired).filter((flow) => flow.isServing && isFailed(flow, node, desired));
      if (failed.length === 0) return [];
      const count = failed.reduce((sum, { group }) => sum + group.entries, 0);
      const targets = [...new Set(failed.map(({ group }) => hostPort(group.replySource, group.replySourcePort)))];
      return [
        onNode(node.node, {
          message: `${plural(count, 'connection')} of the Service on ${node.node} had no answer of ${namesText(targets)}, which ${targets.length === 1 ? 'is a serving endpoint' : 'are serving endpoints'}.`,
          evidence: listed(failed.map(flowText)),
          advice:
            'The active check (--connect) shows whether the endpoints answer the nodes, and a capture shows the packets.',
          commands: [
            kubectl('svctrace', desired.name, '-n', desired.namespace, '--connect'),
            kubectl(
              'svctrace',
              'capture',
              desired.name,
              '-n',
              desired.namespace,
              '--node',
              node.node,
              '--to',
              `${desired.name}.pcapng`,
            ),
          ],
        }),
      ];
    }),
};

function isFailed({ group }: ServiceFlow, { read }: NodeFacts, { lastChange }: DesiredService): boolean {
  if (group.protocol !== 'tcp' || read === undefined) return false;
  const answer = answerOf(group);
  if (answer === 'reset') return true;
  if (answer !== 'unanswered' || group.state !== 'SYN_SENT' || group.leastTimeout === undefined) return false;
  const silent = synSentTimeout(read) - group.leastTimeout;
  return (
    silent >= silentSeconds &&
    (lastChange === undefined || Date.parse(read.collectedAt) - silent * 1000 > Date.parse(lastChange))
  );
}
