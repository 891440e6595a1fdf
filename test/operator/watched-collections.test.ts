/** Collections of an engine that reads from watches, over real HTTP: what they ask the API server, and that nothing old is taken for the truth. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { createTraceEngine, type TraceEngine } from '../../engine/trace-engine.ts';
import type { TraceResult } from '../../engine/trace-request.ts';
import { WatchedCluster } from '../../operator/watched-cluster.ts';
import { startFakeCollections, type FakeCollections, type FakeObject } from '../support/fake-collections.ts';
import { logTo } from '../support/log-lines.ts';

const services = '/api/v1/services';
const slices = '/apis/discovery.k8s.io/v1/endpointslices';
const nodes = '/api/v1/nodes';
const pods = '/api/v1/pods';

let api: FakeCollections;
let cluster: WatchedCluster;
let engine: TraceEngine;
let previous: ServiceTraceStatus | undefined;
let logged: string[];

const service = (name: string, namespace = 'shop'): FakeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    externalIPs: ['203.0.113.5'],
    selector: { app: name },
    ports: [{ port: 80, protocol: 'TCP' }],
  },
});
const slice = (name: string, of: string, addresses: readonly string[], namespace = 'shop'): FakeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace, labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ port: 8080, protocol: 'TCP' }],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true }, nodeName: 'node-0' })),
});
const pod = (name: string, namespace: string, labels: Record<string, string>): FakeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: { nodeName: 'node-0', containers: [{ name: 'main', image: 'i' }] },
  status: { phase: 'Running', podIPs: [{ ip: '10.244.1.2' }], conditions: [{ type: 'Ready', status: 'True' }] },
});
const nodeCount = 20;

beforeEach(async () => {
  previous = undefined;
  logged = [];
  api = await startFakeCollections();
  for (let index = 0; index < nodeCount; index += 1)
    api.put(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: `node-${String(index)}`, labels: { 'kubernetes.io/os': 'linux' } },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
  api.put(services, service('auth'));
  api.put(services, {
    ...service('kube-dns', 'kube-system'),
    spec: { clusterIPs: ['10.96.0.10'], ports: [{ port: 53 }] },
  });
  api.put(slices, slice('auth-1', 'auth', ['10.244.1.2']));
  api.put(slices, slice('kube-dns-1', 'kube-dns', ['10.244.1.9'], 'kube-system'));
  api.put(pods, pod('auth-a', 'shop', { app: 'auth' }));
  api.put(pods, pod('kube-proxy-a', 'kube-system', { 'k8s-app': 'kube-proxy' }));
  cluster = new WatchedCluster(
    api.kubeConfig,
    logTo((line) => logged.push(line)),
  );
  engine = createTraceEngine(
    {
      kubeConfig: api.kubeConfig,
      probeNamespace: 'system',
      probeImage: 'probe',
      againMilliseconds: 10,
      cache: cluster,
    },
    () => ({
      ask: async ({ name }) => {
        const now = new Date().toISOString();
        return { node: name, collectedAt: now, report: { node: name, complete: true, records: [] } };
      },
      watch: () => ({ set: () => undefined, end: () => undefined }),
      capture: async () => undefined,
      keepClean: () => undefined,
      counts: () => ({ probes: 0, starting: 0, sessions: 0 }),
      release: async () => undefined,
      close: async () => undefined,
    }),
  );
  cluster.start({
    onService: () => undefined,
    onEndpointSlice: (...version) => {
      engine.sawEndpointSlice(...version);
    },
  });
  await current();
});
afterEach(async () => {
  vi.useRealTimers();
  cluster.stop();
  await engine.close();
  await api.close();
});

const eventually = async (check: () => void): Promise<void> => {
  await vi.waitFor(check, { timeout: 8000, interval: 5 });
};

async function current(): Promise<void> {
  const lister = cluster.lister(0);
  await eventually(() => {
    expect([lister.serviceNames('shop'), lister.nodes(), lister.endpointSlices('shop', 'auth')]).not.toContain(
      undefined,
    );
  });
}

/** A collection, and what it asked the API server. */
async function collect(
  name = 'auth',
  mode: 'Watch' | 'Once' = 'Watch',
): Promise<{ readonly result: TraceResult; readonly requests: readonly string[] }> {
  const before = api.requests.length;
  const result = await engine.trace({
    namespace: 'shop',
    spec: { serviceRef: { name }, mode },
    ...(mode === 'Watch' ? { watch: { intervalMilliseconds: 1000, isViewed: false } } : {}),
    ...(previous === undefined ? {} : { previous }),
  });
  previous = result.status;
  return { result, requests: api.requests.slice(before).filter((request) => !request.startsWith('watch ')) };
}

/** The pods are watched from the first collection on. */
async function collectUntilWatched(): Promise<void> {
  await collect();
  await eventually(() => {
    for (const selection of [
      { namespace: 'shop', labelSelector: 'app=auth' },
      { namespace: 'kube-system', labelSelector: 'k8s-app=kube-proxy' },
      { namespace: 'kube-system', labelSelector: 'component=kube-proxy' },
      { fieldSelector: 'status.podIP=203.0.113.5' },
    ])
      expect(cluster.lister(0).pods(selection), JSON.stringify(selection)).toBeDefined();
  });
}

const addressesOf = ({ desired }: TraceResult): string[] =>
  (desired?.endpointSlices ?? []).flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses)).sort();
const aboutPath = /\/(services|endpointslices|nodes|pods)(\/|\?|$)/;

it('ask nothing about Services, EndpointSlices, nodes and pods, but for the first of a trace of mode Watch', async () => {
  await collectUntilWatched();
  // What traces share is kept for some seconds, and is read again now.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 20_000 });
  const { requests, result } = await collect();
  expect(requests.filter((request) => aboutPath.test(request))).toEqual([]);
  console.info(
    `${String(requests.length)} API requests of a collection over ${String(nodeCount)} nodes, ${String(requests.length / nodeCount)} a node: ${requests.join(', ')}`,
  );
  expect(requests.length / nodeCount).toBeLessThanOrEqual(2);
  expect(result.answers).toHaveLength(nodeCount);
  expect(result.cluster?.pods?.map(({ name }) => name)).toEqual(['auth-a']);
  expect(result.cluster?.kubeProxy?.pods.map(({ name }) => name)).toEqual(['kube-proxy-a']);
  expect(result.cluster?.dns?.clusterIPs).toEqual(['10.96.0.10']);
  expect(result.desired?.externalAddresses).toEqual([{ address: '203.0.113.5', use: 'Own' }]);
});

it('have what has changed since the one before, without asking', async () => {
  await collectUntilWatched();
  const { status } = (await collect()).result;
  api.put(slices, slice('auth-2', 'auth', ['10.244.1.3']));
  api.put(pods, pod('auth-b', 'shop', { app: 'auth' }));
  await eventually(() => {
    expect(cluster.lister(0).endpointSlices('shop', 'auth')?.items).toHaveLength(2);
    expect(cluster.lister(0).pods({ namespace: 'shop', labelSelector: 'app=auth' })).toHaveLength(2);
  });
  previous = status;
  const { result } = await collect();
  expect(addressesOf(result)).toEqual(['10.244.1.2', '10.244.1.3']);
  expect(result.cluster?.pods?.map(({ name }) => name)).toEqual(['auth-a', 'auth-b']);
  expect(result.status.convergence?.changes?.map(({ endpointSlice }) => endpointSlice)).toContain('auth-2');
});

it('ask the API server where the watches are dead', async () => {
  await collectUntilWatched();
  api.refuse = (verb) => (verb === 'watch' ? 500 : undefined);
  api.cut('break');
  api.put(slices, slice('auth-2', 'auth', ['10.244.1.3']));
  await eventually(() => {
    expect(cluster.lister(0).endpointSlices('shop', 'auth')).toBeUndefined();
    expect(cluster.lister(0).service('shop', 'auth')).toBeUndefined();
  });
  const { requests, result } = await collect();
  expect(requests).toContain('get /api/v1/namespaces/shop/services/auth');
  expect(addressesOf(result)).toEqual(['10.244.1.2', '10.244.1.3']);
});

it('believe what is found in what a watch reported when the API server itself says so', async () => {
  api.silence();
  api.delete(slices, 'shop/auth-1');
  api.put(slices, slice('auth-2', 'auth', []));
  await collect('auth', 'Once');
  expect(previous?.findings?.map(({ id }) => id)).not.toContain('EPS-EMPTY');
  previous = undefined;
  // A watch that lags behind shows no endpoint any more, and there are some again.
  api.cut('break');
  await current();
  await eventually(() => {
    expect(cluster.lister(0).endpointSlices('shop', 'auth')?.items).toHaveLength(1);
    expect(cluster.lister(0).endpointSlices('shop', 'auth')?.items[0]?.endpoints).toEqual([]);
  });
  expect((await collect('auth', 'Once')).result.status.findings?.map(({ id }) => id)).toContain('EPS-EMPTY');
  previous = undefined;
  api.silence();
  api.put(slices, slice('auth-2', 'auth', ['10.244.1.3']));
  const { result } = await collect('auth', 'Once');
  expect(result.status.findings?.map(({ id }) => id)).not.toContain('EPS-EMPTY');
  expect(addressesOf(result)).toEqual(['10.244.1.3']);
});

it('ask once for a Service that was not reported, and for its slices with it', async () => {
  api.silence();
  api.put(services, service('fresh'));
  api.put(slices, slice('fresh-1', 'fresh', ['10.244.1.7']));
  const { requests, result } = await collect('fresh');
  expect(requests.filter((request) => request.startsWith('get /api/v1/namespaces/shop/services'))).not.toEqual([]);
  expect(addressesOf(result)).toEqual(['10.244.1.7']);
});

it('ask once for a Service that is not there, and take those of near names from what is watched', async () => {
  const { requests, result } = await collect('auht');
  expect(requests).toEqual(['get /api/v1/namespaces/shop/services/auht']);
  expect(result.status.similarServices).toEqual(['auth']);
});

it('of one result begin no watch of pods, and list them', async () => {
  const { requests, result } = await collect('auth', 'Once');
  expect(requests.filter((request) => request.startsWith('list /api/v1/namespaces/shop/pods'))).not.toEqual([]);
  expect(result.cluster?.pods).toHaveLength(1);
  expect(api.openWatches(pods)).toBe(0);
  expect(logged).toEqual([]);
});
