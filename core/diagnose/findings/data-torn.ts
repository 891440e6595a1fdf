import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataTorn: FindingKind = {
  id: 'DATA-TORN',
  topic: 'data',
  severity: 'info',
  isLasting: true,
  condition:
    'EndpointSlices of the Service changed while its nodes were asked: rules that differ may be older or newer than what they are compared with, so no difference is reported.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ desired }) => {
    const changed = desired.changedWhileCollecting ?? [];
    if (changed.length === 0) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `${plural(changed.length, 'EndpointSlice')} of ${desired.name} changed while the nodes were asked: what differs is not judged.`,
        evidence: changed.slice(0, 10).map((name) => `endpointslice/${name}`),
        advice: 'Collect again when the rollout is over. Watching the Service does so by itself.',
        commands: [kubectl('svctrace', desired.name, '-n', desired.namespace, '--watch')],
      },
    ];
  },
};
