import { describe, expect, it } from 'vitest';
import type {
  EndpointSliceStatus,
  EndpointStatus,
  FindingStatus,
  LagStatus,
  NodeLagStatus,
  NodeStatus,
  ServiceStatus,
  ServiceTraceStatus,
  SliceChangeStatus,
} from '../../../core/api/service-trace.ts';
import { changesBetween, changeText } from '../../../core/status/changes.ts';
import { endpoint } from '../../support/node-facts.ts';

const at = '2026-11-24T10:00:05Z';
const slices = (...endpoints: EndpointStatus[]): EndpointSliceStatus[] => [
  { name: 's', addressType: 'IPv4', ports: [{ port: 8080 }], endpoints },
];
const node = (targets: readonly string[], extra: Partial<NodeStatus> = {}): NodeStatus => ({
  name: 'node-a',
  probe: { state: 'Collected', collectedAt: '2026-11-24T10:00:04Z' },
  proxyMode: 'iptables',
  ports: [
    {
      family: 'IPv4',
      frontend: 'ClusterIP',
      address: '10.96.0.7',
      protocol: 'TCP',
      port: 80,
      verdict: targets.length > 0 ? 'DNAT' : 'REJECT',
      dnatTargets: targets.map((address) => ({ address, port: 8080 })),
    },
  ],
  ...extra,
});
const status = (more: Partial<ServiceTraceStatus>): ServiceTraceStatus => ({ collectedAt: at, ...more });
const texts = (before: Partial<ServiceTraceStatus>, after: Partial<ServiceTraceStatus>): string[] =>
  changesBetween(status(before), status(after)).map(
    (change) => `${change.severity} ${change.kind}: ${changeText(change)}`,
  );

describe('changesBetween', () => {
  it('reports nothing of the first result, and nothing where nothing changed', () => {
    const same = { endpointSlices: slices(endpoint('10.244.1.2')), nodes: [node(['10.244.1.2'])], findings: [] };
    expect(changesBetween(undefined, status(same))).toEqual([]);
    expect(texts(same, same)).toEqual([]);
  });

  it('reports endpoints that come, go, and change', () => {
    expect(
      texts(
        { endpointSlices: slices(endpoint('10.244.1.2'), endpoint('10.244.2.2', { nodeName: 'node-b' })) },
        { endpointSlices: slices(endpoint('10.244.1.2', { ready: false, terminating: true }), endpoint('10.244.3.2')) },
      ),
    ).toEqual([
      'neutral endpoint: endpoint 10.244.2.2 (auth-2 on node-b) left the EndpointSlices',
      'neutral endpoint: endpoint 10.244.1.2 (auth-2 on node-a) is terminating and serving, was ready',
      'neutral endpoint: endpoint 10.244.3.2 (auth-2 on node-a) came, ready',
    ]);
  });

  it('reports when all nodes have a change of the EndpointSlices, and how long that took', () => {
    const nodesOf = (last: NodeLagStatus): NodeLagStatus[] => [
      { node: 'node-a', state: 'Arrived', minMilliseconds: 200, maxMilliseconds: 210 },
      last,
    ];
    const change = (last: NodeLagStatus, lag: Partial<LagStatus>): SliceChangeStatus => ({
      endpointSlice: 's',
      resourceVersion: '7',
      earliest: at,
      latest: at,
      endpoints: [{ address: '10.244.3.2', change: 'Added', is: { ready: true, serving: true, terminating: false } }],
      expected: [],
      lag: { nodes: 2, arrived: 1, pending: 1, neverArrived: 0, unseen: 0, ...lag },
      nodes: nodesOf(last),
      omittedNodes: 0,
    });
    const waiting = change({ node: 'node-b', state: 'Pending', minMilliseconds: 0 }, {});
    const complete = change(
      { node: 'node-b', state: 'Arrived', minMilliseconds: 0, maxMilliseconds: 9000 },
      {
        arrived: 2,
        pending: 0,
        p50: { minMilliseconds: 0, maxMilliseconds: 210 },
        p99: { minMilliseconds: 200, maxMilliseconds: 9000 },
        max: { minMilliseconds: 200, maxMilliseconds: 9000 },
        lastNode: 'node-b',
      },
    );
    const before = { nodes: [node(['10.244.1.2'])], endpointSlices: slices(endpoint('10.244.1.2')) };
    const middle = {
      nodes: [node(['10.244.1.2', '10.244.3.2'])],
      endpointSlices: slices(endpoint('10.244.1.2'), endpoint('10.244.3.2')),
      convergence: { changes: [waiting] },
    };
    const first = changesBetween(status(before), status(middle));
    expect(first.map(({ kind, sliceChange, lag }) => [kind, sliceChange, lag?.maxMilliseconds])).toEqual([
      ['endpoint', 's 7', undefined],
      ['rules', 's 7', 210],
    ]);
    expect(texts(middle, { ...middle, convergence: { changes: [complete] } })).toEqual([
      'good lag: 2 of 2 nodes have it, p50 < 210 ms, p99 200 ms to 9.0 s, node-b last after 200 ms to 9.0 s: endpoint 10.244.3.2 came, ready',
    ]);
  });

  const service: ServiceStatus = {
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.7'],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: '8080' }],
    selector: { app: 'auth' },
  };
  const gone: Partial<ServiceTraceStatus> = {
    conditions: [
      {
        type: 'Ready',
        status: 'False',
        reason: 'ServiceNotFound',
        message: 'there is no Service auth',
        lastTransitionTime: at,
      },
    ],
    nodes: [],
    findings: [],
  };
  const finding: FindingStatus = {
    id: 'EPS-EMPTY',
    severity: 'error',
    where: 'service/auth',
    message: 'no endpoint',
    evidence: [],
    advice: 'look',
  };

  it('reports that the Service goes, and nothing of what goes with it', () => {
    const before = {
      service,
      endpointSlices: slices(endpoint('10.244.1.2')),
      nodes: [node(['10.244.1.2'])],
      findings: [finding],
    };
    expect(texts(before, gone)).toEqual(['bad service: the Service is gone']);
    expect(texts(gone, before)).toEqual([
      'good service: the Service is there again',
      'bad finding: EPS-EMPTY: no endpoint',
    ]);
    expect(texts(gone, gone)).toEqual([]);
    expect(texts({ service }, {})).toEqual([]);
  });

  it('reports what somebody changed of the Service', () => {
    expect(
      texts(
        { service },
        {
          service: {
            ...service,
            type: 'NodePort',
            ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: '9090', nodePort: 30080 }],
            selector: {},
            internalTrafficPolicy: 'Local',
          },
        },
      ),
    ).toEqual([
      'neutral service: type of the Service: NodePort, was ClusterIP',
      'neutral service: ports of the Service: http 80/TCP to 9090 (NodePort 30080), was http 80/TCP to 8080',
      'neutral service: selector of the Service: none, was app=auth',
      'neutral service: internalTrafficPolicy of the Service: Local, was none',
    ]);
  });

  it('reports nodes that are asked, and those that are asked no more', () => {
    expect(texts({ nodes: [node([])] }, { nodes: [node([], { name: 'node-b' })] })).toEqual([
      'neutral node: node-a is asked no more',
      'neutral node: node-b is asked now',
    ]);
    expect(texts({ nodes: [node([])] }, { nodes: [] })).toEqual([]);
  });

  it('takes the ready one of an address that is in two slices', () => {
    const ghost = endpoint('10.244.1.2', { ready: false });
    expect(
      texts(
        { endpointSlices: slices(endpoint('10.244.1.2'), ghost) },
        { endpointSlices: slices(ghost, endpoint('10.244.1.2')) },
      ),
    ).toEqual([]);
  });

  it('reports what the rules of a node do now, by its own clock of collection', () => {
    const [change] = changesBetween(
      status({ nodes: [node(['10.244.1.2', '10.244.2.2'])] }),
      status({ nodes: [node(['10.244.1.2', '10.244.3.2'])] }),
    );
    expect(change).toMatchObject({
      at: '2026-11-24T10:00:04Z',
      node: 'node-a',
      text: 'rules of ClusterIP 10.96.0.7:80/TCP send to 10.244.3.2:8080 now',
    });
    expect(texts({ nodes: [node(['10.244.1.2'])] }, { nodes: [node([])] })).toEqual([
      'bad rules: node-a: ClusterIP 10.96.0.7:80/TCP is REJECT, was DNAT',
      'neutral rules: node-a: rules of ClusterIP 10.96.0.7:80/TCP send no more to 10.244.1.2:8080',
    ]);
  });

  it('does not take what was not read for a change', () => {
    const failed = node([], { probe: { state: 'Failed', reason: 'NodeNotReady' }, ports: [] });
    expect(texts({ nodes: [node(['10.244.1.2'])] }, { nodes: [failed] })).toEqual([
      'bad node: node-a does not answer: NodeNotReady',
    ]);
    expect(texts({ nodes: [failed] }, { nodes: [node(['10.244.1.2'])] })).toEqual(['good node: node-a answers']);
    expect(texts({}, { endpointSlices: slices(endpoint('10.244.1.2')), findings: [] })).toEqual([]);
  });

  it('reports health of kube-proxy, and findings that come and go', () => {
    const finding = {
      id: 'KP-UNHEALTHY',
      severity: 'error' as const,
      where: 'node/node-a',
      node: 'node-a',
      message: 'kube-proxy is not healthy',
      evidence: [],
      advice: 'restart it',
    };
    expect(
      texts(
        { nodes: [node([], { kubeProxy: { healthy: true } })], findings: [] },
        { nodes: [node([], { kubeProxy: { healthy: false } })], findings: [finding] },
      ),
    ).toEqual([
      'bad node: kube-proxy of node-a is not healthy',
      'bad finding: KP-UNHEALTHY: kube-proxy is not healthy',
    ]);
    expect(texts({ findings: [finding] }, { findings: [] })).toEqual([
      'good finding: KP-UNHEALTHY of node/node-a is gone',
    ]);
  });

  it('takes a finding for the same as long as its kind and place are, whatever its text says', () => {
    const stale = (where: string, message: string): FindingStatus => ({
      id: 'RULE-EP-STALE',
      severity: 'error',
      where,
      node: where.slice(5),
      message,
      evidence: [],
      advice: 'restart it',
    });
    const [one, two, three] = [
      stale('node/node-a', 'to 10.244.1.2'),
      stale('node/node-a', 'to 10.244.1.3'),
      stale('node/node-a', 'to 10.244.1.4'),
    ];
    expect(texts({ findings: [one] }, { findings: [two] })).toEqual([]);
    expect(texts({ findings: [one] }, { findings: [two, one] })).toEqual(['bad finding: RULE-EP-STALE: to 10.244.1.3']);
    expect(texts({ findings: [one] }, { findings: [two, three] })).toEqual([
      'bad finding: RULE-EP-STALE: to 10.244.1.3',
    ]);
    expect(texts({ findings: [one, two, three] }, { findings: [two] })).toEqual([
      'neutral finding: RULE-EP-STALE of node/node-a: 1 of 3 are left',
    ]);
    expect(texts({ findings: [one, two] }, { findings: [] })).toEqual([
      'good finding: RULE-EP-STALE of node/node-a is gone',
    ]);
    expect(texts({ findings: [one] }, { findings: [stale('node/node-b', 'to 10.244.1.2')] })).toEqual([
      'bad finding: RULE-EP-STALE: to 10.244.1.2',
      'good finding: RULE-EP-STALE of node/node-a is gone',
    ]);
  });
});
