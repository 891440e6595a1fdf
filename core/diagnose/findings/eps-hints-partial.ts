import { plural } from '../../lib/plural.ts';
import { readyByFamily } from '../../api/ready-endpoints.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { isChanging } from '../checks/age.ts';
import { listed } from '../checks/listed.ts';

export const epsHintsPartial: FindingKind = {
  id: 'EPS-HINTS-PARTIAL',
  topic: 'endpoints',
  severity: 'warning',
  condition:
    'Some ready endpoints have a topology hint and others have none: kube-proxy then follows none of them, and traffic crosses zones.',
  notReported:
    'Where no endpoint has a hint; node hints beside whole zone hints, which kube-proxy follows instead; within 10 s of a change of the EndpointSlices.',
  source: 'KEP-2433, KEP-3015; pkg/proxy/topology.go topologyModeFromHints',
  find: ({ desired, now }) => {
    if (isChanging(desired, now)) return [];
    return readyByFamily(desired).flatMap(({ family, endpoints }) => {
      const without = endpoints.filter(({ hints = [] }) => hints.length === 0);
      const hasNodeHints = endpoints.every(({ nodeHints = [] }) => nodeHints.length > 0);
      if (hasNodeHints || without.length === 0 || without.length === endpoints.length) return [];
      const nodes = [
        ...new Set(without.filter(({ zone }) => zone === undefined).flatMap(({ nodeName }) => nodeName ?? [])),
      ];
      return [
        {
          where: `service/${desired.name}`,
          message: `${without.length} of ${plural(endpoints.length, `ready ${family} endpoint`)} ${without.length === 1 ? 'has' : 'have'} no topology hint, so kube-proxy follows none: traffic crosses zones.`,
          evidence: [
            ...listed(
              without.map(
                ({ addresses, targetRef, nodeName, zone }) =>
                  `${addresses.join(', ')} ${targetRef?.name ?? 'without targetRef'} on ${nodeName ?? 'no node'} in ${zone ?? 'no zone'}`,
              ),
            ),
            `trafficDistribution: ${desired.service.trafficDistribution ?? 'not set'}`,
          ],
          ...(nodes.length === 0
            ? {
                advice: 'The Events of the Service show what the EndpointSlice controller says.',
                commands: [kubectl('-n', desired.namespace, 'describe', `service/${desired.name}`)],
              }
            : {
                advice: `Label ${nodes.join(', ')} with topology.kubernetes.io/zone: an endpoint on a node without a zone gets no hint.`,
                commands: [kubectl('get', 'nodes', '-L', 'topology.kubernetes.io/zone')],
              }),
        },
      ];
    });
  },
};
