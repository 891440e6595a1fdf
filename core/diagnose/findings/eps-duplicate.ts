import { hostPort } from '../../net/address.ts';
import { isChanging } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { duplicateEndpoints } from '../checks/pod-endpoints.ts';

export const epsDuplicate: FindingKind = {
  id: 'EPS-DUPLICATE',
  topic: 'endpoints',
  severity: 'warning',
  condition: 'One address and port is an endpoint more than once: in two EndpointSlices, or for two pods.',
  notReported:
    'Pods of the host network, which share the address of their node; within 10 s of a change of the EndpointSlices, while the controller moves endpoints.',
  source:
    'kubernetes/kubernetes#135334; pkg/proxy/endpointslicecache.go addEndpoints: kube-proxy takes such an endpoint once, a ready one first',
  find: ({ desired, cluster, now }) => {
    if (isChanging(desired, now)) return [];
    const duplicates = duplicateEndpoints(desired, cluster ?? {});
    const managers = new Map(cluster?.endpointSlices?.map(({ name, managedBy }) => [name, managedBy]));
    const slicesOf = ({ owners }: (typeof duplicates)[number]): string[] =>
      [...new Set(owners.map(({ slice }) => slice.name))].sort();
    const byOwners = Map.groupBy(duplicates, (duplicate) => slicesOf(duplicate).join('\n'));
    return [...byOwners.values()].map((all) => {
      const slices = all[0] === undefined ? [] : slicesOf(all[0]);
      return {
        where: `service/${desired.name}`,
        message: `${slices.length > 1 ? `EndpointSlices ${slices.join(', ')} have` : `EndpointSlice ${slices.join('')} has`} ${namesText(all.map(({ address, port }) => hostPort(address, port)))} more than once; kube-proxy counts ${all.length === 1 ? 'it' : 'each'} once, and ready where any of them is.`,
        evidence: [
          ...listed(
            all.flatMap(({ address, port, owners }) =>
              owners.map(
                ({ slice, endpoint }) =>
                  `${slice.name}: ${hostPort(address, port)} pod ${endpoint.targetRef?.name ?? 'not named'} uid ${endpoint.targetRef?.uid ?? 'not set'} ready=${endpoint.ready}`,
              ),
            ),
          ),
          ...slices.map((slice) => `${slice} is managed by ${managers.get(slice) ?? 'nobody that its label names'}`),
        ],
        advice:
          'Keep one of them. Of two pods with one address, one no longer exists, and its object should be deleted.',
        commands: [
          kubectl(
            '-n',
            desired.namespace,
            'get',
            'endpointslices',
            '-l',
            `kubernetes.io/service-name=${desired.name}`,
            '-o',
            'yaml',
          ),
        ],
      };
    });
  },
};
