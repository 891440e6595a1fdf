import type { V1Node, V1Service } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import {
  desiredServiceOf,
  endpointSliceStatusOf,
  matchesSelector,
  selectNodes,
  serviceStatusOf,
} from '../../engine/observe.ts';

describe('serviceStatusOf', () => {
  it('takes over what tracing needs', () => {
    expect(
      serviceStatusOf({
        spec: {
          type: 'LoadBalancer',
          clusterIP: '10.96.0.7',
          clusterIPs: ['10.96.0.7', 'fd00::7'],
          ports: [{ name: 'http', port: 80, targetPort: 'web', nodePort: 30080 }],
          externalTrafficPolicy: 'Local',
        },
        status: {
          loadBalancer: {
            ingress: [{ ip: '203.0.113.5' }, { hostname: 'lb.example' }, { ip: '203.0.113.6', ipMode: 'Proxy' }],
          },
        },
      }),
    ).toEqual({
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.7', 'fd00::7'],
      externalIPs: [],
      loadBalancerIPs: ['203.0.113.5'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'web', nodePort: 30080 }],
      externalTrafficPolicy: 'Local',
    });
  });

  it.each([
    ['headless', { spec: { clusterIP: 'None', clusterIPs: ['None'] } }, 'headless'],
    ['ExternalName', { spec: { type: 'ExternalName' } }, 'ExternalName'],
    [
      'another proxy',
      {
        metadata: { labels: { 'service.kubernetes.io/service-proxy-name': 'cilium' } },
        spec: { clusterIPs: ['10.0.0.1'] },
      },
      'cilium',
    ],
  ])('says why kube-proxy leaves out a Service that is %s', (_name, service, words) => {
    expect(serviceStatusOf(service).notProxied).toContain(words);
  });
});

describe('endpointSliceStatusOf', () => {
  it('fills in what the API leaves out, as discovery/v1 says', () => {
    const { endpoints } = endpointSliceStatusOf({
      metadata: { name: 's' },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['1.1.1.1'] },
        { addresses: ['1.1.1.2'], conditions: { ready: false } },
        { addresses: ['1.1.1.3'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    });
    expect(endpoints).toEqual([
      { addresses: ['1.1.1.1'], ready: true, serving: true, terminating: false },
      { addresses: ['1.1.1.2'], ready: false, serving: false, terminating: false },
      { addresses: ['1.1.1.3'], ready: false, serving: true, terminating: true },
    ]);
  });

  it('takes the newest change of all slices', () => {
    const slice = (name: string, time: string): Parameters<typeof endpointSliceStatusOf>[0] => ({
      metadata: { name, annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': time } },
      addressType: 'IPv4',
      endpoints: [],
    });
    const { lastChange, endpointSlices } = desiredServiceOf({ metadata: { name: 'a', namespace: 'b' }, spec: {} }, [
      slice('z', '2026-01-02T00:00:00Z'),
      slice('y', '2026-01-01T00:00:00Z'),
    ]);
    expect(lastChange).toBe('2026-01-02T00:00:00Z');
    expect(endpointSlices.map(({ name }) => name)).toEqual(['y', 'z']);
  });
});

it('takes when a slice was written for a change of it, where the controller says no trigger time', () => {
  const written = (name: string, time: string, trigger?: string): Parameters<typeof endpointSliceStatusOf>[0] => ({
    metadata: {
      name,
      managedFields: [{ time: new Date(time) }],
      ...(trigger === undefined
        ? {}
        : { annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': trigger } }),
    },
    addressType: 'IPv4',
    endpoints: [],
  });
  const lastChange = (...slices: Parameters<typeof endpointSliceStatusOf>[0][]): string | undefined =>
    desiredServiceOf({ metadata: { name: 'a', namespace: 'b' }, spec: {} }, slices).lastChange;
  expect(
    lastChange(written('y', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.750Z'), written('z', '2025-01-01T00:00:00Z')),
  ).toBe('2026-01-01T00:00:00.750Z');
  expect(
    lastChange(written('y', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.750Z'), written('z', '2026-01-01T00:00:09Z')),
  ).toBe('2026-01-01T00:00:09.000Z');
  expect(lastChange()).toBeUndefined();
});

describe('when the Service changed', () => {
  const at = (...managedFields: NonNullable<NonNullable<V1Service['metadata']>['managedFields']>): string | undefined =>
    desiredServiceOf(
      {
        metadata: { name: 'a', namespace: 'b', creationTimestamp: new Date('2026-01-01T00:00:00Z'), managedFields },
        spec: {},
      },
      [],
    ).serviceChange;
  const written = (
    time: string,
    fieldsV1: object,
  ): NonNullable<NonNullable<V1Service['metadata']>['managedFields']>[number] => ({
    manager: 'kubectl',
    time: new Date(time),
    fieldsV1,
  });

  it('is when it was made, and when its spec, labels or status were written', () => {
    expect(at()).toBe('2026-01-01T00:00:00.000Z');
    expect(at(written('2026-01-02T00:00:00Z', { 'f:spec': { 'f:type': {} } }))).toBe('2026-01-02T00:00:00.000Z');
    expect(
      at(
        written('2026-01-03T00:00:00Z', { 'f:metadata': { 'f:labels': {} } }),
        written('2026-01-02T00:00:00Z', { 'f:spec': {} }),
      ),
    ).toBe('2026-01-03T00:00:00.000Z');
    expect(at(written('2026-01-04T00:00:00Z', { 'f:status': { 'f:loadBalancer': {} } }))).toBe(
      '2026-01-04T00:00:00.000Z',
    );
  });

  it('is not when somebody wrote an annotation', () => {
    expect(at(written('2026-01-02T00:00:00Z', { 'f:metadata': { 'f:annotations': {} } }))).toBe(
      '2026-01-01T00:00:00.000Z',
    );
  });
});

const node = (name: string, labels: Record<string, string> = {}, operatingSystem = 'linux'): V1Node => ({
  metadata: { name, labels },
  status: {
    nodeInfo: { operatingSystem } as NonNullable<NonNullable<V1Node['status']>['nodeInfo']>,
    conditions: [{ type: 'Ready', status: 'True' }],
    addresses: [
      { type: 'InternalIP', address: '10.0.0.1' },
      { type: 'Hostname', address: name },
    ],
  },
});

describe('selectNodes', () => {
  const nodes = [node('c'), node('a', { zone: '1' }), node('b', { zone: '2' }), node('w', {}, 'windows')];
  const names = (spec: Parameters<typeof selectNodes>[1]): string[] =>
    selectNodes(nodes, spec).nodes.map(({ name }) => name);

  it('takes all nodes in the order of their names, and says of those of another system why they are not looked at', () => {
    expect(names(undefined)).toEqual(['a', 'b', 'c', 'w']);
    expect(selectNodes(nodes, undefined).nodes.flatMap(({ notLookedAt = [] }) => notLookedAt)).toEqual([
      {
        reason: 'NodeNotLinux',
        message: 'not looked at: it runs windows, and probes read Linux alone; leave it out with spec.nodes',
      },
    ]);
  });
  it('takes at most max of those that can be looked at', () => {
    expect(names({ max: 2 })).toEqual(['a', 'b']);
    expect(names({ names: ['w', 'c'], max: 2 })).toEqual(['c']);
  });
  it('takes those that are named, and reports which are not there', () => {
    expect(names({ names: ['c', 'x'] })).toEqual(['c']);
    expect(selectNodes(nodes, { names: ['c', 'x', 'w'] }).unknown).toEqual(['x']);
  });
  it('takes those with a label', () => {
    expect(names({ selector: { matchLabels: { zone: '2' } } })).toEqual(['b']);
  });
});

it.each([
  ['In', ['1', '2'], true],
  ['In', ['2'], false],
  ['NotIn', ['2'], true],
  ['NotIn', ['1'], false],
  ['Exists', undefined, true],
  ['DoesNotExist', undefined, false],
] as const)('a selector with zone %s %s', (operator, values, expected) => {
  expect(
    matchesSelector(
      { zone: '1' },
      { matchExpressions: [{ key: 'zone', operator, ...(values === undefined ? {} : { values: [...values] }) }] },
    ),
  ).toBe(expected);
});

it.each([
  [{ labels: { type: 'virtual-kubelet' } }, {}, 'a virtual node (virtual-kubelet)'],
  [{}, { taints: [{ key: 'virtual-kubelet.io/provider', effect: 'NoSchedule' }] }, 'a virtual node (virtual-kubelet)'],
  [{ labels: { type: 'kwok' } }, {}, 'a simulated node (kwok)'],
  [{ labels: { 'eks.amazonaws.com/compute-type': 'fargate' } }, {}, 'a Fargate node'],
])('says of a node that only stands for one why it is not looked at (%j %j)', (metadata, spec, words) => {
  const [traced] = selectNodes([{ metadata: { name: 'a', ...metadata }, spec }], undefined).nodes;
  expect(traced?.notLookedAt?.reason).toBe('NodeVirtual');
  expect(traced?.notLookedAt?.message).toContain(`not looked at: it is ${words}`);
});

it('looks at a node that is cordoned, for it goes on to serve, and at one with taints', () => {
  const [traced] = selectNodes(
    [
      {
        metadata: { name: 'a', labels: { type: 'worker' } },
        spec: { taints: [{ key: 'node.kubernetes.io/unschedulable' }] },
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      },
    ],
    undefined,
  ).nodes;
  expect(traced).toEqual({ name: 'a', isReady: true, internalIPs: [] });
});

it.each([
  ['True', true, undefined],
  ['False', false, undefined],
  ['Unknown', false, true],
])('takes the kubelet for silent where the condition Ready is Unknown (%s)', (status, isReady, isKubeletSilent) => {
  const [traced] = selectNodes(
    [{ metadata: { name: 'a' }, status: { conditions: [{ type: 'Ready', status }] } }],
    undefined,
  ).nodes;
  expect(traced?.isReady).toBe(isReady);
  expect(traced?.isKubeletSilent).toBe(isKubeletSilent);
});
