/** Findings of the active check. */
import type { Connection } from '../../../../core/program/node-facts.ts';
import { clusterNode } from '../../../support/cluster-facts.ts';
import { collectedAt, desiredService, endpoint, nodeFacts } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const to = (
  hop: Connection['hop'],
  address: string,
  outcome: Connection['outcome'],
  extra: Partial<Connection> = {},
): Connection => ({
  hop,
  address,
  port: hop === 'Endpoint' ? 8080 : 80,
  protocol: 'TCP',
  portName: 'http',
  outcome,
  milliseconds: 1,
  ...extra,
});
const vip = (outcome: Connection['outcome'], extra: Partial<Connection> = {}): Connection =>
  to('ClusterIP', '10.96.0.7', outcome, extra);
const ends = (
  one: Connection['outcome'],
  other: Connection['outcome'],
  extra: Partial<Connection> = {},
): Connection[] => [to('Endpoint', '10.244.1.2', one, extra), to('Endpoint', '10.244.2.2', other, extra)];
const node = (connections: Connection[], name = 'node-a'): ReturnType<typeof nodeFacts> =>
  nodeFacts(name, { connections });

const plain = desiredService();
const local = desiredService([endpoint('10.244.2.2', { nodeName: 'node-b' })], { internalTrafficPolicy: 'Local' });
const ranged = desiredService(undefined, {
  type: 'LoadBalancer',
  loadBalancerIPs: ['192.0.2.9'],
  loadBalancerSourceRanges: ['198.51.100.0/24'],
});
const udp = { protocol: 'UDP' } as const;
const dnsLike = desiredService(undefined, { ports: [{ name: 'http', protocol: 'UDP', port: 80 }] });
/** The rules of these cases are right; only connections are looked at. */
const unknownOutcome = {
  program: { proxyMode: 'iptables', proxyModeSource: 'test', frontends: [], chains: [], unrecognized: [] },
} as const;
const unknownOutcomeNode = (connections: Connection[], name = 'node-a'): ReturnType<typeof nodeFacts> =>
  nodeFacts(name, { ...unknownOutcome, connections });

const third = (outcome: Connection['outcome']): Connection => to('Endpoint', '10.244.3.2', outcome);
/** Endpoints on node-a, node-b and node-c. */
const thirds = desiredService([
  endpoint('10.244.1.2'),
  endpoint('10.244.2.2', { nodeName: 'node-b' }),
  endpoint('10.244.3.2', { nodeName: 'node-c' }),
]);
const threeNodes = { unread: [], nodes: ['node-a', 'node-b', 'node-c'].map((name) => clusterNode(name)) };
const clientPod = { pod: 'client-a', labels: {}, node: 'node-a', addresses: ['10.244.1.9'], hostNetwork: false };
const connectedFrom = (connections: Connection[]): NonNullable<FindingCase['facts']['cluster']> => ({
  unread: [],
  client: { ...clientPod, connected: { connections, by: 'bash in container server' } },
});

export const connectionCases: readonly FindingCase[] = [
  {
    name: 'connections that all succeed',
    facts: { desired: plain, nodes: [node([vip('connected'), ...ends('connected', 'answered')])] },
    ids: [],
  },
  {
    name: 'a ClusterIP that fails before endpoints that answer',
    facts: { desired: plain, nodes: [node([vip('timeout'), ...ends('connected', 'connected')])] },
    ids: ['PROBE-FAIL-RULES'],
  },
  {
    name: 'a ClusterIP that fails with one of its endpoints',
    facts: { desired: plain, nodes: [node([vip('refused'), ...ends('refused', 'connected')])] },
    ids: ['SVC-TARGETPORT-CLOSED'],
  },
  {
    name: 'an endpoint that refuses every node',
    facts: {
      desired: plain,
      nodes: [node(ends('refused', 'connected')), node(ends('refused', 'connected'), 'node-b')],
    },
    ids: ['SVC-TARGETPORT-CLOSED'],
  },
  {
    name: 'an endpoint that no node reaches',
    facts: {
      desired: plain,
      nodes: [node(ends('timeout', 'connected')), node(ends('refused', 'connected'), 'node-b')],
    },
    ids: ['PROBE-FAIL-POD'],
  },
  {
    name: 'an endpoint that its own node does not reach, and another one does',
    facts: {
      desired: plain,
      nodes: [node(ends('timeout', 'connected')), node(ends('connected', 'connected'), 'node-b')],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-a'],
  },
  {
    name: 'an endpoint that one of two other nodes does not reach',
    facts: {
      desired: plain,
      nodes: [
        node(ends('connected', 'connected')),
        node(ends('timeout', 'connected'), 'node-b'),
        node(ends('connected', 'connected'), 'node-c'),
      ],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-b'],
  },
  {
    name: 'an endpoint that its own node alone reaches',
    facts: {
      desired: plain,
      nodes: [
        node(ends('connected', 'connected')),
        node(ends('timeout', 'connected'), 'node-b'),
        node(ends('timeout', 'connected'), 'node-c'),
      ],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-a'],
  },
  {
    name: 'a node that reaches nobody, and that nobody reaches',
    facts: {
      desired: plain,
      nodes: [
        node(ends('connected', 'timeout')),
        node(ends('timeout', 'connected'), 'node-b'),
        node(ends('timeout', 'connected'), 'node-c'),
      ],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-a'],
  },
  {
    name: 'two nodes that do not reach each other',
    facts: {
      desired: plain,
      nodes: [node(ends('connected', 'timeout')), node(ends('timeout', 'connected'), 'node-b')],
    },
    ids: ['PROBE-FAIL-PATH', 'PROBE-FAIL-PATH'],
    where: ['node/node-b', 'node/node-a'],
  },
  {
    name: 'an endpoint that its own node alone reaches, of two, with endpoints of a third that was not asked',
    facts: {
      desired: thirds,
      nodes: [
        unknownOutcomeNode([...ends('connected', 'connected'), third('connected')]),
        unknownOutcomeNode([...ends('timeout', 'connected'), third('connected')], 'node-b'),
      ],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-a'],
  },
  {
    name: 'the same, where the other node does not reach the third either',
    facts: {
      desired: thirds,
      nodes: [
        unknownOutcomeNode([...ends('connected', 'connected'), third('connected')]),
        unknownOutcomeNode([...ends('timeout', 'connected'), third('timeout')], 'node-b'),
      ],
    },
    ids: ['PROBE-FAIL-NODE'],
    where: ['node/node-b'],
  },
  {
    name: 'an endpoint that one node was asked of, which is another',
    facts: { desired: plain, nodes: [node(ends('connected', 'timeout'))], cluster: threeNodes },
    ids: ['PROBE-FAIL-PATH'],
    where: ['node/node-a'],
  },
  {
    name: 'an endpoint that refuses the one node that was asked',
    facts: { desired: plain, nodes: [node(ends('connected', 'refused'))], cluster: threeNodes },
    ids: ['SVC-TARGETPORT-CLOSED'],
  },
  {
    name: 'an endpoint that its own node was asked of alone',
    facts: { desired: plain, nodes: [node(ends('timeout', 'connected'))], cluster: threeNodes },
    ids: ['PROBE-FAIL-POD'],
    where: ['pod/auth-2'],
  },
  {
    name: 'an endpoint of another node that does not answer in a cluster of one',
    facts: {
      desired: desiredService([endpoint('10.244.2.2', { nodeName: 'node-z' })]),
      nodes: [unknownOutcomeNode([to('Endpoint', '10.244.2.2', 'timeout')])],
    },
    ids: ['PROBE-FAIL-POD'],
  },

  {
    name: 'a pod whose connections all succeed',
    facts: {
      desired: plain,
      nodes: [node([vip('connected'), ...ends('connected', 'connected')])],
      cluster: connectedFrom([vip('connected'), ...ends('connected', 'connected')]),
    },
    ids: [],
  },
  {
    name: 'a pod that reaches the endpoints and not the ClusterIP',
    facts: {
      desired: plain,
      nodes: [node([vip('connected'), ...ends('connected', 'connected')])],
      cluster: connectedFrom([vip('timeout'), ...ends('connected', 'connected')]),
    },
    ids: ['PROBE-FAIL-CLIENT'],
    where: ['pod/client-a'],
  },
  {
    name: 'a pod that does not reach an endpoint that its node reaches',
    facts: {
      desired: plain,
      nodes: [node([vip('connected'), ...ends('connected', 'connected')])],
      cluster: connectedFrom([vip('connected'), ...ends('connected', 'timeout')]),
    },
    ids: ['PROBE-FAIL-CLIENT'],
  },
  {
    name: 'a pod that fails as its node does',
    facts: {
      desired: plain,
      nodes: [node([vip('timeout'), ...ends('connected', 'connected')])],
      cluster: connectedFrom([vip('timeout'), ...ends('connected', 'connected')]),
    },
    ids: ['PROBE-FAIL-RULES'],
  },
  {
    name: 'a pod that fails at an endpoint as all nodes do',
    facts: {
      desired: plain,
      nodes: [
        node([vip('connected'), ...ends('timeout', 'connected')]),
        node([vip('connected'), ...ends('timeout', 'connected')], 'node-b'),
      ],
      cluster: connectedFrom([vip('connected'), ...ends('timeout', 'connected')]),
    },
    ids: ['PROBE-FAIL-POD'],
  },
  {
    name: 'a pod that could not connect',
    facts: {
      desired: plain,
      nodes: [node([vip('connected'), ...ends('connected', 'connected')])],
      cluster: {
        unread: [],
        client: { ...clientPod, connected: { connections: [], untried: 'its containers have none of node, bash' } },
      },
    },
    ids: [],
  },
  {
    name: 'a pod outside of the source ranges',
    facts: {
      desired: ranged,
      nodes: [unknownOutcomeNode(ends('connected', 'connected'))],
      cluster: connectedFrom([to('LoadBalancerIP', '192.0.2.9', 'timeout'), ...ends('connected', 'connected')]),
    },
    ids: [],
  },
  {
    name: 'an endpoint that is not ready any more',
    facts: {
      desired: desiredService([endpoint('10.244.2.2')]),
      nodes: [unknownOutcomeNode([vip('connected'), ...ends('timeout', 'connected')])],
    },
    ids: [],
  },
  {
    name: 'a ClusterIP of policy Local without an endpoint on the node',
    facts: { desired: local, nodes: [unknownOutcomeNode([vip('timeout'), to('Endpoint', '10.244.2.2', 'connected')])] },
    ids: [],
  },
  {
    name: 'a load balancer with source ranges',
    facts: {
      desired: ranged,
      nodes: [unknownOutcomeNode([to('LoadBalancerIP', '192.0.2.9', 'timeout'), ...ends('connected', 'connected')])],
    },
    ids: [],
  },
  {
    name: 'rules that may be about to be written',
    facts: {
      desired: { ...plain, lastChange: collectedAt },
      nodes: [node([vip('refused'), ...ends('connected', 'connected')])],
    },
    ids: [],
  },
  {
    name: 'a check that was refused',
    facts: {
      desired: plain,
      nodes: [node([])],
      cluster: {
        connectRefusal: '10.244.2.2 of its EndpointSlices is not an address of a pod of namespace default',
        unread: [],
      },
    },
    ids: ['PROBE-REFUSED'],
  },
  {
    name: 'datagrams that nobody answers',
    facts: { desired: dnsLike, nodes: [unknownOutcomeNode([vip('noReply', udp), ...ends('noReply', 'noReply', udp)])] },
    ids: [],
  },
  {
    name: 'a datagram that an endpoint refuses',
    facts: { desired: dnsLike, nodes: [unknownOutcomeNode([vip('noReply', udp), ...ends('refused', 'noReply', udp)])] },
    ids: ['SVC-TARGETPORT-CLOSED'],
  },
];
