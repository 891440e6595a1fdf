import { plural } from '../../lib/plural.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { conntrackGrowth, growthText } from '../checks/growth.ts';

/** Fewer are single packets, which every network loses. */
const leastPackets = 10;

export const ctDrop: FindingKind = {
  id: 'CT-DROP',
  topic: 'conntrack',
  severity: 'warning',
  isLasting: true,
  condition:
    'Between two readings, a node dropped at least 10 packets because it could not track their connection, or threw entries out to make room (conntrack -S: drop without insert_failed, early_drop).',
  notReported: 'What was counted before; single packets; entries that lost a race (DNS-CT-RACE).',
  source: 'conntrack(8) -S; net/netfilter/nf_conntrack_core.c; kubernetes/kubernetes#74839',
  find: (facts) =>
    facts.nodes.flatMap((node) => {
      const dropped = conntrackGrowth(facts, node, ['drop']);
      const races = conntrackGrowth(facts, node, ['insert_failed']);
      const early = conntrackGrowth(facts, node, ['early_drop']);
      if (dropped === undefined || races === undefined || early === undefined) return [];
      // An entry that cannot be inserted counts as both.
      const packets = Math.max(0, dropped.count - races.count);
      if (packets < leastPackets && early.count === 0) return [];
      const table = node.read?.conntrackTable;
      return [
        onNode(node.node, {
          message: `${node.node} dropped ${plural(packets, 'packet')} that it could not track, and threw out ${plural(early.count, 'entry', 'entries')}, ${growthText(dropped)}.`,
          evidence: [
            `drop +${dropped.count}, insert_failed +${races.count}, early_drop +${early.count}`,
            ...(table === undefined ? [] : [`${plural(table.count, 'entry', 'entries')} of at most ${table.max}`]),
          ],
          advice:
            "Where the table is full, raise conntrack.maxPerCore or conntrack.min in kube-proxy's configuration. The statistics show which counter grows.",
          commands: [shellOn(node.node, 'conntrack', '-S')],
        }),
      ];
    }),
};
