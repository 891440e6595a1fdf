import { plural } from '../../lib/plural.ts';
import { isChanging } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { legacyComparison } from '../checks/legacy-endpoints.ts';
import { listed } from '../checks/listed.ts';

export const epsLegacyDiffers: FindingKind = {
  id: 'EPS-LEGACY-DIFFERS',
  topic: 'endpoints',
  severity: 'warning',
  condition:
    'The legacy Endpoints object has other ready addresses than the EndpointSlices: who still reads it goes elsewhere than kube-proxy.',
  notReported:
    'The second family, which Endpoints never had; what was cut at 1,000 addresses (EPS-OVERSIZE); EndpointSlices that somebody keeps by hand; within 10 s of a change of the EndpointSlices.',
  source: 'pkg/controller/endpoint/endpoints_controller.go syncService; pkg/controller/endpointslicemirroring',
  find: ({ desired, cluster, now }) => {
    const comparison = legacyComparison(desired, cluster);
    if (comparison === undefined || comparison.isTruncated || isChanging(desired, now)) return [];
    const only = (one: ReadonlySet<string>, other: ReadonlySet<string>): string[] =>
      [...one].filter((each) => !other.has(each)).sort();
    const onlyLegacy = only(comparison.legacy, comparison.slices);
    const onlySlices = only(comparison.slices, comparison.legacy);
    if (onlyLegacy.length === 0 && onlySlices.length === 0) return [];
    return [
      {
        where: `endpoints/${desired.name}`,
        message: `The Endpoints object of Service ${desired.name} and its EndpointSlices differ in ${plural(onlyLegacy.length + onlySlices.length, 'ready address', 'ready addresses')}; kube-proxy follows the EndpointSlices.`,
        evidence: [
          ...listed(onlyLegacy.map((address) => `only in the Endpoints object: ${address}`)),
          ...listed(onlySlices.map((address) => `only in the EndpointSlices: ${address}`)),
        ],
        advice:
          'The managedFields of the Endpoints object show who writes it. An object that nobody keeps up to date is to be deleted.',
        commands: [
          kubectl('-n', desired.namespace, 'get', `endpoints/${desired.name}`, '-o', 'yaml', '--show-managed-fields'),
        ],
      },
    ];
  },
};
