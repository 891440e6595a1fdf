/** What kube-proxy's chains and sets are for, as relative clauses behind their names. */
import { chainKind, type ChainKind } from '../kube-proxy/chain-kinds.ts';

/**
 * The clause for a chain of kube-proxy's; undefined for any other chain.
 * @param portOf the ServicePort whose chain it is, `default/auth-service:http`; undefined where it is another Service's
 * @param targetOf where the chain of one endpoint sends packets to
 */
export function chainPurpose(
  name: string,
  portOf: (chain: string) => string | undefined,
  targetOf: (chain: string) => string | undefined,
): string | undefined {
  const common = chains.get(name);
  if (common !== undefined) return common;
  const kind = chainKind(name);
  if (kind === undefined) return undefined;
  if (kind === 'endpoint') {
    const target = targetOf(name);
    return target === undefined ? 'which is the chain of one endpoint' : `which is the endpoint ${target}`;
  }
  const port = portOf(name);
  const of = port === undefined ? '' : ` of ${port}`;
  return clauses[kind](of);
}

/** @param of ` of default/auth-service:http`, or nothing */
const clauses: Readonly<Record<Exclude<ChainKind, 'endpoint'>, (of: string) => string>> = {
  cluster: (of) => `which chooses an endpoint${of}`,
  local: (of) => `which chooses an endpoint${of} on this node`,
  external: (of) => `which is for external traffic${of}`,
  firewall: (of) => `which lets in what the source ranges${of} allow`,
};

/** Sources: pkg/proxy/{iptables,ipvs,nftables}/proxier.go, 1.37. */
const chains: ReadonlyMap<string, string> = new Map([
  ['KUBE-SERVICES', 'which dispatches by destination address and port'],
  ['KUBE-NODEPORTS', 'which dispatches by node port'],
  ['KUBE-EXTERNAL-SERVICES', 'which refuses external addresses of Services without endpoints'],
  ['KUBE-MARK-MASQ', 'which marks them for masquerading'],
  ['KUBE-MARK-DROP', 'which marks them to be dropped'],
  ['KUBE-POSTROUTING', 'which masquerades what was marked'],
  ['KUBE-PROXY-FIREWALL', 'which drops what source ranges do not allow'],
  ['KUBE-FORWARD', 'which lets forwarded packets of Services pass'],
  ['KUBE-FIREWALL', "which drops what comes from elsewhere to this node's loopback addresses"],
  ['KUBE-LOAD-BALANCER', 'which is for load balancer addresses'],
  ['KUBE-NODE-PORT', 'which is for node ports'],
  ['KUBE-IPVS-FILTER', 'which refuses ports that no Service has'],
  ['KUBE-IPVS-OUT-FILTER', 'which refuses ports that no Service has'],
  ['KUBE-SOURCE-RANGES-FIREWALL', 'which drops what source ranges do not allow'],
  ['services', 'which dispatches by destination address and port'],
  ['nat-prerouting', 'where connections of pods and of other machines enter'],
  ['nat-output', 'where connections of this node itself enter'],
  ['nat-postrouting', 'which is evaluated before packets leave'],
  ['masquerading', 'which masquerades what was marked'],
  ['mark-for-masquerade', 'which marks them for masquerading'],
  ['reject-chain', 'which refuses them'],
  ['firewall-check', 'which looks for source ranges'],
  ['firewall-allow-check', 'which drops what source ranges do not allow'],
  ['service-endpoints-check', 'which looks for Services without endpoints'],
  ['nodeport-endpoints-check', 'which looks for node ports without endpoints'],
  ['endpoints-check', 'which looks for Services without endpoints'],
  ['external-endpoints-check', 'which looks for external addresses without endpoints'],
  ['cluster-ips-check', 'which refuses ports and addresses that no Service has'],
  ['forward', 'which drops what conntrack calls invalid'],
]);

/** What an element in one of kube-proxy's sets means, behind the set's name. */
export function setPurpose(name: string): string | undefined {
  const own = name.replace(/^KUBE-6-/, 'KUBE-');
  const found = sets.get(name) ?? sets.get(own);
  if (found !== undefined) return found;
  if (name.startsWith('affinity-')) return 'clients that were sent to this endpoint lately';
  return undefined;
}

/** Sources: pkg/proxy/ipvs/ipset.go and pkg/proxy/nftables/proxier.go, 1.37. */
const sets: ReadonlyMap<string, string> = new Map([
  ['service-ips', 'cluster IPs, external IPs and load balancer IPs'],
  ['service-nodeports', 'node ports'],
  ['no-endpoint-services', 'Services without endpoints'],
  ['no-endpoint-nodeports', 'node ports without endpoints'],
  ['firewall-ips', 'load balancer IPs with source ranges'],
  ['firewall', 'load balancer IPs with source ranges'],
  ['firewall-allow', 'sources that may come in'],
  ['cluster-ips', 'cluster IPs'],
  ['nodeport-ips', 'addresses on which node ports are served'],
  ['hairpin-connections', 'endpoints that reach themselves'],
  ['KUBE-LOOP-BACK', 'endpoints that reach themselves'],
  ['KUBE-CLUSTER-IP', 'cluster IPs'],
  ['KUBE-EXTERNAL-IP', 'external IPs'],
  ['KUBE-EXTERNAL-IP-LOCAL', 'external IPs with the policy Local'],
  ['KUBE-LOAD-BALANCER', 'load balancer IPs'],
  ['KUBE-LOAD-BALANCER-LOCAL', 'load balancer IPs with the policy Local'],
  ['KUBE-LOAD-BALANCER-FW', 'load balancer IPs with source ranges'],
  ['KUBE-LOAD-BALANCER-SOURCE-IP', 'sources that may come in'],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'sources that may come in'],
  ['KUBE-NODE-PORT-TCP', 'node ports of TCP'],
  ['KUBE-NODE-PORT-LOCAL-TCP', 'node ports of TCP with the policy Local'],
  ['KUBE-NODE-PORT-UDP', 'node ports of UDP'],
  ['KUBE-NODE-PORT-LOCAL-UDP', 'node ports of UDP with the policy Local'],
  ['KUBE-NODE-PORT-SCTP-HASH', 'node ports of SCTP'],
  ['KUBE-NODE-PORT-LOCAL-SCTP-HASH', 'node ports of SCTP with the policy Local'],
  ['KUBE-HEALTH-CHECK-NODE-PORT', 'health check node ports'],
  ['KUBE-IPVS-IPS', 'addresses of IPVS'],
]);
