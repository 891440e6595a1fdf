/** Who in the cluster has an address: read of the API server only where a Service has external ones, and shared by traces. */
import type { CoreV1Api } from '@kubernetes/client-node';
import type { UnreadFacts } from '../core/api/cluster-facts.ts';
import {
  classifyExternalAddresses,
  externalAddressesOf,
  maxExternalAddresses,
  type AddressHolder,
} from '../core/api/external-addresses.ts';
import type { ExternalAddress, DesiredService } from '../core/api/service.ts';
import { present } from '../core/lib/present.ts';
import { comparableAddress } from '../core/net/address.ts';
import { messageOf, statusCodeOf } from './api-error.ts';
import { cachedByKey } from './cached.ts';
import type { ClusterLister } from './cluster-cache.ts';
import type { KeptNode, KeptService } from './kept-objects.ts';
import { protocolOf } from './observe.ts';

export interface AddressHolders {
  /**
   * Whose the external addresses of a Service are; of one that has none, nothing is read.
   * @param lister absent: all is read
   * @throws ApiException but for a refusal
   */
  classify(
    desired: DesiredService,
    nodes: readonly KeptNode[],
    lister?: ClusterLister,
  ): Promise<{ readonly addresses: readonly ExternalAddress[]; readonly unread?: UnreadFacts }>;
}

/** The names in the rules show a Service that takes an address meanwhile. */
const freshMilliseconds = 10_000;

export function addressHolders(core: CoreV1Api): AddressHolders {
  // One list, of which a few fields are kept: it is as long as the cluster has Services.
  const services = cachedByKey(freshMilliseconds, async () =>
    (await core.listServiceForAllNamespaces({ resourceVersion: '0' })).items.map(holderOf),
  );
  // The API server knows a pod by its first address; those of the other family are in the ranges of the nodes (podCIDRs).
  const hasPod = cachedByKey(freshMilliseconds, async (address) =>
    (await core.listPodForAllNamespaces({ resourceVersion: '0', fieldSelector: `status.podIP=${address}` })).items.some(
      ({ status }) => !hasEnded(status?.phase),
    ),
  );
  return {
    async classify(desired, nodes, lister) {
      const addresses = externalAddressesOf(desired);
      if (addresses.length === 0) return { addresses: [] };
      const others = {
        nodes: nodes.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
        podCIDRs: nodes.flatMap(({ spec }) => spec?.podCIDRs ?? []),
      };
      try {
        const asked = addresses.slice(0, maxExternalAddresses);
        const isOfPod = async (address: string): Promise<boolean> => {
          const watched = lister?.pods({ fieldSelector: `status.podIP=${address}` });
          return watched === undefined ? hasPod(address) : watched.some(({ status }) => !hasEnded(status?.phase));
        };
        const [holders, pods] = await Promise.all([
          lister?.servicesAt(askedEntries(desired, asked))?.map(holderOf) ?? services(''),
          Promise.all(asked.map(async (address) => ((await isOfPod(address)) ? [address] : []))),
        ]);
        return { addresses: classifyExternalAddresses(desired, { ...others, services: holders, pods: pods.flat() }) };
      } catch (error) {
        if (statusCodeOf(error) !== 403) throw error;
        const unread: UnreadFacts = {
          part: 'addressHolders',
          what: 'services and pods of all namespaces',
          reason: messageOf(error),
          forbidden: { verb: 'list', resource: 'services,pods', namespace: '' },
        };
        return { addresses: classifyExternalAddresses(desired, { ...others, services: undefined, pods: [] }), unread };
      }
    },
  };
}

/** What a Service is looked up by, as a holder of addresses and node ports. */
export function holderEntries(service: KeptService): string[] {
  const { clusterIPs, external, ports } = holderOf(service);
  return [
    ...[...clusterIPs, ...external].map(comparableAddress),
    ...ports.flatMap(({ protocol, nodePort }) => (nodePort === undefined ? [] : [`${protocol} ${String(nodePort)}`])),
  ];
}

/** Of all Services, those with one of these entries decide whose the addresses are. */
function askedEntries({ service }: DesiredService, addresses: readonly string[]): string[] {
  return [...addresses, ...service.ports.map(({ protocol, port }) => `${protocol} ${String(port)}`)];
}

function holderOf({ metadata, spec, status }: KeptService): AddressHolder {
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    clusterIPs: (spec?.clusterIPs ?? []).filter((address) => address !== 'None'),
    external: [...(spec?.externalIPs ?? []), ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? [])],
    ports: (spec?.ports ?? []).map(({ protocol, port, nodePort }) => ({
      ...present({ nodePort }),
      protocol: protocolOf(protocol),
      port,
    })),
  };
}

/** The address of a pod that has ended may be another's by now, which is asked for as well. */
function hasEnded(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}
