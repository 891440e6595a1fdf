/** What kube-proxy's chains are for, by their names: pkg/proxy/{iptables,nftables}/proxier.go, 1.37. */

/** What a chain of one Service is for. */
export type ChainKind =
  /** All endpoints: KUBE-SVC, service-. */
  | 'cluster'
  /** The node's own endpoints: KUBE-SVL, local-. */
  | 'local'
  /** Traffic to external addresses: KUBE-EXT, in versions before 1.24 KUBE-XLB; external-. */
  | 'external'
  /** loadBalancerSourceRanges: KUBE-FW, firewall-. */
  | 'firewall'
  /** One endpoint: KUBE-SEP, endpoint-. */
  | 'endpoint';

const iptablesPrefixes: readonly (readonly [string, ChainKind])[] = [
  // The most of them, by far.
  ['KUBE-SEP-', 'endpoint'],
  ['KUBE-SVC-', 'cluster'],
  ['KUBE-SVL-', 'local'],
  ['KUBE-EXT-', 'external'],
  ['KUBE-XLB-', 'external'],
  ['KUBE-FW-', 'firewall'],
];

const nftPrefixes: ReadonlyMap<string | undefined, ChainKind> = new Map([
  ['service', 'cluster'],
  ['local', 'local'],
  ['external', 'external'],
  ['firewall', 'firewall'],
  ['endpoint', 'endpoint'],
]);

/** Undefined for a chain that is not one Service's. */
export function iptablesChainKind(name: string): ChainKind | undefined {
  for (const [begin, kind] of iptablesPrefixes) if (name.startsWith(begin)) return kind;
  return undefined;
}

/** The same of the nftables mode, where the hash behind the prefix distinguishes a Service's chain from `firewall-check`. */
export function nftChainKind(name: string): ChainKind | undefined {
  return nftPrefixes.get(/^([a-z]+)-[A-Z2-7]{8}-/.exec(name)?.[1]);
}

export function chainKind(name: string): ChainKind | undefined {
  return iptablesChainKind(name) ?? nftChainKind(name);
}

/** Chains that do nothing but mark a packet, in both modes. */
export const markChains: ReadonlySet<string> = new Set(['KUBE-MARK-MASQ', 'mark-for-masquerade']);

/** Where marked packets are masqueraded, in both modes. */
export const masqueradeChains: ReadonlySet<string> = new Set(['KUBE-POSTROUTING', 'masquerading']);

/** The chains of the iptables modes that dispatch by destination address and port. */
export const iptablesDispatchChains: ReadonlySet<string> = new Set([
  'KUBE-SERVICES',
  'KUBE-NODEPORTS',
  'KUBE-EXTERNAL-SERVICES',
  'KUBE-PROXY-FIREWALL',
]);

/** Whether packets from outside of a Service's source ranges are dropped there. */
export function isFirewallChain(name: string): boolean {
  return name === 'KUBE-PROXY-FIREWALL' || name.startsWith('firewall-');
}
