/** The modes of kube-proxy, and what its iptables commands write with. */
export type ProxyMode = 'iptables' | 'nftables' | 'ipvs' | 'unknown';

export type IptablesBackend = 'nf_tables' | 'legacy';
