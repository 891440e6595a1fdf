/** The data types of nftables' expressions, as `nft describe` names them: what a constant beside one of them means. */
import type { NftExpression } from './rule.ts';

/** One type for each part of a concatenation; '' for one that is not known. */
export function nftTypesOf(expression: NftExpression): readonly string[] {
  return expression.kind === 'concatenation' ? expression.parts.map(typeOf) : [typeOf(expression)];
}

function typeOf(expression: NftExpression): string {
  switch (expression.kind) {
    case 'payload':
      return (
        payloadTypes.get(`${expression.protocol} ${expression.field}`) ??
        (portFields.has(expression.field) ? 'inet_service' : 'integer')
      );
    case 'rawPayload':
      return 'integer';
    case 'meta':
      return metaTypes.get(expression.key) ?? '';
    case 'ct':
      return ctTypes.get(expression.key) ?? '';
    case 'fib':
      return expression.result === 'type' ? 'fib_addrtype' : expression.result === 'oif' ? 'iface_index' : 'ifname';
    case 'rt':
      return expression.key === 'nexthop'
        ? expression.family === 'ip6'
          ? 'ipv6_addr'
          : 'ipv4_addr'
        : expression.key === 'classid'
          ? 'realm'
          : 'integer';
    case 'socket':
      return expression.key === 'mark' ? 'mark' : 'integer';
    case 'header':
      return expression.field === undefined
        ? 'boolean'
        : expression.header === 'exthdr' && expression.field === 'nexthdr'
          ? 'inet_proto'
          : 'integer';
    case 'numgen':
    case 'jhash':
    case 'symhash':
      return 'integer';
    case 'binary':
      return expression.operands.map(typeOf).find((type) => type !== '') ?? '';
    default:
      return '';
  }
}

const portFields = new Set(['sport', 'dport']);

const payloadTypes = new Map(
  Object.entries({
    'ip saddr': 'ipv4_addr',
    'ip daddr': 'ipv4_addr',
    'ip protocol': 'inet_proto',
    'ip dscp': 'dscp',
    'ip6 saddr': 'ipv6_addr',
    'ip6 daddr': 'ipv6_addr',
    'ip6 nexthdr': 'inet_proto',
    'ip6 dscp': 'dscp',
    'tcp flags': 'tcp_flag',
    'icmp type': 'icmp_type',
    'icmp code': 'icmp_code',
    'icmpv6 type': 'icmpv6_type',
    'icmpv6 code': 'icmpv6_code',
    'ether saddr': 'ether_addr',
    'ether daddr': 'ether_addr',
    'ether type': 'ether_type',
    'vlan type': 'ether_type',
    'arp operation': 'arp_op',
    'ah nexthdr': 'inet_proto',
    'comp nexthdr': 'inet_proto',
    'dccp type': 'dccp_pkttype',
    'igmp type': 'igmp_type',
  }),
);

const metaTypes = new Map(
  Object.entries({
    length: 'integer',
    protocol: 'ether_type',
    priority: 'classid',
    mark: 'mark',
    iif: 'iface_index',
    oif: 'iface_index',
    iifname: 'ifname',
    oifname: 'ifname',
    iiftype: 'iface_type',
    oiftype: 'iface_type',
    skuid: 'uid',
    skgid: 'gid',
    nftrace: 'integer',
    rtclassid: 'realm',
    nfproto: 'nf_proto',
    l4proto: 'inet_proto',
    pkttype: 'pkt_type',
    cpu: 'integer',
    iifgroup: 'devgroup',
    oifgroup: 'devgroup',
    cgroup: 'integer',
    random: 'integer',
    ipsec: 'boolean',
    secpath: 'boolean',
    iifkind: 'ifkind',
    oifkind: 'ifkind',
    ibrname: 'ifname',
    obrname: 'ifname',
    ibrpvid: 'integer',
    ibrvproto: 'ether_type',
    sdif: 'iface_index',
    sdifname: 'ifname',
    time: 'time',
    day: 'day',
    hour: 'hour',
  }),
);

const ctTypes = new Map(
  Object.entries({
    state: 'ct_state',
    status: 'ct_status',
    direction: 'ct_dir',
    mark: 'mark',
    expiration: 'time',
    helper: 'ifname',
    label: 'ct_label',
    event: 'ct_event',
    l3proto: 'nf_proto',
    protocol: 'inet_proto',
    'ip saddr': 'ipv4_addr',
    'ip daddr': 'ipv4_addr',
    'ip6 saddr': 'ipv6_addr',
    'ip6 daddr': 'ipv6_addr',
    'proto-src': 'inet_service',
    'proto-dst': 'inet_service',
    packets: 'integer',
    bytes: 'integer',
    avgpkt: 'integer',
    zone: 'integer',
    id: 'integer',
    count: 'integer',
  }),
);

/** Types whose values are flags: without an operator, a match asks whether one of them is set. */
export const nftFlagTypes: ReadonlySet<string> = new Set(['ct_state', 'ct_status', 'ct_label', 'ct_event', 'tcp_flag']);
/** Types whose numbers nft's JSON writes as text. */
export const nftNamedTypes: ReadonlySet<string> = new Set([
  'iface_index',
  'ifname',
  'realm',
  'devgroup',
  'classid',
  'iface_type',
  'day',
  'hour',
  'ifkind',
]);
