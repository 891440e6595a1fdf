/** The cluster's DNS: its Service and its servers. */
import type { DiscoveryV1Api } from '@kubernetes/client-node';
import type { ClusterFacts, DnsServerFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { readEndpointSlices } from './desired-service.ts';
import type { KeptService, KeptSlice } from './kept-objects.ts';

export const dnsService = { namespace: 'kube-system', name: 'kube-dns' } as const;

/** @param service null where there is none @throws ApiException */
export async function readDns(
  discovery: DiscoveryV1Api,
  service: KeptService | null,
): Promise<ClusterFacts['dns'] | null> {
  if (service === null) return null;
  return dnsFacts(service, await readEndpointSlices(discovery, dnsService.namespace, dnsService.name));
}

export function dnsFacts(service: KeptService, slices: readonly KeptSlice[]): NonNullable<ClusterFacts['dns']> {
  const servers = slices.filter(({ addressType }) => addressType === slices[0]?.addressType).flatMap(dnsServers);
  return {
    clusterIPs: (service.spec?.clusterIPs ?? []).filter((address) => address !== 'None'),
    endpoints: servers.length,
    readyEndpoints: servers.filter(({ ready }) => ready).length,
    servers,
  };
}

function dnsServers({ ports, endpoints }: KeptSlice): DnsServerFacts[] {
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
