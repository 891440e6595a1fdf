import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const epsAllNotReady: FindingKind = {
  id: 'EPS-ALL-NOTREADY',
  topic: 'endpoints',
  severity: 'error',
  condition: 'The Service has endpoints, but none is ready, and none still serves while it terminates.',
  source: 'Debug Services, "Does the Service have any EndpointSlices?"',
  find: ({ desired }) => {
    const endpoints = desired.endpointSlices.flatMap((slice) => slice.endpoints);
    if (
      endpoints.length === 0 ||
      endpoints.some(({ ready, serving, terminating }) => ready || (serving && terminating))
    )
      return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `None of the ${plural(endpoints.length, 'endpoint')} of Service ${desired.name} is ready, so every connection to it fails.`,
        evidence: endpoints
          .slice(0, 10)
          .map(
            ({ addresses, targetRef, terminating }) =>
              `${addresses.join(', ')} ${targetRef?.name ?? 'without targetRef'} ready=false${terminating ? ' terminating=true' : ''}`,
          ),
        advice: "The pod's conditions and events show why its readiness probe fails.",
        commands: [kubectl('-n', desired.namespace, 'describe', `pod/${endpoints[0]?.targetRef?.name ?? ''}`)],
      },
    ];
  },
};
