/** The Events as they go over the wire, to an API server of a few lines. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kubernetesEvents } from '../../operator/kubernetes-events.ts';
import type { EventStore, TraceEvent } from '../../operator/trace-events.ts';

let http: Server;
let store: EventStore;
let code: number;
let requests: { method: string; url: string; body: unknown }[];

beforeEach(async () => {
  code = 200;
  requests = [];
  http = createServer((request, response) => {
    let text = '';
    request.on('data', (data) => (text += String(data)));
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', body: JSON.parse(text) });
      response
        .writeHead(code, { 'content-type': 'application/json' })
        .end(JSON.stringify({ kind: 'Status', code, message: 'not found' }));
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  store = kubernetesEvents(kubeConfig, 'i'.repeat(200));
});
afterEach(() => {
  http.closeAllConnections();
  http.close();
});

const event: TraceEvent = {
  namespace: 'shop',
  name: 'auth.17',
  subject: { metadata: { namespace: 'shop', name: 'auth', uid: 'u1' } },
  type: 'Warning',
  reason: 'NodesDidNotAnswer',
  note: 'node-a',
  time: Date.parse('2026-11-30T12:00:00.123Z'),
};

it('have all fields that events.k8s.io/v1 requires', async () => {
  await store.create(event);
  expect(requests).toEqual([
    {
      method: 'POST',
      url: '/apis/events.k8s.io/v1/namespaces/shop/events',
      body: {
        metadata: { name: 'auth.17', namespace: 'shop' },
        eventTime: '2026-11-30T12:00:00.123000Z',
        reportingController: 'svctrace.io/operator',
        reportingInstance: 'i'.repeat(128),
        action: 'Collect',
        type: 'Warning',
        reason: 'NodesDidNotAnswer',
        note: 'node-a',
        regarding: {
          apiVersion: 'svctrace.io/v1alpha1',
          kind: 'ServiceTrace',
          namespace: 'shop',
          name: 'auth',
          uid: 'u1',
        },
      },
    },
  ]);
});

it('have their series patched alone', async () => {
  const series = { count: 2, lastObserved: Date.parse('2026-11-30T12:01:00.5Z') };
  expect(await store.updateSeries(event, series)).toBe(true);
  expect(requests).toEqual([
    {
      method: 'PATCH',
      url: '/apis/events.k8s.io/v1/namespaces/shop/events/auth.17',
      body: [{ op: 'add', path: '/series', value: { count: 2, lastObservedTime: '2026-11-30T12:01:00.500000Z' } }],
    },
  ]);
  code = 404;
  expect(await store.updateSeries(event, series)).toBe(false);
  code = 500;
  await expect(store.updateSeries(event, series)).rejects.toThrow('not found');
});
