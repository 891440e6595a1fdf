import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataUnparsed: FindingKind = {
  id: 'DATA-UNPARSED',
  topic: 'data',
  severity: 'warning',
  isLasting: true,
  condition:
    "The Service's rules hold a match, target or statement that this version does not know: what depends on it is unknown.",
  source: 'this project: unknown is never shown as healthy',
  find: ({ desired, nodes }) =>
    nodes.flatMap(({ node, read }) => {
      if (read === undefined || read.program.unrecognized.length === 0) return [];
      return [
        {
          where: `node/${node}`,
          node,
          message: `Rules of ${node} hold ${plural(read.program.unrecognized.length, 'part')} that this version does not know.`,
          evidence: read.program.unrecognized.slice(0, 10),
          advice: 'Record a bundle and report it, so that the next version knows them.',
          commands: [
            kubectl('svctrace', 'record', desired.name, '-n', desired.namespace, '--to', `${desired.name}.svctrace`),
          ],
        },
      ];
    }),
};
