import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataNodeMissing: FindingKind = {
  id: 'DATA-NODE-MISSING',
  topic: 'data',
  severity: 'warning',
  isLasting: true,
  condition: 'A chosen node did not answer: what it does with the Service is unknown.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, answer }) => {
      if ('report' in answer || answer.state !== 'Failed') return [];
      return [
        {
          where: `node/${node}`,
          node,
          message: `${node} did not answer: ${answer.message}`,
          evidence: [answer.reason],
          advice: `The conditions and events of node ${node} show whether it runs pods.`,
          commands: [kubectl('describe', `node/${node}`)],
        },
      ];
    }),
};
