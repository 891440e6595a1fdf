import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';

export const epsPublishNotReady: FindingKind = {
  id: 'EPS-PUBLISH-NOTREADY',
  topic: 'endpoints',
  severity: 'info',
  isLasting: true,
  condition: 'publishNotReadyAddresses makes endpoints ready whose pods are not, so clients are sent there.',
  notReported: 'Where all pods serve.',
  source: 'kubernetes/kubernetes#84573; k8s.io/endpointslice utils.go podToEndpoint',
  find: ({ desired }) => {
    if (desired.service.publishNotReadyAddresses !== true) return [];
    const all = desired.endpointSlices
      .flatMap(({ endpoints }) => endpoints)
      .filter(({ ready, serving }) => ready && !serving);
    if (all.length === 0) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `${plural(all.length, 'endpoint')} of Service ${desired.name} ${all.length === 1 ? 'counts' : 'count'} as ready only because of publishNotReadyAddresses.`,
        evidence: listed(
          all.map(
            ({ addresses, targetRef, terminating }) =>
              `${addresses.join(', ')} ${targetRef?.name ?? 'without targetRef'} ready=true serving=false terminating=${terminating}`,
          ),
        ),
        advice:
          'Nothing is to be done where pods find each other before they are ready. Otherwise set publishNotReadyAddresses to false.',
        commands: [
          kubectl(
            '-n',
            desired.namespace,
            'patch',
            `service/${desired.name}`,
            '-p',
            '{"spec":{"publishNotReadyAddresses":false}}',
          ),
        ],
      },
    ];
  },
};
