import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { plural } from '../../lib/plural.ts';

export const epsTerminatingOnly: FindingKind = {
  id: 'EPS-TERMINATING-ONLY',
  topic: 'endpoints',
  severity: 'warning',
  condition: 'No endpoint is ready; kube-proxy falls back to endpoints that terminate and still serve.',
  source: 'KEP-1669 proxy terminating endpoints; pkg/proxy/topology.go CategorizeEndpoints',
  find: ({ desired }) => {
    const endpoints = desired.endpointSlices.flatMap((slice) => slice.endpoints);
    if (endpoints.some(({ ready }) => ready)) return [];
    const last = endpoints.filter(({ serving, terminating }) => serving && terminating);
    if (last.length === 0) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `Only ${plural(last.length, 'terminating endpoint')} still ${last.length === 1 ? 'serves' : 'serve'} Service ${desired.name}, which fails without ${last.length === 1 ? 'it' : 'them'}.`,
        evidence: last
          .slice(0, 10)
          .map(
            ({ addresses, targetRef }) =>
              `${addresses.join(', ')} ${targetRef?.name ?? 'without targetRef'} serving=true terminating=true`,
          ),
        advice: 'The list of pods shows why no new pod became ready before the old ones ended.',
        commands: [kubectl('-n', desired.namespace, 'get', 'pods', '-o', 'wide')],
      },
    ];
  },
};
