import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { legacyComparison } from '../checks/legacy-endpoints.ts';

export const epsOversize: FindingKind = {
  id: 'EPS-OVERSIZE',
  topic: 'endpoints',
  severity: 'info',
  isLasting: true,
  condition:
    'The legacy Endpoints object holds 1,000 addresses at most and leaves out the rest: who still reads it sees a part of the endpoints.',
  notReported: 'EndpointSlices have no such bound, and kube-proxy reads them alone.',
  source:
    'pkg/controller/endpoint/endpoints_controller.go maxCapacity; annotation endpoints.kubernetes.io/over-capacity',
  find: ({ desired, cluster }) => {
    const comparison = legacyComparison(desired, cluster);
    if (comparison?.isTruncated !== true) return [];
    return [
      {
        where: `endpoints/${desired.name}`,
        message: `The Endpoints object of Service ${desired.name} holds ${comparison.legacy.size} of ${plural(comparison.slices.size, 'address', 'addresses')}; its EndpointSlices hold all.`,
        evidence: [`endpoints.kubernetes.io/over-capacity: ${cluster?.endpoints?.overCapacity ?? 'not set'}`],
        advice: `Let everything that reads endpoints/${desired.name} read its EndpointSlices.`,
        commands: [
          kubectl('-n', desired.namespace, 'get', 'endpointslices', '-l', `kubernetes.io/service-name=${desired.name}`),
        ],
      },
    ];
  },
};
