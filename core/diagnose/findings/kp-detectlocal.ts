import { addressNumber, parseNetwork } from '../../net/address.ts';
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { KubeProxyConfig } from '../../kube-proxy/config.ts';
import type { FindingKind } from '../checks/finding.ts';
import { onNodesAlike } from '../checks/on-nodes-alike.ts';
import { kubeProxyConfigOf, sourceText } from '../checks/kube-proxy-config-of.ts';

export const kpDetectLocal: FindingKind = {
  id: 'KP-DETECTLOCAL',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    "kube-proxy recognizes pods' packets by a setting that does not fit the cluster: a clusterCIDR that does not hold a pod's address, a node without podCIDR, or a bridge or interface that the node does not have.",
  notReported: 'Pods of hostNetwork, whose addresses are those of nodes; an empty clusterCIDR (KP-DETECTLOCAL-NONE).',
  source: 'pkg/proxy/apis/config/types.go LocalMode; kubernetes/kubernetes#44916, #36652',
  find: ({ nodes, cluster }) =>
    onNodesAlike(
      nodes.flatMap((node) => {
        const own = kubeProxyConfigOf(node, cluster);
        const wrong = own === undefined ? undefined : misfit(own.config, node, cluster);
        return own === undefined || wrong === undefined
          ? []
          : [{ node: node.node, reason: wrong, evidence: [`${wrong}, by ${sourceText(own)}`] }];
      }),
      (who, reason) => ({
        message: `kube-proxy of ${who} cannot recognize which packets come from pods: ${reason}; it masquerades too much, or too little.`,
        advice:
          "Set detectLocalMode and clusterCIDR in kube-proxy's configuration to what the pod network uses, and restart it.",
      }),
    ),
};

function misfit(config: KubeProxyConfig, node: NodeFacts, cluster: ClusterFacts | undefined): string | undefined {
  const pods = (cluster?.pods ?? []).filter(({ hostNetwork, selected }) => selected && !hostNetwork);
  const names = (node.read?.interfaces?.interfaces ?? []).map(({ name }) => name);
  const isCut = node.read?.interfaces === undefined || node.read.interfaces.omitted > 0;
  switch (config.detectLocalMode ?? 'ClusterCIDR') {
    case 'ClusterCIDR': {
      if (config.clusterCIDRs.length === 0) return undefined;
      const networks = config.clusterCIDRs.flatMap((prefix) => parseNetwork(prefix) ?? []);
      const isOutside = (address: string): boolean => {
        const number = addressNumber(address);
        const own = networks.filter(({ bits }) => bits === number?.bits);
        return own.length > 0 && own.every(({ network, mask }) => ((number?.value ?? 0n) & mask) !== network);
      };
      for (const pod of pods) {
        const address = pod.addresses.find(isOutside);
        if (address !== undefined)
          return `clusterCIDR is ${config.clusterCIDRs.join(',')}, and pod ${pod.name} has ${address}`;
      }
      return undefined;
    }
    case 'NodeCIDR': {
      const own = cluster?.nodes?.find(({ name }) => name === node.node);
      return own !== undefined && own.podCIDRs.length === 0
        ? 'detectLocalMode is NodeCIDR, and the node has no podCIDR'
        : undefined;
    }
    case 'BridgeInterface': {
      const bridge = config.detectLocal.bridgeInterface;
      return bridge === undefined || isCut || names.includes(bridge)
        ? undefined
        : `detectLocal.bridgeInterface is ${bridge}, and the node has no such interface`;
    }
    case 'InterfaceNamePrefix': {
      const prefix = config.detectLocal.interfaceNamePrefix;
      const hasPods = pods.some((pod) => pod.node === node.node && pod.phase === 'Running');
      return prefix === undefined || isCut || !hasPods || names.some((name) => name.startsWith(prefix))
        ? undefined
        : `detectLocal.interfaceNamePrefix is ${prefix}, and the node, which runs pods, has no such interface`;
    }
    default:
      return undefined;
  }
}
