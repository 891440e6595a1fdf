import { onNode, type FindingKind } from '../checks/finding.ts';
import { conntrackGrowth, growthText } from '../checks/growth.ts';

const leastFailures = 5;
const leastPerMinute = 5;

export const dnsCtRace: FindingKind = {
  id: 'DNS-CT-RACE',
  topic: 'dns',
  severity: 'info',
  isLasting: true,
  condition:
    'The Service has a UDP port, and between two readings at least 5 entries, and 5 in a minute, could not be put into the conntrack table, because another packet of the same socket was first (conntrack -S: insert_failed): its packet is lost, and DNS waits 5 s.',
  notReported: 'What was counted before; Services without a UDP port.',
  source: 'kubernetes/kubernetes#56903',
  find: (facts) => {
    if (!facts.desired.service.ports.some(({ protocol }) => protocol === 'UDP')) return [];
    return facts.nodes.flatMap((node) => {
      const failed = conntrackGrowth(facts, node, ['insert_failed']);
      if (failed === undefined || failed.count < leastFailures || (failed.count / failed.seconds) * 60 < leastPerMinute)
        return [];
      return [
        onNode(node.node, {
          message: `${failed.count} new connections of ${node.node} lost a race in conntrack ${growthText(failed)}; DNS queries among them wait 5 s.`,
          evidence: [`insert_failed +${failed.count}`],
          advice: 'Run NodeLocal DNSCache, or give pods the dnsConfig option single-request-reopen or use-vc.',
        }),
      ];
    });
  },
};
