/**
 * Rulesets as kube-proxy 1.37 writes them for a cluster of any size, for the benchmarks. Every Service is
 * `default/service-N`, type ClusterIP, one port `http` 80/TCP, of which each hundredth is a NodePort as well. The text
 * comes in pieces, so that 30,000 Services need not be one string.
 */
import {
  iptablesChainNames,
  iptablesEndpointChainName,
  nftablesChainNames,
  type ServicePortId,
} from '../core/kube-proxy/chain-names.ts';

export interface RulesetSize {
  readonly services: number;
  readonly endpoints: number;
}

/** One Service of the ruleset, by its number. */
export interface GeneratedService {
  readonly port: ServicePortId & { readonly portName: string };
  /** `namespace/name:port`, as kube-proxy's comments say it. */
  readonly id: string;
  readonly clusterIP: string;
  readonly nodePort: number | undefined;
  /** `address:port` of each endpoint. */
  readonly endpoints: readonly string[];
}

const podNetwork = '10.244.0.0/14';
/** The node's own address, on which NodePorts are served. */
export const nodeAddress = '172.30.0.12';

export function generatedService(index: number, endpoints: number): GeneratedService {
  const port = { namespace: 'default', name: `service-${String(index)}`, portName: 'http', protocol: 'TCP' as const };
  return {
    port,
    id: `${port.namespace}/${port.name}:${port.portName}`,
    clusterIP: `10.${String(96 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}`,
    nodePort: index % 100 === 0 ? 30000 + index / 100 : undefined,
    endpoints: Array.from({ length: endpoints }, (_, each) => {
      const pod = index * endpoints + each + 1;
      return `10.${String(244 + (pod >> 16))}.${String((pod >> 8) & 255)}.${String(pod & 255)}:8080`;
    }),
  };
}

/** Tables nat and filter for iptables-restore (-c reads the counters too); source: pkg/proxy/iptables/proxier.go syncProxyRules, 1.37. */
export function* iptablesRuleset({ services, endpoints }: RulesetSize): Generator<string> {
  yield `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
[0:0] -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
[0:0] -A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
[0:0] -A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
[0:0] -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
[0:0] -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
[0:0] -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
[0:0] -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
[0:0] -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
[0:0] -A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
[0:0] -A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
`;
  for (let index = 0; index < services; index += 1) yield iptablesDeclarations(generatedService(index, endpoints));
  yield `[0:0] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
[0:0] -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
[0:0] -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
[0:0] -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
[0:0] -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
`;
  for (let index = 0; index < services; index += 1) yield iptablesRules(generatedService(index, endpoints));
  yield `[0:0] -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
COMMIT
`;
}

function iptablesDeclarations({ port, nodePort, endpoints }: GeneratedService): string {
  const names = iptablesChainNames(port);
  return [
    names.cluster,
    ...(nodePort === undefined ? [] : [names.external]),
    ...endpoints.map((endpoint) => iptablesEndpointChainName(port, endpoint)),
  ]
    .map((chain) => `:${chain} - [0:0]\n`)
    .join('');
}

function iptablesRules({ port, id, clusterIP, nodePort, endpoints }: GeneratedService): string {
  const { cluster, external } = iptablesChainNames(port);
  const rules = [
    `KUBE-SERVICES -d ${clusterIP}/32 -p tcp -m comment --comment "${id} cluster IP" -m tcp --dport 80 -j ${cluster}`,
    ...(nodePort === undefined
      ? []
      : [
          `KUBE-NODEPORTS -p tcp -m comment --comment "${id}" -m tcp --dport ${String(nodePort)} -j ${external}`,
          `${external} -m comment --comment "masquerade traffic for ${id} external destinations" -j KUBE-MARK-MASQ`,
          `${external} -j ${cluster}`,
        ]),
    `${cluster} ! -s ${podNetwork} -d ${clusterIP}/32 -p tcp -m comment --comment "${id} cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
    ...endpoints.flatMap((endpoint, each) => {
      const chain = iptablesEndpointChainName(port, endpoint);
      const left = endpoints.length - each;
      const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
      return [
        `${cluster} -m comment --comment "${id} -> ${endpoint}"${chance} -j ${chain}`,
        `${chain} -s ${endpoint.split(':')[0] ?? ''}/32 -m comment --comment "${id}" -j KUBE-MARK-MASQ`,
        `${chain} -p tcp -m comment --comment "${id}" -m tcp -j DNAT --to-destination ${endpoint}`,
      ];
    }),
  ];
  return rules.map((rule) => `[0:0] -A ${rule}\n`).join('');
}

/** Table ip kube-proxy for `nft -f`; source: pkg/proxy/nftables/proxier.go, 1.37, and test/fixtures/rulesets/nftables.txt. */
export function* nftablesRuleset({ services, endpoints }: RulesetSize): Generator<string> {
  yield `add table ip kube-proxy { comment "rules for kube-proxy" ; }
add set ip kube-proxy hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service ; comment "service hairpin connections" ; }
add set ip kube-proxy cluster-ips { type ipv4_addr ; comment "Active ClusterIPs" ; }
add set ip kube-proxy nodeport-ips { type ipv4_addr ; comment "IPs that accept NodePort traffic" ; }
add element ip kube-proxy nodeport-ips { ${nodeAddress} }
add map ip kube-proxy no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; comment "vmap to drop or reject packets to services with no endpoints" ; }
add map ip kube-proxy no-endpoint-nodeports { type inet_proto . inet_service : verdict ; comment "vmap to drop or reject packets to service nodeports with no endpoints" ; }
add map ip kube-proxy firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "destinations that are subject to LoadBalancerSourceRanges" ; }
add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "ClusterIP, ExternalIP and LoadBalancer IP traffic" ; }
add map ip kube-proxy service-nodeports { type inet_proto . inet_service : verdict ; comment "NodePort traffic" ; }
add chain ip kube-proxy filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }
add chain ip kube-proxy filter-output-pre-dnat { type filter hook output priority -110 ; }
add chain ip kube-proxy filter-input { type filter hook input priority 0 ; }
add chain ip kube-proxy filter-forward { type filter hook forward priority 0 ; }
add chain ip kube-proxy filter-output { type filter hook output priority 0 ; }
add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }
add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }
add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }
${['nodeport-endpoints-check', 'service-endpoints-check', 'firewall-check', 'services', 'masquerading', 'cluster-ips-check', 'reject-chain'].map((chain) => `add chain ip kube-proxy ${chain}`).join('\n')}
add rule ip kube-proxy filter-prerouting-pre-dnat ct state new jump firewall-check
add rule ip kube-proxy filter-output-pre-dnat ct state new jump firewall-check
add rule ip kube-proxy filter-input ct state new jump nodeport-endpoints-check
add rule ip kube-proxy filter-input ct state new jump service-endpoints-check
add rule ip kube-proxy filter-forward ct state new jump service-endpoints-check
add rule ip kube-proxy filter-forward ct state new jump cluster-ips-check
add rule ip kube-proxy filter-output ct state new jump service-endpoints-check
add rule ip kube-proxy filter-output ct state new jump cluster-ips-check
add rule ip kube-proxy nat-prerouting jump services
add rule ip kube-proxy nat-output jump services
add rule ip kube-proxy nat-postrouting jump masquerading
add rule ip kube-proxy nodeport-endpoints-check ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
add rule ip kube-proxy service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services
add rule ip kube-proxy firewall-check ip daddr . meta l4proto . th dport vmap @firewall-ips
add rule ip kube-proxy services ip daddr @cluster-ips ip saddr != ${podNetwork} meta mark set meta mark or 0x4000 comment "masquerade clusterIP traffic from outside cluster"
add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips
add rule ip kube-proxy services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
add rule ip kube-proxy masquerading mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade fully-random
add rule ip kube-proxy masquerading ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
add rule ip kube-proxy cluster-ips-check ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
add rule ip kube-proxy cluster-ips-check ip daddr 10.96.0.0/15 drop comment "Drop traffic to unallocated ClusterIPs"
add rule ip kube-proxy reject-chain reject
`;
  for (let index = 0; index < services; index += 1) yield nftRules(generatedService(index, endpoints));
  const perLine = 500;
  for (let from = 0; from < services; from += perLine) {
    const group = Array.from({ length: Math.min(perLine, services - from) }, (_, each) =>
      generatedService(from + each, endpoints),
    );
    const add = (name: string, elements: readonly string[]): string =>
      elements.length === 0 ? '' : `add element ip kube-proxy ${name} { ${elements.join(', ')} }\n`;
    yield (
      add(
        'cluster-ips',
        group.map(({ clusterIP }) => clusterIP),
      ) +
      add(
        'service-ips',
        group.map(({ clusterIP, port }) => `${clusterIP} . tcp . 80 : goto ${nftablesChainNames(port).cluster}`),
      ) +
      add(
        'service-nodeports',
        group.flatMap(({ nodePort, port }) =>
          nodePort === undefined ? [] : [`tcp . ${String(nodePort)} : goto ${nftablesChainNames(port).external}`],
        ),
      ) +
      // Only endpoints on the node itself can talk to themselves through it: one in a hundred, as on a node of 100.
      add(
        'hairpin-connections',
        group.flatMap((service, each) => ((from + each) % 100 === 0 ? service.endpoints.slice(0, 1).map(hairpin) : [])),
      )
    );
  }
}

function nftRules({ port, nodePort, endpoints }: GeneratedService): string {
  const { cluster, external } = nftablesChainNames(port);
  const choices = endpoints.map((endpoint, each) => `${String(each)} : ${endpoint.replace(':', ' . ')}`).join(', ');
  const target =
    endpoints.length === 1
      ? `to ${endpoints[0] ?? ''}`
      : `ip to numgen random mod ${String(endpoints.length)} map { ${choices} }`;
  return (
    [
      `add chain ip kube-proxy ${cluster}`,
      `add rule ip kube-proxy ${cluster} meta l4proto tcp dnat ${target}`,
      ...(nodePort === undefined
        ? []
        : [
            `add chain ip kube-proxy ${external}`,
            `add rule ip kube-proxy ${external} mark set mark or 0x4000 comment "masquerade"`,
            `add rule ip kube-proxy ${external} goto ${cluster}`,
          ]),
    ].join('\n') + '\n'
  );
}

function hairpin(endpoint: string): string {
  const [address = '', port = ''] = endpoint.split(':');
  return `${address} . ${address} . tcp . ${port}`;
}
