import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { leftoverMirrors } from '../checks/pod-endpoints.ts';

export const epsMirrorLeftover: FindingKind = {
  id: 'EPS-MIRROR-LEFTOVER',
  topic: 'endpoints',
  severity: 'warning',
  condition:
    "An EndpointSlice that was mirrored from an Endpoints object is left beside the Service's selector, so packets go to its addresses too.",
  notReported:
    'In the first 10 s of that EndpointSlice, and of a change of the Service, such as that it got its selector.',
  source:
    'kubernetes/kubernetes#105987; pkg/controller/endpointslicemirroring syncEndpoints deletes them where it works',
  find: ({ desired, cluster, now }) =>
    (cluster === undefined ? [] : leftoverMirrors(desired, cluster, now)).map(({ name, endpoints }) => ({
      where: `endpointslice/${name}`,
      message: `EndpointSlice ${name} is a mirror of old Endpoints, and Service ${desired.name} has a selector of its own: packets go to both.`,
      evidence: [
        `managed by endpointslicemirroring-controller.k8s.io`,
        `addresses: ${endpoints
          .flatMap(({ addresses }) => addresses)
          .slice(0, 10)
          .join(', ')}`,
      ],
      advice: 'Delete the EndpointSlice.',
      commands: [kubectl('-n', desired.namespace, 'delete', `endpointslice/${name}`)],
    })),
};
