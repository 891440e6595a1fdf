/**
 * What the EndpointSlice controller and the Endpoints controller make of a Service and its pods, written down from
 * k8s.io/endpointslice reconciler.go and utils.go and pkg/controller/endpoint syncService (1.37).
 */
import type { ClusterFacts, EndpointsFacts, PodFacts } from '../../core/api/cluster-facts.ts';
import { sliceController } from '../../core/diagnose/checks/pod-endpoints.ts';
import { targetPortOf } from '../../core/diagnose/checks/target-port.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { familyOf, type Family } from '../../core/net/family.ts';
import type { EndpointSliceStatus, ServiceStatus } from '../../core/api/service-trace.ts';

/** Endpoints of one slice; the controller's own default is 100. */
const maxEndpointsPerSlice = 2;

export function controllersSay(
  service: ServiceStatus,
  pods: readonly PodFacts[],
  nodes: readonly string[],
): { desired: DesiredService; endpoints: EndpointsFacts; endpointSlices: NonNullable<ClusterFacts['endpointSlices']> } {
  const families = (service.ipFamilies ?? []).flatMap((family): Family[] =>
    family === 'IPv4' || family === 'IPv6' ? [family] : [],
  );
  const endpointSlices = families.flatMap((family) => slicesOf(family, service, pods, nodes));
  return {
    desired: { namespace: 'default', name: 'auth-service', service, endpointSlices },
    endpoints: endpointsOf(families[0] ?? 'IPv4', service, pods),
    endpointSlices: endpointSlices.map(({ name }) => ({
      name,
      managedBy: sliceController,
      createdAt: '2026-11-24T08:00:00Z',
      bytes: 900,
    })),
  };
}

/** reconcileByAddressType: one group of slices for each set of ports that pods have. */
function slicesOf(
  family: Family,
  service: ServiceStatus,
  pods: readonly PodFacts[],
  nodes: readonly string[],
): EndpointSliceStatus[] {
  const groups = new Map<string, Pick<EndpointSliceStatus, 'ports' | 'endpoints'>>();
  const publish = service.publishNotReadyAddresses === true;
  for (const pod of pods) {
    if (!mayBeInEndpoints(pod, true) || (!publish && !nodes.includes(pod.node ?? ''))) continue;
    const ports = service.ports.flatMap((port) => {
      const target = targetPortOf(pod, port);
      return target === undefined ? [] : [{ name: port.name ?? '', protocol: port.protocol, port: target }];
    });
    const addresses = pod.addresses.filter((address) => familyOf(address) === family);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    const terminating = pod.deletionTimestamp !== undefined;
    if (addresses.length > 0) {
      group.endpoints.push({
        addresses,
        ready: publish || (pod.ready && !terminating),
        serving: pod.ready,
        terminating,
        targetRef: { kind: 'Pod', name: pod.name, uid: pod.uid },
        ...(pod.node === undefined ? {} : { nodeName: pod.node }),
      });
    }
  }
  const chunks = [...groups.values()].flatMap(({ ports, endpoints }) =>
    Array.from({ length: Math.ceil(endpoints.length / maxEndpointsPerSlice) }, (_, index) => ({
      ports,
      endpoints: endpoints.slice(index * maxEndpointsPerSlice, (index + 1) * maxEndpointsPerSlice),
    })),
  );
  // Where there would be none, a placeholder is made.
  return (chunks.length === 0 ? [{ ports: [], endpoints: [] }] : chunks).map((chunk, index) => ({
    name: `auth-service-${family.toLowerCase()}-${index}`,
    addressType: family,
    ...chunk,
  }));
}

/** syncService of the Endpoints controller: the first family alone. */
function endpointsOf(family: Family, service: ServiceStatus, pods: readonly PodFacts[]): EndpointsFacts {
  const publish = service.publishNotReadyAddresses === true;
  const subsets = pods.flatMap((pod): EndpointsFacts['subsets'] => {
    const address = pod.addresses.find((each) => familyOf(each) === family);
    if (!mayBeInEndpoints(pod, publish) || address === undefined) return [];
    return service.ports.flatMap((port) => {
      const target = targetPortOf(pod, port);
      if (target === undefined) return [];
      const isReady = publish || pod.ready;
      return [
        {
          addresses: isReady ? [address] : [],
          notReadyAddresses: isReady ? [] : [address],
          ports: [{ name: port.name ?? '', port: target, protocol: port.protocol }],
        },
      ];
    });
  });
  return { bytes: 600, subsets };
}

/** ShouldPodBeInEndpoints */
function mayBeInEndpoints({ phase, addresses, deletionTimestamp }: PodFacts, includeTerminating: boolean): boolean {
  return (
    phase !== 'Succeeded' &&
    phase !== 'Failed' &&
    addresses.length > 0 &&
    (includeTerminating || deletionTimestamp === undefined)
  );
}
