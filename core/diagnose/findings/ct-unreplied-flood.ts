import { plural } from '../../lib/plural.ts';
import { kubectl, shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

/** Fewer may be connections that were just begun. */
const leastEntries = 100;

export const ctUnrepliedFlood: FindingKind = {
  id: 'CT-UNREPLIED-FLOOD',
  topic: 'conntrack',
  severity: 'warning',
  isLasting: true,
  condition:
    "More than half of the Service's TCP entries in a node's conntrack table, and at least 100, were never answered: the endpoints do not answer, or somebody floods the Service.",
  notReported: 'UDP, of which many protocols never answer.',
  source: 'kubernetes/kubernetes#74839; KubeSkoop exporter, conntrack',
  find: ({ desired, nodes }) =>
    nodes.flatMap(({ node, read }) => {
      const tcp = (read?.conntrack?.groups ?? []).filter(({ protocol }) => protocol === 'tcp');
      const all = tcp.reduce((sum, { entries }) => sum + entries, 0);
      const silent = tcp.filter(({ unreplied }) => unreplied);
      const unreplied = silent.reduce((sum, { entries }) => sum + entries, 0);
      if (unreplied < leastEntries || unreplied * 2 <= all) return [];
      const most = [...silent].sort((one, other) => other.entries - one.entries).slice(0, 5);
      return [
        onNode(node, {
          message: `Of ${plural(all, 'TCP entry', 'TCP entries')} of the Service on ${node}, ${unreplied} were never answered.`,
          evidence: most.map(
            (group) =>
              `tcp ${group.state ?? ''} dst=${group.destination} dport=${String(group.destinationPort)} reply src=${group.replySource} [UNREPLIED] x ${String(group.entries)}`,
          ),
          advice: `The entries on ${node} show who sends. The active check (--connect) shows whether the endpoints answer.`,
          commands: [
            shellOn(node, 'conntrack', '-L', '-p', 'tcp', '--state', 'SYN_SENT'),
            kubectl('svctrace', desired.name, '-n', desired.namespace, '--connect'),
          ],
        }),
      ];
    }),
};
