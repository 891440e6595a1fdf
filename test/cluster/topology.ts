/** How a node's kube-proxy writes Services into the kernel. */
export type ProxyMode = 'iptables' | 'nftables';

/** Which tables a node's `iptables` works on; null where kube-proxy does not use iptables. */
export type IptablesBackend = 'nf_tables' | 'legacy' | null;

/** What a node is meant to be, before it runs. */
export interface NodePlan {
  readonly name: string;
  readonly ip: string;
  readonly ipv6: string;
  readonly zone: string;
  /** One IPv4 range and one IPv6 range for its pods. */
  readonly podCIDRs: readonly [string, string];
  readonly proxyMode: ProxyMode;
  readonly backend: IptablesBackend;
}

/** The addresses of the cluster; all are in network namespaces of its own, so clusters may share them. */
export const network = {
  controlPlaneIp: '172.30.0.1',
  controlPlaneIpv6: 'fd00:172:30::1',
  nodePrefixLength: 24,
  nodePrefixLengthIpv6: 64,
  clusterCIDRs: ['10.244.0.0/16', 'fd00:10:244::/48'],
  serviceCIDRs: ['10.96.0.0/16', 'fd00:10:96::/112'],
  /** The `kubernetes` Service: the first address of the range. */
  kubernetesServiceIp: '10.96.0.1',
  dnsServiceIp: '10.96.0.10',
  clusterDomain: 'cluster.local',
  apiServerPort: 6443,
} as const;

function planNode(number: number, name: string, proxyMode: ProxyMode, backend: IptablesBackend): NodePlan {
  return {
    name,
    ip: `172.30.0.${String(10 + number)}`,
    ipv6: `fd00:172:30::${String(10 + number)}`,
    zone: `zone-${name.slice(-1)}`,
    podCIDRs: [`10.244.${String(number)}.0/24`, `fd00:10:244:${String(number)}::/64`],
    proxyMode,
    backend,
  };
}

/** Three nodes, one for each mode in which kube-proxy writes rules. */
export const nodePlans: readonly NodePlan[] = [
  planNode(1, 'node-a', 'iptables', 'nf_tables'),
  planNode(2, 'node-b', 'nftables', null),
  planNode(3, 'node-c', 'iptables', 'legacy'),
];

/** Users that prove themselves with a token; all but admin may do nothing until a test lets them. */
export const users = [
  { name: 'admin', groups: ['system:masters'] },
  { name: 'developer', groups: ['developers'] },
  { name: 'viewer', groups: ['viewers'] },
  { name: 'nobody', groups: [] },
] as const satisfies readonly { name: string; groups: readonly string[] }[];

/** A user that the cluster knows. */
export type UserName = (typeof users)[number]['name'];
