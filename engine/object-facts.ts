/** What is kept of a Service, its EndpointSlices and Endpoints, and of a node. */
import type { V1Endpoints } from '@kubernetes/client-node';
import type { ClusterFacts, ClusterNode, EndpointsFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { timeOf } from './fact-values.ts';
import { jsonBytes, managedByLabel, type KeptNode, type KeptService, type KeptSlice } from './kept-objects.ts';
import { protocolOf } from './observe.ts';

export function serviceFacts({ metadata, spec, status }: KeptService): NonNullable<ClusterFacts['service']> {
  return {
    ...present({ createdAt: timeOf(metadata?.creationTimestamp), loadBalancerClass: spec?.loadBalancerClass }),
    loadBalancerIngress: (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []),
  };
}

export function sliceFacts(slice: KeptSlice): NonNullable<ClusterFacts['endpointSlices']>[number] {
  const { metadata } = slice;
  return {
    ...present({
      managedBy: metadata?.labels?.[managedByLabel],
      createdAt: timeOf(metadata?.creationTimestamp),
      resourceVersion: metadata?.resourceVersion,
    }),
    name: metadata?.name ?? '',
    bytes: slice.bytes ?? jsonBytes(slice),
  };
}

export function endpointsFacts(endpoints: V1Endpoints): EndpointsFacts {
  return {
    ...present({
      resourceVersion: endpoints.metadata?.resourceVersion,
      overCapacity: endpoints.metadata?.annotations?.['endpoints.kubernetes.io/over-capacity'],
    }),
    bytes: Buffer.byteLength(JSON.stringify(endpoints)),
    subsets: (endpoints.subsets ?? []).map(({ addresses, notReadyAddresses, ports }) => ({
      addresses: (addresses ?? []).map(({ ip }) => ip),
      notReadyAddresses: (notReadyAddresses ?? []).map(({ ip }) => ip),
      ports: (ports ?? []).map(({ name, port, protocol }) => ({
        ...present({ name }),
        port,
        protocol: protocolOf(protocol),
      })),
    })),
  };
}

export function nodeFacts({ metadata, spec, status }: KeptNode): ClusterNode {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    ...present({
      notReady:
        ready?.status === 'True'
          ? undefined
          : `${ready?.reason ?? 'Unknown'}${ready?.message === undefined ? '' : `: ${ready.message}`}`,
      zone: metadata?.labels?.['topology.kubernetes.io/zone'],
      kubeletVersion: status?.nodeInfo?.kubeletVersion,
      kernel: status?.nodeInfo?.kernelVersion,
    }),
    name: metadata?.name ?? '',
    ready: ready?.status === 'True',
    internalIPs: (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    podCIDRs: spec?.podCIDRs ?? [],
  };
}
