/** The cluster's DNS: its Service and its servers. */
import type { DiscoveryV1Api, V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { ClusterFacts, DnsServerFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { readEndpointSlices } from './desired-service.ts';

export const dnsService = { namespace: 'kube-system', name: 'kube-dns' } as const;

/** @param service null where there is none @throws ApiException */
export async function readDns(
  discovery: DiscoveryV1Api,
  service: V1Service | null,
): Promise<ClusterFacts['dns'] | null> {
  if (service === null) return null;
  const slices = await readEndpointSlices(discovery, dnsService.namespace, dnsService.name);
  const servers = slices.filter(({ addressType }) => addressType === slices[0]?.addressType).flatMap(dnsServers);
  return {
    clusterIPs: (service.spec?.clusterIPs ?? []).filter((address) => address !== 'None'),
    endpoints: servers.length,
    readyEndpoints: servers.filter(({ ready }) => ready).length,
    servers,
  };
}

function dnsServers({ ports, endpoints }: V1EndpointSlice): DnsServerFacts[] {
  const port = (ports ?? []).find(({ protocol }) => protocol === 'UDP')?.port ?? 53;
  return (endpoints ?? []).flatMap(({ addresses, conditions, nodeName, targetRef }) =>
    addresses.slice(0, 1).map((address) => ({
      ...present({ pod: targetRef?.name, node: nodeName }),
      address,
      port,
      ready: conditions?.ready !== false,
    })),
  );
}
