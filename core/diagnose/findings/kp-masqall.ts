import type { FindingKind } from '../checks/finding.ts';
import { kubeProxyConfigOf, sourceText } from '../checks/kube-proxy-config-of.ts';
import { onNodesAlike } from '../checks/on-nodes-alike.ts';

export const kpMasqAll: FindingKind = {
  id: 'KP-MASQALL',
  topic: 'kube-proxy',
  severity: 'info',
  isLasting: true,
  condition: "kube-proxy's masqueradeAll is on: pods see every client of a ClusterIP under the node's address.",
  source: 'pkg/proxy/apis/config/types.go masqueradeAll',
  find: ({ nodes, cluster }) =>
    onNodesAlike(
      nodes.flatMap((node) => {
        const own = kubeProxyConfigOf(node, cluster);
        return own?.config.masqueradeAll === true
          ? [{ node: node.node, reason: 'masqueradeAll', evidence: [`masqueradeAll: true, by ${sourceText(own)}`] }]
          : [];
      }),
      (who) => ({
        message: `kube-proxy of ${who} masquerades all clients: the pods of the Service do not see who asks, and NetworkPolicies by pod do not hold for its ClusterIP.`,
        advice: "Set masqueradeAll to false in kube-proxy's configuration, where the pod network allows it.",
      }),
    ),
};
