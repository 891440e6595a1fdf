/** kube-proxy's pods and its ConfigMap in namespace kube-system, by the names that distributions give them. */

/** kubeadm, EKS, Talos, kops; AKS, GKE, RKE2. */
export const kubeProxyLabels = ['k8s-app=kube-proxy', 'component=kube-proxy'] as const;

/** Of kubeadm (which holds its kubeconfig too) and of EKS: the names that the operator's role has (config/rbac/role.yaml). */
export const usualConfigMaps = ['kube-proxy', 'kube-proxy-config'] as const;
