/** The modes of kube-proxy, and what its iptables commands write with. */
export type ProxyMode = 'iptables' | 'nftables' | 'ipvs' | 'unknown';

export type IptablesBackend = 'nf_tables' | 'legacy';

/** The body of /proxyMode; undefined for a mode that this version does not know (kernelspace, userspace). */
export function parseProxyMode(body: string | undefined): ProxyMode | undefined {
  const mode = body?.trim();
  return mode === 'iptables' || mode === 'nftables' || mode === 'ipvs' ? mode : undefined;
}
