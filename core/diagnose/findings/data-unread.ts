import type { FindingKind } from '../checks/finding.ts';

export const dataUnread: FindingKind = {
  id: 'DATA-UNREAD',
  topic: 'data',
  severity: 'warning',
  condition:
    'A node answered, but a part of its kernel or kube-proxy could not be read, so what depends on it is unknown.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      if (read === undefined || read.unread.length === 0) return [];
      return [
        {
          where: `node/${node}`,
          node,
          message: `On ${node}, ${read.unread.map(({ what }) => what).join(', ')} could not be read.`,
          evidence: read.unread.map(({ what, reason }) => `${what}: ${reason}`),
          advice:
            'The reason says what is missing. Where it is a permission, the probes may need privileged: true (docs/privilege.md).',
        },
      ];
    }),
};
