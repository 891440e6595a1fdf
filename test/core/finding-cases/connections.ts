/** Findings of the active check. */
import type { Connection } from '../../../core/node-facts.ts';
import { collectedAt, desiredService, endpoint, nodeFacts } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const to = (hop: Connection['hop'], address: string, outcome: Connection['outcome'], extra: Partial<Connection> = {}): Connection => ({
  hop,
  address,
  port: hop === 'Endpoint' ? 8080 : 80,
  protocol: 'TCP',
  portName: 'http',
  outcome,
  milliseconds: 1,
  ...extra,
});
const vip = (outcome: Connection['outcome'], extra: Partial<Connection> = {}): Connection => to('ClusterIP', '10.96.0.7', outcome, extra);
const ends = (one: Connection['outcome'], other: Connection['outcome'], extra: Partial<Connection> = {}): Connection[] => [to('Endpoint', '10.244.1.2', one, extra), to('Endpoint', '10.244.2.2', other, extra)];
const node = (connections: Connection[], name = 'node-a'): ReturnType<typeof nodeFacts> => nodeFacts(name, { connections });

const plain = desiredService();
const local = desiredService([endpoint('10.244.2.2', { nodeName: 'node-b' })], { internalTrafficPolicy: 'Local' });
const ranged = desiredService(undefined, { type: 'LoadBalancer', loadBalancerIPs: ['192.0.2.9'], loadBalancerSourceRanges: ['198.51.100.0/24'] });
const udp = { protocol: 'UDP' } as const;
const dnsLike = desiredService(undefined, { ports: [{ name: 'http', protocol: 'UDP', port: 80 }] });
/** The rules of these cases are right; only connections are looked at. */
const untold = { program: { proxyMode: 'iptables', proxyModeSource: 'test', frontends: [], chains: [], unrecognized: [] } } as const;
const untoldNode = (connections: Connection[], name = 'node-a'): ReturnType<typeof nodeFacts> => nodeFacts(name, { ...untold, connections });

export const connectionCases: readonly FindingCase[] = [
  { name: 'connections that all succeed', facts: { desired: plain, nodes: [node([vip('connected'), ...ends('connected', 'answered')])] }, ids: [] },
  { name: 'a ClusterIP that fails before endpoints that answer', facts: { desired: plain, nodes: [node([vip('timeout'), ...ends('connected', 'connected')])] }, ids: ['PROBE-FAIL-RULES'] },
  { name: 'a ClusterIP that fails with one of its endpoints', facts: { desired: plain, nodes: [node([vip('refused'), ...ends('refused', 'connected')])] }, ids: ['SVC-TARGETPORT-CLOSED'] },
  { name: 'an endpoint that refuses every node', facts: { desired: plain, nodes: [node(ends('refused', 'connected')), node(ends('refused', 'connected'), 'node-b')] }, ids: ['SVC-TARGETPORT-CLOSED'] },
  { name: 'an endpoint that no node reaches', facts: { desired: plain, nodes: [node(ends('timeout', 'connected')), node(ends('refused', 'connected'), 'node-b')] }, ids: ['PROBE-FAIL-POD'] },
  { name: 'an endpoint that one node does not reach', facts: { desired: plain, nodes: [node(ends('timeout', 'connected')), node(ends('connected', 'connected'), 'node-b')] }, ids: ['PROBE-FAIL-NODE'] },
  { name: 'an endpoint that is not ready any more', facts: { desired: desiredService([endpoint('10.244.2.2')]), nodes: [untoldNode([vip('connected'), ...ends('timeout', 'connected')])] }, ids: [] },
  { name: 'a ClusterIP of policy Local without an endpoint on the node', facts: { desired: local, nodes: [untoldNode([vip('timeout'), to('Endpoint', '10.244.2.2', 'connected')])] }, ids: [] },
  { name: 'a load balancer with source ranges', facts: { desired: ranged, nodes: [untoldNode([to('LoadBalancerIP', '192.0.2.9', 'timeout'), ...ends('connected', 'connected')])] }, ids: [] },
  { name: 'rules that may be about to be written', facts: { desired: { ...plain, lastChange: collectedAt }, nodes: [node([vip('refused'), ...ends('connected', 'connected')])] }, ids: [] },
  { name: 'a check that was refused', facts: { desired: plain, nodes: [node([])], cluster: { connectRefusal: '10.244.2.2 of its EndpointSlices is no address of a pod of namespace default', unread: [] } }, ids: ['PROBE-REFUSED'] },
  { name: 'datagrams that nobody answers', facts: { desired: dnsLike, nodes: [untoldNode([vip('noReply', udp), ...ends('noReply', 'noReply', udp)])] }, ids: [] },
  { name: 'a datagram that an endpoint refuses', facts: { desired: dnsLike, nodes: [untoldNode([vip('noReply', udp), ...ends('refused', 'noReply', udp)])] }, ids: ['SVC-TARGETPORT-CLOSED'] },
];
