/** The configuration of a node's kube-proxy, and where it stands. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { KubeProxyConfigError, parseKubeProxyConfigMap, type KubeProxyConfig } from '../../kube-proxy/config.ts';
import { oncePer } from '../../lib/once-per.ts';

export interface ConfigOfNode {
  readonly config: KubeProxyConfig;
  /** configz: what that kube-proxy runs with. ConfigMap: what a kube-proxy of the cluster reads when it starts. */
  readonly source: 'configz' | 'ConfigMap';
  readonly configMap: string;
}

/** What kube-proxy itself says comes first; undefined where neither is known. */
export function kubeProxyConfigOf(node: NodeFacts, cluster: ClusterFacts | undefined): ConfigOfNode | undefined {
  const config = node.read?.kubeProxy?.config;
  const configMap = configMapName(cluster);
  if (config !== undefined) return { config, source: 'configz', configMap };
  const ofCluster = kubeProxyConfigMap(cluster);
  return ofCluster === undefined ? undefined : { config: ofCluster, source: 'ConfigMap', configMap };
}

/** kube-proxy's ConfigMap; undefined where there is none, or it is not understood. */
export function kubeProxyConfigMap(cluster: ClusterFacts | undefined): KubeProxyConfig | undefined {
  const data = cluster?.kubeProxy?.config;
  return data === undefined ? undefined : parse(data);
}

const parse = oncePer((data: Readonly<Record<string, string>>): KubeProxyConfig | undefined => {
  try {
    return parseKubeProxyConfigMap(data);
  } catch (error) {
    if (error instanceof KubeProxyConfigError) return undefined;
    throw error;
  }
});

/** Where it stands, for the evidence of a finding. */
export function sourceText({ source, configMap }: ConfigOfNode): string {
  return source === 'configz' ? '127.0.0.1:10249/configz' : `ConfigMap kube-system/${configMap}`;
}

/** Its name in kube-system. */
export function configMapName(cluster: ClusterFacts | undefined): string {
  return cluster?.kubeProxy?.configMap ?? 'kube-proxy';
}
