/** How kube-proxy is configured, where the cluster's ConfigMap tells. */
import type { ClusterFacts } from '../cluster-facts.ts';
import { KubeProxyConfigError, parseKubeProxyConfigMap, type KubeProxyConfig } from '../parse/kube-proxy-config.ts';

/** Undefined where there is no such ConfigMap, it was not read, or it is none of kube-proxy's. */
export function kubeProxyConfigOf(cluster: ClusterFacts | undefined): KubeProxyConfig | undefined {
  const data = cluster?.kubeProxy?.config;
  if (data === undefined) return undefined;
  if (!configs.has(data)) configs.set(data, parsed(data));
  return configs.get(data);
}

/** Every finding asks for the same. */
const configs = new WeakMap<object, KubeProxyConfig | undefined>();

function parsed(data: Readonly<Record<string, string>>): KubeProxyConfig | undefined {
  try {
    return parseKubeProxyConfigMap(data);
  } catch (error) {
    if (error instanceof KubeProxyConfigError) return undefined;
    throw error;
  }
}
