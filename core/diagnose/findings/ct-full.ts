import { plural } from '../../lib/plural.ts';
import type { FindingKind } from '../checks/finding.ts';

/** From this share on, a burst can fill the table before anybody looks. */
const fullShare = 0.8;

export const ctFull: FindingKind = {
  id: 'CT-FULL',
  topic: 'conntrack',
  severity: 'warning',
  isLasting: true,
  condition: "A node's conntrack table is more than 80 % full: when it is full, the kernel drops new connections.",
  source: 'kubernetes/kubernetes#18604, #71261; nf_conntrack-sysctl.rst',
  find: ({ nodes }) =>
    nodes.flatMap((node) => {
      const table = node.read?.conntrackTable;
      if (table === undefined || table.max === 0 || table.count / table.max <= fullShare) return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `The conntrack table of ${node.node} holds ${table.count} of at most ${plural(table.max, 'entry', 'entries')}.`,
          evidence: [`nf_conntrack_count = ${table.count}`, `nf_conntrack_max = ${table.max}`],
          advice: "Raise conntrack.maxPerCore or conntrack.min in kube-proxy's configuration.",
        },
      ];
    }),
};
