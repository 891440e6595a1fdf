/** What the API server says of a trace before any node is asked. */
import type { CoreV1Api, DiscoveryV1Api } from '@kubernetes/client-node';
import type { DesiredService } from '../core/api/service.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import type { AddressHolders } from './address-holders.ts';
import { unlessForbidden } from './api-error.ts';
import type { ClusterLister } from './cluster-cache.ts';
import { listEndpointSlices, type SliceList } from './desired-service.ts';
import { readFromClient, type FromClient } from './from-client.ts';
import type { KeptNode, KeptService, KeptSlice } from './kept-objects.ts';
import type { ClusterObserver } from './observe-cluster.ts';
import { desiredServiceOf, selectNodes, type TracedNode } from './observe.ts';
import type { DnsServers } from './probe-requests.ts';
import type { TraceRequest } from './trace-request.ts';

/** Where it is read from. */
export interface ApiReaders {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly observer: ClusterObserver;
  readonly holders: AddressHolders;
  /** The nodes of the cluster, which traces share for a short time. */
  readonly listNodes: (lister?: ClusterLister) => Promise<readonly KeptNode[]>;
}

export interface TraceStart {
  readonly service: KeptService;
  readonly slices: readonly KeptSlice[];
  /** The list that the slices are from. */
  readonly sliceList: SliceList;
  /** Whose the external addresses of the Service are. */
  readonly holders: Awaited<ReturnType<AddressHolders['classify']>>;
  readonly desired: DesiredService;
  /** Of the whole cluster. */
  readonly nodeList: readonly KeptNode[];
  /** That the trace asks. */
  readonly nodes: readonly TracedNode[];
  /** Names of spec.nodes that no node has. */
  readonly unknownNodes: readonly string[];
  /** Zone by node name, of the whole cluster. */
  readonly nodeZones: Readonly<Record<string, string>>;
  readonly client: FromClient;
  /** Undefined where DNS is not asked. */
  readonly dns: DnsServers | undefined;
}

/**
 * @param lister absent: all is read
 * @throws ApiException
 */
export async function readTraceStart(
  { core, discovery, observer, holders, listNodes }: ApiReaders,
  { namespace, spec }: TraceRequest,
  service: KeptService,
  lister?: ClusterLister,
): Promise<TraceStart> {
  const [sliceList, nodeList, dns] = await Promise.all([
    lister?.endpointSlices(namespace, spec.serviceRef.name) ??
      listEndpointSlices(discovery, namespace, spec.serviceRef.name),
    listNodes(lister),
    spec.collect?.dns === false ? undefined : clusterDns(observer, lister),
  ]);
  const slices = sliceList.items;
  const whose = await holders.classify(desiredServiceOf(service, slices), nodeList, lister);
  const { nodes, unknown } = selectNodes(nodeList, spec.nodes);
  const allNodes = selectNodes(nodeList, undefined).nodes;
  return {
    service,
    slices,
    sliceList,
    holders: whose,
    desired: { ...desiredServiceOf(service, slices), externalAddresses: whose.addresses },
    nodeList,
    nodes,
    unknownNodes: unknown,
    nodeZones: Object.fromEntries(
      allNodes.flatMap((node) => (node.zone === undefined ? [] : [[node.name, node.zone] as const])),
    ),
    client: await readFromClient(core, namespace, spec.from, nodes, allNodes),
    dns,
  };
}

/** Of each chosen node, what is shown until it answers. */
export function firstAnswers({ nodes, unknownNodes }: TraceStart): Map<string, NodeAnswer> {
  return new Map([
    ...unknownNodes.map((node): [string, NodeAnswer] => [
      node,
      {
        node,
        state: 'Failed',
        reason: 'NoSuchNode',
        message: 'the cluster has no node of this name; kubectl get nodes lists them',
      },
    ]),
    ...nodes.map(({ name }): [string, NodeAnswer] => [
      name,
      { node: name, state: 'Waiting', reason: 'Asking', message: 'its probe is being asked' },
    ]),
  ]);
}

/** Undefined where there is none, or it may not be read: then DNS is not asked. Without its EndpointSlices, only the Service is. */
async function clusterDns(
  observer: ClusterObserver,
  lister: ClusterLister | undefined,
): Promise<DnsServers | undefined> {
  const dns = await unlessForbidden(observer.dns(lister));
  if (dns !== undefined) return dns ?? undefined;
  const service = await unlessForbidden(observer.dnsService(lister));
  return service === undefined || service === null
    ? undefined
    : { clusterIPs: (service.spec?.clusterIPs ?? []).filter((address) => address !== 'None') };
}
