/** Advice that several findings share: commands to run. */

/** Shows the log of the kube-proxy of one node (kubectl logs itself cannot choose by node). */
export function kubeProxyLogs(node: string): string {
  return `kubectl -n kube-system logs $(kubectl -n kube-system get pods -l k8s-app=kube-proxy --field-selector spec.nodeName=${node} -o name)`;
}

/** How to look at, and then renew, what kube-proxy wrote on a node. */
export function restartKubeProxy(node: string): string {
  return `${kubeProxyLogs(node)} shows why kube-proxy did not write it; restarting it on ${node} writes all rules anew`;
}
