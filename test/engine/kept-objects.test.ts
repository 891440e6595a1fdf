/** What is left out of an object is used nowhere: everything that is made of it is the same. */
import { CoreV1Api, DiscoveryV1Api, type KubeConfig, type V1NetworkPolicy } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holderEntries } from '../../engine/address-holders.ts';
import { keptNode, keptPod, keptService, keptSlice, ownsMoreThanAnnotations } from '../../engine/kept-objects.ts';
import { configMapNames } from '../../engine/kube-proxy-config-maps.ts';
import { kubeProxyFacts } from '../../engine/kube-proxy-facts.ts';
import { nodeFacts, serviceFacts, sliceFacts } from '../../engine/object-facts.ts';
import { desiredServiceOf, selectNodes } from '../../engine/observe.ts';
import { podFacts } from '../../engine/pod-facts.ts';
import { policyFacts } from '../../engine/policy-facts.ts';
import { startFakeCollections, type FakeCollections, type FakeObject } from '../support/fake-collections.ts';

let api: FakeCollections;
beforeEach(async () => {
  api = await startFakeCollections();
});
afterEach(() => api.close());

/** The object as the client reads it, and as the API server sends it. */
async function sent<Kind>(
  collection: string,
  object: FakeObject,
  read: (kubeConfig: KubeConfig) => Promise<Kind>,
): Promise<readonly [Kind, unknown]> {
  api.put(collection, object);
  const { namespace, name } = object.metadata;
  const inNamespace = namespace === undefined ? '' : `/namespaces/${namespace}`;
  const url = `${api.kubeConfig.getCurrentCluster()?.server ?? ''}${collection.replace(/(?=\/[^/]+$)/, inNamespace)}/${name}`;
  return [await read(api.kubeConfig), await (await fetch(url)).json()];
}

const must = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('it was not read');
  return value;
};
const bytesOf = (object: unknown): number => Buffer.byteLength(JSON.stringify(object));

const managed = [
  {
    manager: 'helm',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-03T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:ports': {} } },
  },
  {
    manager: 'noter',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-04T00:00:00Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:metadata': { 'f:annotations': { 'f:note': {} } } },
  },
];
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'auth',
    namespace: 'shop',
    uid: 'u1',
    resourceVersion: '5',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { app: 'auth', 'service.kubernetes.io/service-proxy-name': 'other' },
    annotations: { note: 'y'.repeat(2000) },
    managedFields: managed,
  },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7', 'fd00::7'],
    externalIPs: ['203.0.113.5'],
    ports: [{ name: 'http', protocol: 'TCP', appProtocol: 'http', port: 80, targetPort: 'web', nodePort: 30_080 }],
    selector: { app: 'auth' },
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Local',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    loadBalancerSourceRanges: ['192.0.2.0/24'],
    loadBalancerClass: 'example.com/lb',
    healthCheckNodePort: 31_000,
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'PreferDualStack',
    trafficDistribution: 'PreferClose',
    publishNotReadyAddresses: true,
    allocateLoadBalancerNodePorts: true,
  },
  status: { loadBalancer: { ingress: [{ ip: '198.51.100.1', ipMode: 'VIP' }, { hostname: 'lb.example' }] } },
};
const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'auth-1',
    namespace: 'shop',
    resourceVersion: '7',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: {
      'kubernetes.io/service-name': 'auth',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      app: 'auth',
    },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T00:00:00Z' },
    managedFields: managed,
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints: [
    {
      addresses: ['10.244.1.2'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-a',
      hostname: 'h',
      zone: 'z1',
      hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'node-a' }] },
      targetRef: { kind: 'Pod', name: 'auth-x', namespace: 'shop', uid: 'p1' },
      deprecatedTopology: null,
    },
  ],
};
const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: 'node-a',
    labels: { 'kubernetes.io/os': 'linux', 'topology.kubernetes.io/zone': 'z1', pool: 'big' },
    annotations: { note: 'y'.repeat(2000) },
  },
  spec: {
    podCIDR: '10.244.1.0/24',
    podCIDRs: ['10.244.1.0/24'],
    taints: [{ key: 'virtual-kubelet.io/provider', effect: 'NoSchedule' }],
  },
  status: {
    conditions: [
      { type: 'MemoryPressure', status: 'False', lastHeartbeatTime: '2026-01-01T00:00:00Z' },
      { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'no network' },
    ],
    addresses: [
      { type: 'InternalIP', address: '172.30.0.1' },
      { type: 'Hostname', address: 'node-a' },
    ],
    nodeInfo: { operatingSystem: 'linux', kubeletVersion: 'v1.35.0', kernelVersion: '6.18', osImage: 'x' },
    images: Array.from({ length: 50 }, (_, index) => ({ names: [`registry.example/image:${String(index)}`] })),
  },
};
const container = (name: string, more: object = {}): object => ({
  name,
  image: 'registry.example/kube-proxy:v1',
  command: ['run'],
  env: [{ name: 'PASSWORD', value: 'do-not-keep' }],
  ports: [{ name: 'web', containerPort: 8080, protocol: 'TCP' }],
  lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
  ...more,
});
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'auth-x',
    namespace: 'shop',
    uid: 'p1',
    labels: { app: 'auth', 'pod-template-hash': '1' },
    annotations: { note: 'y'.repeat(2000) },
    creationTimestamp: '2026-01-01T00:00:00Z',
    deletionTimestamp: '2026-01-05T00:00:00Z',
    deletionGracePeriodSeconds: 30,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'auth', uid: 'r1', controller: true }],
    managedFields: managed,
  },
  spec: {
    nodeName: 'node-a',
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['10.96.0.10'], searches: ['shop'], options: [{ name: 'ndots', value: '5' }] },
    terminationGracePeriodSeconds: 60,
    containers: [container('main')],
    initContainers: [container('sidecar', { restartPolicy: 'Always' }), container('first')],
    volumes: [
      { name: 'config', configMap: { name: 'kube-proxy' } },
      { name: 'all', projected: { sources: [{ configMap: { name: 'kube-proxy-2' } }, { secret: { name: 's' } }] } },
      { name: 'secret', secret: { secretName: 's' } },
    ],
  },
  status: {
    phase: 'Running',
    podIP: '10.244.1.2',
    podIPs: [{ ip: '10.244.1.2' }],
    conditions: [
      { type: 'Initialized', status: 'True' },
      {
        type: 'Ready',
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'main',
        lastTransitionTime: '2026-01-02T00:00:00Z',
      },
      { type: 'PodScheduled', status: 'True' },
    ],
    containerStatuses: [
      {
        name: 'main',
        image: 'i',
        imageID: 'x',
        ready: false,
        restartCount: 3,
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'long' } },
        lastState: { terminated: { exitCode: 137, reason: 'OOMKilled', finishedAt: '2026-01-02T00:00:00Z' } },
      },
    ],
    initContainerStatuses: [
      {
        name: 'sidecar',
        image: 'i',
        imageID: 'x',
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: '2026-01-02T00:00:00Z' } },
      },
    ],
  },
};

it('of a Service', async () => {
  const [whole, raw] = await sent('/api/v1/services', service, (kubeConfig) =>
    kubeConfig.makeApiClient(CoreV1Api).readNamespacedService({ namespace: 'shop', name: 'auth' }),
  );
  const kept = must(keptService(raw));
  expect(desiredServiceOf(kept, [])).toEqual(desiredServiceOf(whole, []));
  expect(desiredServiceOf(kept, []).serviceChange).toBe('2026-01-03T00:00:00.000Z');
  expect(serviceFacts(kept)).toEqual(serviceFacts(whole));
  expect(holderEntries(kept)).toEqual(holderEntries(whole));
  expect(bytesOf(kept)).toBeLessThan(bytesOf(service) / 2);
});

it('of an EndpointSlice, with the length of the whole', async () => {
  const [whole, raw] = await sent('/apis/discovery.k8s.io/v1/endpointslices', slice, (kubeConfig) =>
    kubeConfig.makeApiClient(DiscoveryV1Api).readNamespacedEndpointSlice({ namespace: 'shop', name: 'auth-1' }),
  );
  const kept = must(keptSlice(raw));
  const desired = desiredServiceOf(must(keptService(service)), [whole]);
  expect(desiredServiceOf(must(keptService(service)), [kept])).toEqual(desired);
  expect(desired.lastChange).toBe('2026-01-04T00:00:00.000Z');
  expect(sliceFacts(kept)).toEqual(sliceFacts(whole));
});

it('of a node', async () => {
  const [whole, raw] = await sent('/api/v1/nodes', node, (kubeConfig) =>
    kubeConfig.makeApiClient(CoreV1Api).readNode({ name: 'node-a' }),
  );
  const kept = must(keptNode(raw));
  expect(nodeFacts(kept)).toEqual(nodeFacts(whole));
  expect(selectNodes([kept], { selector: { matchLabels: { pool: 'big' } } })).toEqual(
    selectNodes([whole], { selector: { matchLabels: { pool: 'big' } } }),
  );
  expect(selectNodes([kept], undefined).nodes[0]?.notLookedAt?.reason).toBe('NodeVirtual');
  expect(bytesOf(kept)).toBeLessThan(bytesOf(node) / 5);
});

it('of a pod, and nothing of its environment', async () => {
  const [whole, raw] = await sent('/api/v1/pods', pod, (kubeConfig) =>
    kubeConfig.makeApiClient(CoreV1Api).readNamespacedPod({ namespace: 'shop', name: 'auth-x' }),
  );
  const kept = must(keptPod(raw));
  expect(podFacts(kept, true)).toEqual(podFacts(whole, true));
  expect(podFacts(kept, true).hasPreStop).toBe(true);
  expect(configMapNames([kept])).toEqual(['kube-proxy', 'kube-proxy-2']);
  expect(kubeProxyFacts([kept], undefined)).toEqual(kubeProxyFacts([whole], undefined));
  const policy: V1NetworkPolicy = { metadata: { name: 'p' }, spec: { podSelector: { matchLabels: { app: 'auth' } } } };
  expect(policyFacts(policy, [kept])).toEqual(policyFacts(policy, [whole]));
  expect(policyFacts(policy, [kept])).toHaveLength(1);
  expect(JSON.stringify(kept)).not.toContain('do-not-keep');
});

describe('objects with nothing in them', () => {
  it.each([
    ['Service', keptService({ metadata: { name: 'a' } }), { metadata: { name: 'a' } }],
    ['Node', keptNode({ metadata: { name: 'a' } }), { metadata: { name: 'a' } }],
    [
      'Service with null',
      keptService({ metadata: { name: 'a', labels: null }, spec: null }),
      { metadata: { name: 'a' } },
    ],
  ])('%s', (_kind, kept, expected) => {
    expect(kept).toEqual(expected);
  });
  it.each([
    ['Service', keptService({ spec: { ports: [{ port: 'x' }] } })],
    ['EndpointSlice', keptSlice({ metadata: {} })],
    ['Node', keptNode({ status: { addresses: 'none' } })],
    ['Pod', keptPod({ spec: {} })],
    ['none', keptPod('text')],
  ])('are none where they are of another shape: %s', (_kind, kept) => {
    expect(kept).toBeUndefined();
  });
});

it('takes fields that are not known for any', () => {
  expect(ownsMoreThanAnnotations(undefined)).toBe(true);
  expect(ownsMoreThanAnnotations({ 'f:metadata': { 'f:annotations': {} } })).toBe(false);
});
