import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataTruncated: FindingKind = {
  id: 'DATA-TRUNCATED',
  topic: 'data',
  severity: 'info',
  isLasting: true,
  condition: 'The status is larger than one object may be, so parts were cut: what is not shown is not absent.',
  source: 'this project: one object stays below 512 KiB',
  find: ({ desired, truncated = [] }) =>
    truncated.length === 0
      ? []
      : [
          {
            where: `service/${desired.name}`,
            message: `The status of the trace was cut in ${plural(truncated.length, 'place')}; what is not shown is not absent.`,
            evidence: [...truncated],
            advice: 'Choose fewer nodes with spec.nodes, or look at the whole without the operator.',
            commands: [kubectl('svctrace', desired.name, '-n', desired.namespace, '--standalone')],
          },
        ],
};
