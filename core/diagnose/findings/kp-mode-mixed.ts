import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { kubectl, type Action } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { configMapName, kubeProxyConfigMap } from '../checks/kube-proxy-config-of.ts';

export const kpModeMixed: FindingKind = {
  id: 'KP-MODE-MIXED',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    "A node's kube-proxy runs in another mode than kube-proxy's ConfigMap in kube-system says: it was not restarted since that was changed, or it fell back.",
  notReported: 'Nodes of different modes where there is no such ConfigMap, or it leaves the mode to the version.',
  source: 'kubernetes/kubernetes#109811; cmd/kube-proxy/app/server_linux.go',
  find: ({ nodes, cluster }) => {
    const config = kubeProxyConfigMap(cluster);
    const wanted = config?.mode;
    if (wanted === undefined) return [];
    return nodes.flatMap(({ node, read }) => {
      const mode = read?.kubeProxy?.proxyMode;
      if (mode === undefined || mode === wanted) return [];
      return [
        onNode(node, {
          message: `kube-proxy on ${node} runs in mode ${mode}; the ConfigMap kube-system/${configMapName(cluster)} says ${wanted}.`,
          evidence: [`127.0.0.1:10249/proxyMode: ${mode}`, `configmap/${configMapName(cluster)}: mode ${wanted}`],
          ...restartAll(node, cluster),
        }),
      ];
    });
  },
};

/** A DaemonSet is restarted as a whole: its pods read one ConfigMap. */
function restartAll(node: string, cluster: ClusterFacts | undefined): Action {
  const owner = cluster?.kubeProxy?.pods.find((pod) => pod.node === node)?.owner;
  if (owner?.kind !== 'DaemonSet') return restartKubeProxy(node, cluster);
  return {
    advice: 'Once restarted, kube-proxy reads its configuration again.',
    commands: [kubectl('-n', 'kube-system', 'rollout', 'restart', `daemonset/${owner.name}`)],
  };
}
