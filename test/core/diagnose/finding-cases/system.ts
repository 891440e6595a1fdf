/** Findings of a node's kernel settings, sockets and health checks. */
import type { ClusterFacts } from '../../../../core/api/cluster-facts.ts';
import type { NodeReportRecord, RecordOf } from '../../../../core/wire/node-report.ts';
import { readKubeProxy } from '../../../../core/kube-proxy/health.ts';
import { clusterNode } from '../../../support/cluster-facts.ts';
import { collectedAt, desiredService, endpoint, nodeFacts } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

type Read = NonNullable<Parameters<typeof nodeFacts>[1]>;
type Interface = RecordOf<'interfaces'>['interfaces'][number];
const desired = desiredService();
const nodePort = { ports: [{ name: 'http', protocol: 'TCP' as const, port: 80, nodePort: 30080 }] };
const withNodePort = desiredService(undefined, nodePort);
const start: NodeReportRecord = {
  kind: 'start',
  version: 1,
  node: 'node-a',
  startedAt: collectedAt,
  kernel: '6.18',
  probeVersion: '0',
  addresses: ['10.0.0.2'],
};

const system = (sysctls: Readonly<Record<string, string>>): Read => ({
  system: { kind: 'system', sysctls, cpus: 4, hostname: 'node-a' },
});
const interfaces = (...list: readonly Interface[]): Read => ({
  interfaces: { kind: 'interfaces', interfaces: [...list], omitted: 0 },
});
const proxy = (config: object, proxyMode = 'iptables', metrics: string[] = []): Read => ({
  report: { node: 'node-a', records: [start], complete: true },
  kubeProxy: readKubeProxy({
    kind: 'kubeProxy',
    proxyMode,
    configz: JSON.stringify({ 'kubeproxy.config.k8s.io': { clusterCIDR: '10.244.0.0/16', ...config } }),
    metrics,
    errors: [],
  }),
});
const cluster: ClusterFacts = {
  nodes: [clusterNode('node-a', { internalIPs: ['10.0.0.2'], podCIDRs: ['10.244.1.0/24'] }), clusterNode('node-b')],
  unread: [],
};
const one = (name: string, read: Read, ids: string[], service = desired): FindingCase => ({
  name,
  facts: { desired: service, nodes: [nodeFacts('node-a', read)], cluster },
  ids,
});

const eth0: Interface = { name: 'eth0', addresses: ['10.0.0.2'] };
const eth1: Interface = { name: 'eth1', addresses: ['192.168.7.2'] };
const cni0: Interface = { name: 'cni0', addresses: ['10.244.1.1'], bridge: true };
const forwards = { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/default/forwarding': '1' };
const listening = (protocol: 'TCP' | 'UDP', address: string, port: number): Read => ({
  sockets: { kind: 'sockets', service: 'default/auth-service', listening: [{ protocol, address, port, uid: 0 }] },
});
const invalid = (packets: number): string[] => [
  `kubeproxy_iptables_ct_state_invalid_dropped_packets_total ${String(packets)}`,
];
const strict = { 'net/netfilter/nf_conntrack_tcp_be_liberal': '0' };
/** 60,000 are counted; ten seconds before, so many were. */
const droppedSince = (name: string, invalidPackets: number, ids: string[]): FindingCase => {
  const { facts } = one(name, { ...system(strict), ...proxy({}, 'iptables', invalid(60000)) }, ids);
  const probe = { state: 'Collected' as const, collectedAt: new Date(Date.parse(collectedAt) - 10_000).toISOString() };
  return {
    name,
    facts: {
      ...facts,
      previous: { nodes: [{ name: 'node-a', probe, proxyMode: 'iptables', ports: [], kubeProxy: { invalidPackets } }] },
    },
    ids,
  };
};

const balanced = desiredService([endpoint('10.244.1.2'), endpoint('10.244.2.2', { nodeName: 'node-b' })], {
  type: 'LoadBalancer',
  externalTrafficPolicy: 'Local',
  healthCheckNodePort: 30900,
});
const answers = (extra: Partial<RecordOf<'healthCheck'>>): Read => ({
  healthCheck: { kind: 'healthCheck', service: 'default/auth-service', port: 30900, errors: [], ...extra },
});
const elsewhere = desiredService(
  [endpoint('10.244.1.2', { nodeName: 'node-b' }), endpoint('10.244.2.2', { nodeName: 'node-b' })],
  { healthCheckNodePort: 30900 },
);

export const systemCases: readonly FindingCase[] = [
  one('a node that forwards', { ...system(forwards), ...interfaces(eth0) }, []),
  one('a node that does not forward', system({ 'net/ipv4/ip_forward': '0' }), ['SYS-FORWARD']),
  one(
    'a node that does not forward the other family',
    system({ ...forwards, 'net/ipv6/conf/all/forwarding': '0' }),
    [],
  ),
  one(
    'an interface that does not forward',
    { ...system(forwards), ...interfaces({ ...eth0, forwarding: { IPv4: 0 } }) },
    ['SYS-FORWARD'],
  ),
  one(
    'an interface without address that does not forward',
    { ...system(forwards), ...interfaces(eth0, { name: 'eth9', addresses: [], forwarding: { IPv4: 0 } }) },
    [],
  ),
  one(
    'a node that does not forward, with Cilium in place of kube-proxy',
    {
      ...system({ 'net/ipv4/ip_forward': '0' }),
      datapath: { name: 'Cilium', interfaces: ['cilium_host'], replacesKubeProxy: true, keeps: '' },
    },
    ['KP-REPLACED'],
  ),

  one(
    'a bridge whose packets meet no rule',
    { ...system({ 'net/bridge/bridge-nf-call-iptables': '0' }), ...interfaces(eth0, cni0) },
    ['SYS-BRIDGE-NF'],
  ),
  one('a bridge without br_netfilter', { ...system({}), ...interfaces(eth0, cni0) }, ['SYS-BRIDGE-NF']),
  one(
    'a bridge whose packets meet rules',
    { ...system({ 'net/bridge/bridge-nf-call-iptables': '1' }), ...interfaces(eth0, cni0) },
    [],
  ),
  one(
    'a bridge that is not of pods',
    {
      ...system({ 'net/bridge/bridge-nf-call-iptables': '0' }),
      ...interfaces(eth0, { ...cni0, name: 'docker0', addresses: ['172.17.0.1'] }),
    },
    [],
  ),
  one('a bridge on a node without endpoints', { ...system({}), ...interfaces(eth0, cni0) }, [], elsewhere),

  one(
    'a strict check with two ways out',
    { ...system({ 'net/ipv4/conf/all/rp_filter': '1' }), ...interfaces(eth0, eth1) },
    ['SYS-RPFILTER'],
    withNodePort,
  ),
  one(
    'a loose check with two ways out',
    {
      ...system({ 'net/ipv4/conf/all/rp_filter': '1', 'net/ipv4/conf/default/rp_filter': '2' }),
      ...interfaces(eth0, eth1),
    },
    [],
    withNodePort,
  ),
  one(
    'a strict check with one way out',
    {
      ...system({ 'net/ipv4/conf/all/rp_filter': '1' }),
      ...interfaces(eth0, { name: 'veth1', addresses: ['10.244.1.1'] }),
    },
    [],
    withNodePort,
  ),
  one(
    'a strict check of a Service that nobody outside asks',
    { ...system({ 'net/ipv4/conf/all/rp_filter': '1' }), ...interfaces(eth0, eth1) },
    [],
  ),

  one(
    'a conntrack table that is smaller than asked',
    {
      ...system({ 'net/netfilter/nf_conntrack_max': '65536' }),
      ...proxy({ conntrack: { maxPerCore: 32768, min: 131072 } }),
    },
    ['SYS-CT-MAX'],
  ),
  one(
    'a conntrack table as asked',
    {
      ...system({ 'net/netfilter/nf_conntrack_max': '131072' }),
      ...proxy({ conntrack: { maxPerCore: 32768, min: 131072 } }),
    },
    [],
  ),
  one(
    'a conntrack table that kube-proxy leaves alone',
    {
      ...system({ 'net/netfilter/nf_conntrack_max': '65536' }),
      ...proxy({ conntrack: { maxPerCore: 0, min: 131072 } }),
    },
    [],
  ),
  one(
    'a conntrack table at the most that kube-proxy gives',
    {
      ...system({ 'net/netfilter/nf_conntrack_max': '1048576' }),
      ...proxy({ conntrack: { maxPerCore: 1000000, min: 131072 } }),
    },
    [],
  ),

  one(
    'many packets dropped as invalid until the first reading',
    { ...system(strict), ...proxy({}, 'iptables', invalid(60000)) },
    [],
  ),
  droppedSince('many packets dropped as invalid since the collection before', 59980, ['SYS-LIBERAL']),
  droppedSince('a few packets dropped as invalid', 59991, []),

  one(
    'a node port among the ports of local connections',
    system({ 'net/ipv4/ip_local_port_range': '30000\t60999', 'net/ipv4/ip_local_reserved_ports': '' }),
    ['SYS-PORT-RANGE'],
    withNodePort,
  ),
  one(
    'the first port of that range, others of it reserved',
    system({ 'net/ipv4/ip_local_port_range': '30080 60999', 'net/ipv4/ip_local_reserved_ports': '30000-30079,30081' }),
    ['SYS-PORT-RANGE'],
    withNodePort,
  ),
  one(
    'a node port of that range that is reserved',
    system({ 'net/ipv4/ip_local_port_range': '30000 60999', 'net/ipv4/ip_local_reserved_ports': '8080,30000-32767' }),
    [],
    withNodePort,
  ),
  one(
    'a node port before that range',
    system({ 'net/ipv4/ip_local_port_range': '32768 60999', 'net/ipv4/ip_local_reserved_ports': '' }),
    [],
    withNodePort,
  ),
  one(
    'a node port of that range, and nobody knows what is reserved',
    system({ 'net/ipv4/ip_local_port_range': '30000 60999' }),
    [],
    withNodePort,
  ),
  one(
    'that range, for a Service without node ports',
    system({ 'net/ipv4/ip_local_port_range': '30000 60999', 'net/ipv4/ip_local_reserved_ports': '' }),
    [],
  ),
  one(
    'node ports of 127.0.0.1 without route_localnet',
    { ...system({ 'net/ipv4/conf/all/route_localnet': '0' }), ...proxy({}) },
    ['SYS-LOCALNET'],
    withNodePort,
  ),
  one(
    'the same in mode nftables',
    { ...system({ 'net/ipv4/conf/all/route_localnet': '0' }), ...proxy({}, 'nftables') },
    [],
    withNodePort,
  ),
  one(
    'the same where it is not meant',
    { ...system({ 'net/ipv4/conf/all/route_localnet': '0' }), ...proxy({ iptables: { localhostNodePorts: false } }) },
    [],
    withNodePort,
  ),
  one(
    'the same where other addresses are chosen',
    { ...system({ 'net/ipv4/conf/all/route_localnet': '0' }), ...proxy({ nodePortAddresses: ['10.0.0.0/8'] }) },
    [],
    withNodePort,
  ),

  one('a program on the node port', listening('TCP', '::', 30080), ['RULE-NODEPORT-TAKEN'], withNodePort),
  one('a program on the node port of another protocol', listening('UDP', '0.0.0.0', 30080), [], withNodePort),
  one("kube-proxy's own socket on 127.0.0.1", listening('TCP', '127.0.0.1', 30080), [], withNodePort),
  one('the socket of healthCheckNodePort', listening('TCP', '::', 30900), [], withNodePort),

  one(
    'a health check that knows its endpoint',
    answers({ address: '127.0.0.1', status: 200, localEndpoints: 1, serviceProxyHealthy: true }),
    [],
    balanced,
  ),
  one(
    'a health check that does not know its endpoint',
    answers({ address: '127.0.0.1', status: 503, localEndpoints: 0, serviceProxyHealthy: true }),
    ['HCNP'],
    balanced,
  ),
  one(
    'a health check of an unhealthy kube-proxy',
    answers({ address: '127.0.0.1', status: 503, localEndpoints: 1, serviceProxyHealthy: false }),
    [],
    balanced,
  ),
  one(
    'a health check that answers without an endpoint',
    answers({ address: '127.0.0.1', status: 200, localEndpoints: 1 }),
    ['HCNP'],
    elsewhere,
  ),
  one(
    'a health check without an endpoint',
    answers({ address: '127.0.0.1', status: 503, localEndpoints: 0 }),
    [],
    elsewhere,
  ),
  one(
    'a health check that nobody answers',
    { ...answers({ errors: ['127.0.0.1:30900: connect ECONNREFUSED 127.0.0.1:30900'] }), ...proxy({}) },
    ['HCNP'],
    balanced,
  ),
  one(
    'a health check that nobody answers, nor kube-proxy',
    answers({ errors: ['127.0.0.1:30900: connect ECONNREFUSED 127.0.0.1:30900'] }),
    [],
    balanced,
  ),
  one('a health check within 10 s of a change', answers({ address: '127.0.0.1', status: 503, localEndpoints: 0 }), [], {
    ...balanced,
    lastChange: '2026-11-24T09:59:55Z',
  }),
];
