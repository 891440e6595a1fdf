import type { DesiredService } from '../../api/service.ts';
import { familyOf, type Family } from '../../net/family.ts';
import { isChanging } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { livePods } from '../checks/selected-pods.ts';

export const svcFamily: FindingKind = {
  id: 'SVC-FAMILY',
  topic: 'service',
  severity: 'warning',
  condition:
    'The Service has a cluster IP of a family in which none of its pods has an address, so every connection to that address fails.',
  notReported:
    'Within 10 s of a change of the Service or its EndpointSlices; headless Services, which only have no address record of that family; where no endpoint of any family is ready, which EPS-ALL-NOTREADY and EPS-EMPTY say.',
  source: 'KEP-563 dual stack; k8s.io/endpointslice utils.go getEndpointAddresses',
  find: ({ desired, cluster, now }) => {
    const { service, name, namespace } = desired;
    if (service.notProxied !== undefined || isChanging(desired, now)) return [];
    const readyPods = (livePods(cluster) ?? []).filter(
      ({ ready, deletionTimestamp }) => ready && deletionTimestamp === undefined,
    );
    const families = [...new Set(service.clusterIPs.map(familyOf))];
    const isReachable = families.some((family) => hasEndpoint(desired, family)) || readyPods.length > 0;
    if (!isReachable) return [];
    return families.flatMap((family) => {
      if (
        hasEndpoint(desired, family) ||
        readyPods.some(({ addresses }) => addresses.some((address) => familyOf(address) === family))
      )
        return [];
      const nodes = (cluster?.nodes ?? []).filter(
        ({ internalIPs }) => internalIPs.length > 0 && !internalIPs.some((address) => familyOf(address) === family),
      );
      return [
        {
          where: `service/${name}`,
          message: `Service ${name} has the ${family} address ${service.clusterIPs.filter((address) => familyOf(address) === family).join(', ')} and no endpoint of that family.`,
          evidence: [
            `ipFamilies: ${(service.ipFamilies ?? families).join(', ')}, ipFamilyPolicy: ${service.ipFamilyPolicy ?? 'not set'}`,
            ...listed(readyPods.map((pod) => `pod ${pod.name} has ${pod.addresses.join(', ') || 'no address'}`)),
            ...(nodes.length === 0
              ? []
              : [`without an ${family} address: ${nodes.map((node) => node.name).join(', ')}`]),
          ],
          ...(service.ipFamilyPolicy === 'SingleStack' || service.ipFamilyPolicy === undefined
            ? {
                advice: 'Recreate the Service with ipFamilies of a family that its pods have.',
                commands: [kubectl('-n', namespace, 'get', 'pods', '-o', 'wide')],
              }
            : {
                advice: `With ipFamilyPolicy SingleStack, the Service keeps the first family alone. Pods get ${family} addresses where the cluster's network gives them.`,
                commands: [
                  kubectl(
                    '-n',
                    namespace,
                    'patch',
                    `service/${name}`,
                    '-p',
                    '{"spec":{"ipFamilyPolicy":"SingleStack"}}',
                  ),
                ],
              }),
        },
      ];
    });
  },
};

function hasEndpoint({ endpointSlices }: DesiredService, family: Family): boolean {
  return endpointSlices.some(
    ({ addressType, endpoints }) =>
      addressType === family && endpoints.some(({ ready, serving, terminating }) => ready || (serving && terminating)),
  );
}
