/** What traces read of one API server at the same time: read once for all of them. */
import type { CoreV1Api, DiscoveryV1Api, NetworkingV1Api, V1NetworkPolicy } from '@kubernetes/client-node';
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import { unlessAbsent } from './api-error.ts';
import { cachedByKey } from './cached.ts';
import type { ClusterLister } from './cluster-cache.ts';
import { dnsFacts, dnsService, readDns } from './dns-facts.ts';
import type { KeptPod, KeptService } from './kept-objects.ts';
import { listKubeProxyPods, readKubeProxyConfigMap, type KubeProxyConfigMap } from './kube-proxy-facts.ts';

export interface ClusterApis {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly networking: NetworkingV1Api;
}

/** Each rejects with an ApiException. */
export interface SharedReads {
  /** Of a namespace, those that the selector matches; all where it is empty. */
  pods(namespace: string, labelSelector: string): Promise<readonly KeptPod[]>;
  networkPolicies(namespace: string): Promise<readonly V1NetworkPolicy[]>;
  /** The Service of the cluster's DNS; null where there is none. */
  dnsService(): Promise<KeptService | null>;
  /** The same with its servers. */
  dns(): Promise<ClusterFacts['dns'] | null>;
  kubeProxyPods(): Promise<readonly KeptPod[]>;
  /** The one of these ConfigMaps with kube-proxy's configuration; undefined where none is there. */
  kubeProxyConfigMap(names: readonly string[]): Promise<KubeProxyConfigMap | undefined>;
}

/** Traces of one Service that are collected at the same time share its pods. */
const podsFreshMilliseconds = 1000;
/** What all Services of a namespace, or of the cluster, share, and what changes seldom. */
const sharedFreshMilliseconds = 5000;

export function sharedReads({ core, discovery, networking }: ClusterApis): SharedReads {
  const pods = cachedByKey(podsFreshMilliseconds, (key) => {
    const [namespace = '', labelSelector = ''] = key.split(' ');
    return listPods(core, namespace, labelSelector);
  });
  const policies = cachedByKey(
    sharedFreshMilliseconds,
    async (namespace) => (await networking.listNamespacedNetworkPolicy({ namespace })).items,
  );
  const dnsServices = cachedByKey(
    sharedFreshMilliseconds,
    async () => (await unlessAbsent(core.readNamespacedService(dnsService))) ?? null,
  );
  // A server that ends is none any more at once, and is not to be asked.
  const dns = cachedByKey(podsFreshMilliseconds, async () => readDns(discovery, await dnsServices('')));
  const kubeProxyPods = cachedByKey(sharedFreshMilliseconds, () =>
    listKubeProxyPods((namespace, labels) => listPods(core, namespace, labels)),
  );
  /** By names, with commas between. */
  const kubeProxyConfigMaps = cachedByKey(sharedFreshMilliseconds, (names) =>
    readKubeProxyConfigMap(core, names.split(',')),
  );
  return {
    pods: (namespace, labelSelector) => pods(`${namespace} ${labelSelector}`),
    networkPolicies: (namespace) => policies(namespace),
    dnsService: () => dnsServices(''),
    dns: () => dns(''),
    kubeProxyPods: () => kubeProxyPods(''),
    kubeProxyConfigMap: (names) => kubeProxyConfigMaps(names.join(',')),
  };
}

/** The same from what is watched; what is not known for sure there is read. */
export function watchedReads(shared: SharedReads, lister: ClusterLister): SharedReads {
  const { namespace, name } = dnsService;
  const pods: SharedReads['pods'] = async (of, labelSelector) =>
    (labelSelector === '' ? undefined : lister.pods({ namespace: of, labelSelector })) ??
    shared.pods(of, labelSelector);
  return {
    ...shared,
    pods,
    kubeProxyPods: () => listKubeProxyPods(pods),
    dnsService: async () => lister.service(namespace, name) ?? shared.dnsService(),
    dns: async () => {
      const [service, slices] = [lister.service(namespace, name), lister.endpointSlices(namespace, name)];
      return service === undefined || slices === undefined ? shared.dns() : dnsFacts(service, slices.items);
    },
  };
}

async function listPods(core: CoreV1Api, namespace: string, labelSelector: string): Promise<readonly KeptPod[]> {
  return (await core.listNamespacedPod({ namespace, ...(labelSelector === '' ? {} : { labelSelector }) })).items;
}
