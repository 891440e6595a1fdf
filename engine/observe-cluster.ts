/** Reads what the API server reports around a Service: pods, legacy Endpoints, policies, nodes, DNS and kube-proxy. */
import type { CoreV1Api, V1Endpoints, V1NetworkPolicy } from '@kubernetes/client-node';
import type { ApiPart, ClientFacts, ClusterFacts, UnreadFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { messageOf, statusCodeOf, unlessAbsent } from './api-error.ts';
import type { ClusterLister } from './cluster-cache.ts';
import { byName } from './fact-values.ts';
import type { KeptNode, KeptPod, KeptService, KeptSlice } from './kept-objects.ts';
import { configMapNames } from './kube-proxy-config-maps.ts';
import { kubeProxyFacts, type KubeProxyConfigMap } from './kube-proxy-facts.ts';
import { endpointsFacts, nodeFacts, serviceFacts, sliceFacts } from './object-facts.ts';
import { dnsConfigOf } from './pod-facts.ts';
import { egressPolicies, policyFacts } from './policy-facts.ts';
import { readServicePods, type ServicePods } from './service-pods.ts';
import { sharedReads, watchedReads, type ClusterApis, type SharedReads } from './shared-reads.ts';

export interface ObserveRequest {
  readonly service: KeptService;
  /** As they were read for this trace. */
  readonly slices: readonly KeptSlice[];
  /** Of the whole cluster. */
  readonly nodes: readonly KeptNode[];
  /** The pod of spec.from. */
  readonly client?: KeptPod;
  /** Absent: all is read. */
  readonly lister?: ClusterLister;
}

export interface ClusterObserver {
  /** Rejects for nothing: what the caller may not read, or could not, is in `unread` with the reason. */
  observe(request: ObserveRequest): Promise<ClusterFacts>;
  /** The Service of the cluster's DNS; null where there is none. @throws ApiException */
  dnsService(lister?: ClusterLister): Promise<KeptService | null>;
  /** The same with its servers. @throws ApiException */
  dns(lister?: ClusterLister): Promise<ClusterFacts['dns'] | null>;
}

/** An observer of one API server: what traces share is read once for all of them. */
export function clusterObserver(apis: ClusterApis): ClusterObserver {
  const shared = sharedReads(apis);
  const readsBy = (lister: ClusterLister | undefined): SharedReads =>
    lister === undefined ? shared : watchedReads(shared, lister);
  return {
    dnsService: (lister) => readsBy(lister).dnsService(),
    dns: (lister) => readsBy(lister).dns(),
    observe: async (request) => {
      const parts = new ReadParts();
      return factsOf(request, await readAround(apis.core, readsBy(request.lister), request, parts), parts.unread);
    },
  };
}

/** Reads parts of the cluster, and keeps why some could not be read. */
class ReadParts {
  readonly unread: UnreadFacts[] = [];

  /** @returns undefined where it could not be read */
  async read<Value>(
    part: ApiPart,
    what: string,
    right: NonNullable<UnreadFacts['forbidden']>,
    reading: () => Promise<Value>,
  ): Promise<Value | undefined> {
    try {
      return await reading();
    } catch (error) {
      const forbidden = statusCodeOf(error) === 403 ? { forbidden: right } : {};
      this.unread.push({ part, what, reason: messageOf(error), ...forbidden });
      return undefined;
    }
  }
}

/** What is read around a Service; each undefined where it could not be read. */
interface Around {
  readonly pods: ServicePods | undefined;
  /** null where it is not there. */
  readonly endpoints: V1Endpoints | null | undefined;
  readonly policies: readonly V1NetworkPolicy[] | undefined;
  /** null where there is none. */
  readonly dns: ClusterFacts['dns'] | null;
  readonly proxyPods: readonly KeptPod[] | undefined;
  readonly proxyConfig: KubeProxyConfigMap | undefined;
}

async function readAround(
  core: CoreV1Api,
  shared: SharedReads,
  { service, slices }: ObserveRequest,
  parts: ReadParts,
): Promise<Around> {
  const namespace = service.metadata?.namespace ?? '';
  const name = service.metadata?.name ?? '';
  const [pods, endpoints, policies, dns, proxy] = await Promise.all([
    parts.read('pods', `pods of namespace ${namespace}`, { verb: 'get,list', resource: 'pods', namespace }, () =>
      readServicePods(core, service, slices, (...list) => shared.pods(...list)),
    ),
    parts.read(
      'endpoints',
      `endpoints/${name}`,
      { verb: 'get', resource: 'endpoints', namespace },
      async () => (await unlessAbsent(core.readNamespacedEndpoints({ namespace, name }))) ?? null,
    ),
    parts.read(
      'networkPolicies',
      `networkpolicies of namespace ${namespace}`,
      { verb: 'list', resource: 'networkpolicies.networking.k8s.io', namespace },
      () => shared.networkPolicies(namespace),
    ),
    parts.read(
      'clusterDns',
      'service/kube-dns of namespace kube-system',
      { verb: 'get,list', resource: 'services,endpointslices.discovery.k8s.io', namespace: 'kube-system' },
      () => shared.dns(),
    ),
    readKubeProxy(shared, parts),
  ]);
  return { pods, endpoints, policies, dns, ...proxy };
}

async function readKubeProxy(
  shared: SharedReads,
  parts: ReadParts,
): Promise<Pick<Around, 'proxyPods' | 'proxyConfig'>> {
  const namespace = 'kube-system';
  const proxyPods = await parts.read(
    'kubeProxyPods',
    `pods of kube-proxy in namespace ${namespace}`,
    { verb: 'list', resource: 'pods', namespace },
    () => shared.kubeProxyPods(),
  );
  const names = configMapNames(proxyPods ?? []);
  const proxyConfig = await parts.read(
    'kubeProxyConfig',
    `configmap/${names.join(',')} of namespace ${namespace}`,
    { verb: 'get', resource: 'configmaps', namespace, names },
    () => shared.kubeProxyConfigMap(names),
  );
  return { proxyPods, proxyConfig };
}

function factsOf(
  { service, slices, nodes, client }: ObserveRequest,
  { pods, endpoints, policies, dns, proxyPods, proxyConfig }: Around,
  unread: UnreadFacts[],
): ClusterFacts {
  return {
    ...present({
      service: serviceFacts(service),
      client: client === undefined ? undefined : clientFacts(client, policies),
      pods: pods?.facts,
      endpointSlices: slices.map(sliceFacts).sort(byName),
      endpoints: endpoints === null || endpoints === undefined ? endpoints : endpointsFacts(endpoints),
      networkPolicies:
        policies === undefined || pods === undefined
          ? undefined
          : policies.flatMap((policy) => policyFacts(policy, pods.selected)).sort(byName),
      nodes: nodes.map(nodeFacts).sort(byName),
      dns,
      kubeProxy: proxyPods === undefined ? undefined : kubeProxyFacts(proxyPods, proxyConfig),
    }),
    unread,
  };
}

function clientFacts(
  { metadata, spec, status }: KeptPod,
  policies: readonly V1NetworkPolicy[] | undefined,
): ClientFacts {
  const labels = metadata?.labels ?? {};
  return {
    ...present({
      node: spec?.nodeName,
      dnsPolicy: spec?.dnsPolicy,
      dnsConfig: dnsConfigOf(spec),
      egressPolicies: policies === undefined ? undefined : egressPolicies(labels, policies),
    }),
    pod: metadata?.name ?? '',
    labels,
    addresses: (status?.podIPs ?? []).map(({ ip }) => ip),
    hostNetwork: spec?.hostNetwork === true,
  };
}
