/** What the engine reads of watches instead of asking the API server. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ClusterLister } from '../../engine/cluster-cache.ts';
import { WatchedCluster } from '../../operator/watched-cluster.ts';
import { startFakeCollections, type FakeCollections, type FakeObject } from '../support/fake-collections.ts';
import { logTo } from '../support/log-lines.ts';

const services = '/api/v1/services';
const slices = '/apis/discovery.k8s.io/v1/endpointslices';
const nodes = '/api/v1/nodes';
const pods = '/api/v1/pods';

let api: FakeCollections;
let cluster: WatchedCluster;
let lister: ClusterLister;
let logged: string[];
let changed: string[];
let seen: string[];

const service = (name: string, spec: object = {}): FakeObject => ({
  metadata: { name, namespace: 'shop', annotations: { note: 'x'.repeat(100) } },
  spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ port: 80, nodePort: 30_080 }], ...spec },
});
const slice = (name: string, of: string): FakeObject => ({
  metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': of, other: 'label' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.244.1.2'] }],
});
const node = (name: string): FakeObject => ({ metadata: { name }, status: { images: ['big'] } });
const pod = (name: string, app: string): FakeObject => ({
  metadata: { name, namespace: 'shop', labels: { app } },
  spec: { containers: [{ name: 'main', image: 'i', env: [{ name: 'SECRET', value: 'x' }] }] },
});
const eventually = async (check: () => void): Promise<void> => {
  await vi.waitFor(check, { timeout: 8000, interval: 5 });
};
const namesOf = (objects: readonly { readonly metadata?: { readonly name?: string } }[] | undefined): unknown =>
  objects?.map(({ metadata }) => metadata?.name).sort();

beforeEach(async () => {
  api = await startFakeCollections();
  logged = [];
  changed = [];
  seen = [];
  cluster = new WatchedCluster(
    api.kubeConfig,
    logTo((line) => logged.push(line)),
    2,
  );
  lister = cluster.lister(60_000);
});
afterEach(async () => {
  vi.useRealTimers();
  cluster.stop();
  await api.close();
});

function start(): void {
  cluster.start({
    onService: (namespace, name) => changed.push(`${namespace}/${name}`),
    onEndpointSlice: ({ metadata }, isGone) =>
      seen.push(`${isGone ? 'gone ' : ''}${metadata?.name ?? ''} ${metadata?.resourceVersion ?? ''}`),
  });
}

async function current(): Promise<void> {
  await eventually(() => {
    expect([lister.serviceNames('shop'), lister.nodes(), lister.endpointSlices('shop', 'auth')]).not.toContain(
      undefined,
    );
  });
}

it('knows nothing before it is started and after it is stopped', async () => {
  api.put(services, service('auth'));
  expect(lister.service('shop', 'auth')).toBeUndefined();
  expect(lister.nodes()).toBeUndefined();
  expect(lister.pods({ namespace: 'shop', labelSelector: 'app=auth' })).toBeUndefined();
  expect(api.requests).toEqual([]);
  start();
  await current();
  expect(lister.service('shop', 'auth')?.metadata?.name).toBe('auth');
  cluster.stop();
  expect(lister.service('shop', 'auth')).toBeUndefined();
  expect(lister.nodes()).toBeUndefined();
});

it('answers by Service, by namespace, by address and node port, and says whom a change concerns', async () => {
  api.put(services, service('auth', { externalIPs: ['203.0.113.5'] }));
  api.put(services, service('other', { clusterIP: '10.96.0.8', clusterIPs: ['10.96.0.8'], ports: [{ port: 1 }] }));
  api.put(services, { ...service('far'), metadata: { name: 'far', namespace: 'elsewhere' } });
  api.put(slices, slice('auth-1', 'auth'));
  api.put(slices, slice('other-1', 'other'));
  api.put(nodes, node('node-a'));
  start();
  await current();
  expect(lister.serviceNames('shop')).toEqual(['auth', 'other']);
  expect(namesOf(lister.servicesAt(['203.0.113.5']))).toEqual(['auth']);
  expect(namesOf(lister.servicesAt(['10.96.0.8', '192.0.2.1']))).toEqual(['other']);
  expect(namesOf(lister.servicesAt(['TCP 30080']))).toEqual(['auth', 'far']);
  expect(namesOf(lister.endpointSlices('shop', 'auth')?.items)).toEqual(['auth-1']);
  expect(lister.endpointSlices('shop', 'none')?.items).toEqual([]);
  expect(namesOf(lister.nodes())).toEqual(['node-a']);
  [changed, seen] = [[], []];
  api.put(slices, slice('auth-2', 'auth'));
  api.delete(slices, 'shop/other-1');
  await eventually(() => {
    expect(seen).toEqual(['auth-2 107', 'gone other-1 108']);
  });
  expect(changed).toEqual(['shop/auth', 'shop/other']);
  expect(namesOf(lister.endpointSlices('shop', 'auth')?.items)).toEqual(['auth-1', 'auth-2']);
  expect(lister.endpointSlices('shop', 'auth')?.resourceVersion).toBe('108');
  api.put(services, service('auth'));
  await eventually(() => {
    expect(lister.servicesAt(['203.0.113.5'])).toEqual([]);
  });
});

it('reports a slice that was deleted while nobody watched with the version of the list that lacks it', async () => {
  api.put(slices, slice('auth-1', 'auth'));
  start();
  await current();
  api.refuse = (verb) => (verb === 'watch' ? 500 : undefined);
  api.cut('break');
  api.delete(slices, 'shop/auth-1');
  api.compact();
  api.refuse = () => undefined;
  await eventually(() => {
    expect(seen.at(-1)).toBe('gone auth-1 103');
  });
});

it('takes nothing for known that it cannot read', async () => {
  api.put(slices, slice('auth-1', 'auth'));
  api.put(services, service('auth'));
  start();
  await current();
  api.put(slices, { metadata: { name: 'odd', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'auth' } } });
  await eventually(() => {
    expect(lister.endpointSlices('shop', 'auth')).toBeUndefined();
  });
  expect(lister.service('shop', 'auth'), 'the Service can be read').toBeDefined();
  api.delete(slices, 'shop/odd');
  await current();
});

it('does without what may not be watched, and says so once', async () => {
  api.put(services, service('auth'));
  api.put(nodes, node('node-a'));
  api.refuse = (verb, path) => (verb === 'watch' && /nodes|pods/.test(path) ? 403 : undefined);
  start();
  await eventually(() => {
    expect(lister.service('shop', 'auth')).toBeDefined();
  });
  await eventually(() => {
    expect(logged).toHaveLength(1);
  });
  expect(logged[0]).toBe(
    'watch of /api/v1/nodes: it is refused (403), done without, and tried again from time to time',
  );
  expect(lister.nodes()).toBeUndefined();
});

it('watches pods from the first time that they are asked for, up to a bound, until nobody asks for them any more', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  for (const app of ['auth', 'billing']) for (const each of ['1', '2']) api.put(pods, pod(`${app}-${each}`, app));
  start();
  const of = (app: string): unknown => namesOf(lister.pods({ namespace: 'shop', labelSelector: `app=${app}` }));
  expect(cluster.lister(0).pods({ namespace: 'shop', labelSelector: 'app=auth' }), 'of one result').toBeUndefined();
  expect(of('auth')).toBeUndefined();
  await eventually(() => {
    expect(of('auth')).toEqual(['auth-1', 'auth-2']);
  });
  expect(JSON.stringify(lister.pods({ namespace: 'shop', labelSelector: 'app=auth' }))).not.toContain('SECRET');
  expect(namesOf(cluster.lister(0).pods({ namespace: 'shop', labelSelector: 'app=auth' }))).toEqual([
    'auth-1',
    'auth-2',
  ]);
  api.put(pods, pod('auth-3', 'auth'));
  await eventually(() => {
    expect(of('auth')).toEqual(['auth-1', 'auth-2', 'auth-3']);
  });
  of('billing');
  await eventually(() => {
    expect(of('billing')).toEqual(['billing-1', 'billing-2']);
  });
  of('third');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(api.requests.filter((request) => request.includes('third'))).toEqual([]);
  vi.advanceTimersByTime(45_000);
  of('auth');
  vi.advanceTimersByTime(45_000);
  await eventually(() => {
    expect(api.openWatches(pods), 'of billing nobody asked for 90 s').toBe(1);
  });
  expect(of('auth')).toEqual(['auth-1', 'auth-2', 'auth-3']);
});
