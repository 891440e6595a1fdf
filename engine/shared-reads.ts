/** What traces read of one API server at the same time: read once for all of them. */
import type {
  CoreV1Api,
  DiscoveryV1Api,
  NetworkingV1Api,
  V1NetworkPolicy,
  V1Pod,
  V1Service,
} from '@kubernetes/client-node';
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import { unlessAbsent } from './api-error.ts';
import { cachedByKey } from './cached.ts';
import { dnsService, readDns } from './dns-facts.ts';
import { listKubeProxyPods, readKubeProxyConfigMap, type KubeProxyConfigMap } from './kube-proxy-facts.ts';

export interface ClusterApis {
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;
  readonly networking: NetworkingV1Api;
}

/** Each rejects with an ApiException. */
export interface SharedReads {
  /** Of a namespace, those that the selector matches; all where it is empty. */
  pods(namespace: string, labelSelector: string): Promise<readonly V1Pod[]>;
  networkPolicies(namespace: string): Promise<readonly V1NetworkPolicy[]>;
  /** The Service of the cluster's DNS; null where there is none. */
  dnsService(): Promise<V1Service | null>;
  /** The same with its servers. */
  dns(): Promise<ClusterFacts['dns'] | null>;
  kubeProxyPods(): Promise<readonly V1Pod[]>;
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

async function listPods(core: CoreV1Api, namespace: string, labelSelector: string): Promise<readonly V1Pod[]> {
  return (await core.listNamespacedPod({ namespace, ...(labelSelector === '' ? {} : { labelSelector }) })).items;
}
