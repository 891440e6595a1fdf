/** Advice that several findings share. */

/** How to look at, and then renew, what kube-proxy wrote on a node. */
export function restartKubeProxy(node: string): string {
  return (
    `kubectl -n kube-system logs -l k8s-app=kube-proxy --field-selector spec.nodeName=${node} shows why kube-proxy did not write it; ` +
    'restarting kube-proxy on the node writes all rules anew'
  );
}
