/** A trace of three nodes: one that counts, one that does not, and one that did not answer. */
import type { DnatTargetStatus, NodeStatus, ServiceTrace, SliceChangeStatus } from '../../core/api/service-trace.ts';

const pods = [
  { address: '10.244.1.3', pod: 'auth-service-5995955cd8-4tml7', nodeName: 'node-a' },
  { address: '10.244.2.4', pod: 'auth-service-5995955cd8-kbz6c', nodeName: 'node-b' },
  { address: '10.244.3.3', pod: 'auth-service-5995955cd8-89pt9', nodeName: 'node-c' },
] as const;

/** `packets` undefined: the node's rules have no counter. */
export function targets(packets: readonly (number | undefined)[], connections: readonly number[]): DnatTargetStatus[] {
  return pods.map(({ address, pod }, index) => {
    const counted = packets[index];
    return {
      address,
      port: 8080,
      pod,
      probability: 1 / 3,
      ...(counted === undefined ? {} : { packets: counted, bytes: counted * 60 }),
      connections: connections[index] ?? 0,
    };
  });
}

export const nodeA: NodeStatus = {
  name: 'node-a',
  probe: { state: 'Collected', collectedAt: '2026-11-24T11:00:00Z', durationMilliseconds: 41 },
  proxyMode: 'iptables',
  proxyModeSource: 'kube-proxy says so on 127.0.0.1:10249/proxyMode',
  backend: 'nf_tables',
  kubeProxy: { healthy: true, lastSync: '2026-11-24T10:59:48Z' },
  program: 'aaaaaaaaaa',
  ports: [
    {
      family: 'IPv4',
      frontend: 'ClusterIP',
      address: '10.96.216.123',
      portName: 'http',
      protocol: 'TCP',
      port: 80,
      verdict: 'DNAT',
      packets: 12,
      bytes: 720,
      dnatTargets: targets([4, 1, 7], [4, 1, 5]),
      drift: { desired: 3, missing: 0, extra: 0 },
    },
  ],
  conntrack: {
    matched: 10,
    unreplied: 0,
    count: 548,
    max: 262144,
    states: { 'TCP TIME_WAIT': 8, 'TCP ESTABLISHED': 2 },
  },
  dns: { name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10', answers: ['10.96.216.123'] },
};

export const nodeB: NodeStatus = {
  name: 'node-b',
  probe: { state: 'Collected', collectedAt: '2026-11-24T11:00:00Z', durationMilliseconds: 38 },
  proxyMode: 'nftables',
  proxyModeSource: 'kube-proxy says so on 127.0.0.1:10249/proxyMode',
  kubeProxy: { healthy: true, lastSync: '2026-11-24T10:36:00Z' },
  program: 'bbbbbbbbbb',
  ports: [
    {
      family: 'IPv4',
      frontend: 'ClusterIP',
      address: '10.96.216.123',
      portName: 'http',
      protocol: 'TCP',
      port: 80,
      verdict: 'DNAT',
      dnatTargets: targets([], [0, 2, 0]).slice(0, 2),
      drift: {
        desired: 3,
        missing: 1,
        extra: 0,
        missingTargets: [
          { address: '10.244.3.3', port: 8080, pod: 'auth-service-5995955cd8-89pt9', nodeName: 'node-c' },
        ],
      },
    },
  ],
  conntrack: { matched: 2, unreplied: 0, count: 200, max: 262144, states: { 'TCP ESTABLISHED': 2 } },
  dns: { name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10', answers: ['10.96.216.123'] },
};

export const nodeC: NodeStatus = {
  name: 'node-c',
  probe: { state: 'Failed', reason: 'ImagePullBackOff', message: 'the image svctrace/probe:v0.1.0 cannot be pulled' },
  proxyMode: 'unknown',
  ports: [],
};

export const exampleTrace: ServiceTrace = {
  apiVersion: 'svctrace.io/v1alpha1',
  kind: 'ServiceTrace',
  metadata: { name: 'auth-service-x7k2p', namespace: 'default', generation: 1, resourceVersion: '7', uid: 'uid-1' },
  spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch', interval: '2s' },
  status: {
    observedGeneration: 1,
    collectedAt: '2026-11-24T11:00:00Z',
    conditions: [
      {
        type: 'Ready',
        status: 'False',
        reason: 'NodesDidNotAnswer',
        message: 'node-c: the image svctrace/probe:v0.1.0 cannot be pulled',
        lastTransitionTime: '2026-11-24T11:00:00Z',
      },
      {
        type: 'Collected',
        status: 'False',
        reason: 'NodesDidNotAnswer',
        message: '2 of 3 nodes answered',
        lastTransitionTime: '2026-11-24T11:00:00Z',
      },
      {
        type: 'Converged',
        status: 'False',
        reason: 'RulesDiffer',
        message: 'the rules differ from the EndpointSlices on node-b',
        lastTransitionTime: '2026-11-24T11:00:00Z',
      },
      {
        type: 'Healthy',
        status: 'False',
        reason: 'FindingsOfSeverityError',
        message: '1 finding of severity error: RULE-EP-MISSING',
        lastTransitionTime: '2026-11-24T11:00:00Z',
      },
    ],
    service: {
      type: 'ClusterIP',
      clusterIPs: ['10.96.216.123'],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: '8080' }],
      selector: { app: 'auth-service' },
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
    },
    endpointSlices: [
      {
        name: 'auth-service-jjng2',
        addressType: 'IPv4',
        ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
        endpoints: pods.map(({ address, pod, nodeName }) => ({
          addresses: [address],
          ready: true,
          serving: true,
          terminating: false,
          nodeName,
          targetRef: { kind: 'Pod', name: pod, uid: pod },
        })),
      },
    ],
    endpoints: {
      legacy: { addresses: 3, bytes: 1186, truncated: false, changeBytes: 1186 },
      endpointSlices: { addresses: 3, bytes: 2011, shards: 1, largestBytes: 2011, changeBytes: 2011 },
    },
    programs: [
      {
        fingerprint: 'aaaaaaaaaa',
        proxyMode: 'iptables',
        backend: 'nf_tables',
        nodes: ['node-a'],
        chains: [
          {
            family: 'IPv4',
            table: 'nat',
            name: 'KUBE-SERVICES',
            rules: [
              {
                text: '-A KUBE-SERVICES -d 10.96.216.123/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-MUEJEZ6DR7OLMVAV',
                packets: 12,
                bytes: 720,
              },
            ],
          },
          {
            family: 'IPv4',
            table: 'nat',
            name: 'KUBE-SEP-3T4O2FVKB7IGYCTF',
            rules: [
              {
                text: '-A KUBE-SEP-3T4O2FVKB7IGYCTF -p tcp -m tcp -j DNAT --to-destination 10.244.1.3:8080',
                packets: 4,
                bytes: 240,
              },
            ],
          },
        ],
      },
    ],
    nodes: [nodeA, nodeB, nodeC],
    findings: [
      {
        id: 'RULE-EP-MISSING',
        severity: 'error',
        where: 'node/node-b',
        node: 'node-b',
        message: 'node-b sends no packet of ClusterIP 10.96.216.123:80/TCP to 10.244.3.3:8080, which is ready.',
        evidence: [
          'the EndpointSlices ask for: 10.244.1.3:8080, 10.244.2.4:8080, 10.244.3.3:8080',
          'the rules of node-b have: 10.244.1.3:8080, 10.244.2.4:8080',
        ],
        advice: 'The log of kube-proxy on node-b shows why; once restarted, it writes all rules again.',
        commands: [
          { run: 'kubectl -n kube-system logs pod/kube-proxy-b' },
          { node: 'node-b', run: 'systemctl restart kube-proxy' },
        ],
      },
      {
        id: 'DATA-NODE-MISSING',
        severity: 'warning',
        where: 'node/node-c',
        node: 'node-c',
        message: 'node-c did not answer.',
        evidence: ['ImagePullBackOff'],
        advice: 'The conditions and events of node node-c show whether it runs pods.',
        commands: [{ run: 'kubectl describe node/node-c' }],
      },
    ],
    convergence: { lastChange: '2026-11-24T10:50:00Z', convergedNodes: 1, totalNodes: 3 },
    summary: { nodes: '2/3', endpoints: '3/3', findings: 2, errors: 1, warnings: 1 },
    truncated: [],
  },
};

/** The same trace with another status. */
export function withStatus(change: Partial<NonNullable<ServiceTrace['status']>>): ServiceTrace {
  return { ...exampleTrace, status: { ...exampleTrace.status, ...change } };
}

const followed: SliceChangeStatus = {
  endpointSlice: 'auth-service-8gk2d',
  resourceVersion: '4711',
  earliest: '2026-11-24T11:00:00.000Z',
  latest: '2026-11-24T11:00:00.400Z',
  triggered: '2026-11-24T11:00:00Z',
  endpoints: [
    {
      address: '10.244.9.9',
      change: 'Removed',
      pod: 'auth-9',
      nodeName: 'node-b',
      was: { ready: true, serving: true, terminating: false },
    },
  ],
  expected: [{ targets: [{ portName: 'http', protocol: 'TCP', address: '10.244.9.9', port: 8080, present: false }] }],
  lag: {
    nodes: 3,
    arrived: 2,
    pending: 1,
    neverArrived: 0,
    unseen: 0,
    p50: { minMilliseconds: 210, maxMilliseconds: 230 },
    p90: { minMilliseconds: 1800, maxMilliseconds: 3900 },
    p99: { minMilliseconds: 1800, maxMilliseconds: 3900 },
    max: { minMilliseconds: 1800, maxMilliseconds: 3900 },
    lastNode: 'node-b',
  },
  nodes: [
    { node: 'node-a', state: 'Arrived', minMilliseconds: 210, maxMilliseconds: 230 },
    { node: 'node-b', state: 'Arrived', minMilliseconds: 1800, maxMilliseconds: 3900 },
    { node: 'node-c', state: 'Pending', minMilliseconds: 4600 },
  ],
  omittedNodes: 0,
  rules: [
    {
      nodes: ['node-a'],
      changes: 1,
      restore: 'Partial',
      addedChains: [],
      removedChains: ['IPv4 nat KUBE-SEP-3ZQK2HWZ5S6RXN2J'],
      rewrittenChains: ['IPv4 nat KUBE-SVC-FCQA5OQTFYIPVXUO'],
      addedElements: 0,
      removedElements: 0,
      untouchedRules: 14,
    },
    {
      nodes: ['node-b'],
      changes: 2,
      addedChains: [],
      removedChains: [],
      rewrittenChains: [],
      addedElements: 1,
      removedElements: 2,
      untouchedRules: 5,
    },
  ],
  conntrack: [
    {
      address: '10.244.9.9',
      port: 8080,
      entries: 2,
      most: 7,
      nodes: ['node-b'],
      seen: '2026-11-24T11:00:05Z',
    },
  ],
};

/** The same while the EndpointSlices are followed: an endpoint went, and one node has not got it yet. */
export const followedTrace: ServiceTrace = withStatus({
  collectedAt: '2026-11-24T11:00:05Z',
  convergence: { ...exampleTrace.status?.convergence, resourceVersion: '4711', changes: [followed] },
});

/** The same before that. */
export const unfollowedTrace: ServiceTrace = withStatus({
  endpointSlices: (exampleTrace.status?.endpointSlices ?? []).map((slice, index) =>
    index > 0
      ? slice
      : {
          ...slice,
          endpoints: [
            ...slice.endpoints,
            {
              addresses: ['10.244.9.9'],
              ready: true,
              serving: true,
              terminating: false,
              nodeName: 'node-b',
              targetRef: { kind: 'Pod', name: 'auth-9' },
            },
          ],
        },
  ),
});

/** The same, of which the sources contradict each other, and one node differs from the others. */
export const disagreeingTrace: ServiceTrace = withStatus({
  comparison: {
    rows: [
      {
        family: 'IPv4',
        portName: 'http',
        protocol: 'TCP',
        servicePort: 80,
        address: '10.244.2.4',
        port: 8080,
        endpoint: {
          ready: true,
          serving: true,
          terminating: false,
          endpointSlice: 'auth-service-hnjlv',
          nodeName: 'node-b',
        },
        pod: {
          name: 'auth-service-5995955cd8-kbz6c',
          ready: true,
          phase: 'Running',
          isDeleting: false,
          selected: true,
        },
        nodes: { present: 2, absent: 1, unknown: 0 },
        connections: 4,
        disagreements: ['node-a should send packets there, and does not'],
      },
      {
        family: 'IPv4',
        portName: 'http',
        protocol: 'TCP',
        servicePort: 80,
        address: '10.244.9.9',
        port: 8080,
        nodes: { present: 1, absent: 1, unknown: 1 },
        disagreements: ['no EndpointSlice has it', 'node-a sends packets there, and should not'],
      },
    ],
    omitted: 3,
    outliers: [
      {
        node: 'node-a',
        differences: ['packets of clients outside keep their source; on 2 other nodes: they get another one'],
      },
    ],
  },
});
