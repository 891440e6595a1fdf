import type { FindingKind } from '../checks/finding.ts';

export const dataLimited: FindingKind = {
  id: 'DATA-LIMITED',
  topic: 'data',
  severity: 'info',
  isLasting: true,
  condition:
    "The trace asks for more of conntrack than the operator's setting TRACE_CONNTRACK_LIMIT lets traces show: it got as much as that.",
  notReported: 'With --standalone, where no operator sets bounds.',
  source: 'docs/privilege.md',
  find: ({ cluster, desired }) => {
    const limit = cluster?.conntrackLimit;
    if (limit === undefined) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `The trace asks for ${limit.asked} of conntrack, and the operator lets traces show ${limit.shown}.`,
        evidence: [`spec.collect.conntrack: ${limit.asked}`, `TRACE_CONNTRACK_LIMIT of the operator: ${limit.shown}`],
        advice: 'Ask whoever runs the operator: the setting TRACE_CONNTRACK_LIMIT is in its ConfigMap.',
      },
    ];
  },
};
