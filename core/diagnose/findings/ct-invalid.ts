import { plural } from '../../lib/plural.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { conntrackGrowth, growthText } from '../checks/growth.ts';

const leastPackets = 100;
const leastPerSecond = 10;

export const ctInvalid: FindingKind = {
  id: 'CT-INVALID',
  topic: 'conntrack',
  severity: 'info',
  isLasting: true,
  condition:
    "Between two readings, at least 100 packets, and 10 in a second, fitted no connection that the node's conntrack knows (conntrack -S: invalid).",
  notReported: 'A few late packets, which every node has.',
  source: 'conntrack(8) -S; kubernetes/kubernetes#74839',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const invalid = conntrackGrowth(facts, node, ['invalid']);
      if (invalid === undefined || invalid.count < leastPackets || invalid.count / invalid.seconds < leastPerSecond)
        return [];
      return [
        onNode(node.node, {
          message: `${plural(invalid.count, 'packet')} on ${node.node} fitted no connection ${growthText(invalid)}: the packet path there and the one back may differ.`,
          evidence: [`invalid +${invalid.count}`],
          advice: `With this setting of ${node.node}, the kernel logs each invalid TCP packet with the reason.`,
          commands: [shellOn(node.node, 'sysctl', '-w', 'net.netfilter.nf_conntrack_log_invalid=6')],
        }),
      ];
    }),
};
