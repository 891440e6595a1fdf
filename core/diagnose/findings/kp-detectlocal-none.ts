import type { FindingKind } from '../checks/finding.ts';
import { kubeProxyConfigOf, sourceText } from '../checks/kube-proxy-config-of.ts';
import { onNodesAlike } from '../checks/on-nodes-alike.ts';

export const kpDetectLocalNone: FindingKind = {
  id: 'KP-DETECTLOCAL-NONE',
  topic: 'kube-proxy',
  severity: 'info',
  isLasting: true,
  condition:
    "detectLocalMode is ClusterCIDR and clusterCIDR is empty: kube-proxy masquerades no packet for coming from outside of the pods' network.",
  notReported: 'Other ways to recognize pods; a clusterCIDR that is set.',
  source: 'cmd/kube-proxy/app/server_linux.go getLocalDetectors; kubernetes/kubernetes#44916, #36652',
  find: ({ nodes, cluster }) =>
    onNodesAlike(
      nodes.flatMap((node) => {
        const own = kubeProxyConfigOf(node, cluster);
        if (
          own === undefined ||
          (own.config.detectLocalMode ?? 'ClusterCIDR') !== 'ClusterCIDR' ||
          own.config.clusterCIDRs.length > 0
        )
          return [];
        return [
          {
            node: node.node,
            reason: 'clusterCIDR is empty',
            evidence: [`clusterCIDR is empty, by ${sourceText(own)}`],
          },
        ];
      }),
      (who) => ({
        message: `kube-proxy of ${who} knows no clusterCIDR: a client outside of the cluster that is routed to a ClusterIP gets its answer past this node, and drops it.`,
        advice:
          'Nothing is to be done where pods have addresses that the whole network routes (AWS VPC CNI). Otherwise set clusterCIDR.',
      }),
    ),
};
