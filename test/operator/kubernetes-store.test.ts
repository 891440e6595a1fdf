/** The store of traces on an API server of a few lines: what it makes of answers that are not as they should be. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { kubernetesStore } from '../../operator/kubernetes-store.ts';
import { StatusRefusedError, type TraceStore } from '../../operator/reconcile.ts';
import { logTo } from '../support/log-lines.ts';

let http: Server;
let store: ReturnType<typeof kubernetesStore>;
let answer: { code: number; body: object };
let logged: string[];

beforeEach(async () => {
  logged = [];
  http = createServer((_request, response) => {
    response.writeHead(answer.code, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  store = kubernetesStore(
    kubeConfig,
    logTo((line) => logged.push(line)),
  );
});
afterEach(() => {
  http.closeAllConnections();
  http.close();
});

const object = {
  apiVersion: 'svctrace.io/v1alpha1',
  kind: 'ServiceTrace',
  metadata: { name: 'a', namespace: 'shop', uid: 'u1' },
  spec: { serviceRef: { name: 'auth' } },
};

it('reads a trace whose status another version wrote as one without a status, and says so once', async () => {
  answer = {
    code: 200,
    body: { ...object, status: { conditions: [{ type: 'Splendid', status: 'True' }], nodes: 'many' } },
  };
  for (let times = 0; times < 3; times += 1) {
    const trace = await store.read('shop/a');
    expect(trace?.spec.serviceRef.name).toBe('auth');
    expect(trace?.status).toBeUndefined();
  }
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatch(/^shop\/a: its status is of another version, and is written again: status/);
});

it('does not read as a trace what is none', async () => {
  answer = { code: 200, body: { ...object, spec: { serviceRef: 5 }, status: { nodes: 'many' } } };
  await expect(store.read('shop/a')).rejects.toThrow('spec.serviceRef');
});

it.each([
  [422, 'ServiceTrace "a" is invalid: status.conditions[0].message: Too long'],
  [422, 'ServiceTrace "a" is invalid: status.nodes[0].probe.state: missing'],
  [413, 'Request entity too large: limit is 3145728'],
  [400, 'bad'],
  [500, 'etcdserver: request is too large'],
])('distinguishes a status that is refused (%d %s) from what may pass', async (code, message) => {
  answer = { code, body: { kind: 'Status', code, message } };
  await expect(store.writeStatus(object as Parameters<TraceStore['writeStatus']>[0], {})).rejects.toThrow(
    StatusRefusedError,
  );
});

it.each([
  [500, 'etcdserver: request timed out'],
  [503, 'no'],
  [409, 'conflict'],
])('lets a failure that may pass be one (%d %s)', async (code, message) => {
  answer = { code, body: { kind: 'Status', code, message } };
  const written = store.writeStatus(object as Parameters<TraceStore['writeStatus']>[0], {});
  await expect(written).rejects.toThrow(message);
  await expect(written).rejects.not.toThrow(StatusRefusedError);
});

it('takes a trace that is gone, or was recreated, for nothing to write', async () => {
  answer = { code: 404, body: { kind: 'Status', code: 404, message: 'not found' } };
  await store.writeStatus(object as Parameters<TraceStore['writeStatus']>[0], {});
  answer = {
    code: 422,
    body: { kind: 'Status', code: 422, message: 'the server rejected our request: testing value /metadata/uid failed' },
  };
  await store.writeStatus(object as Parameters<TraceStore['writeStatus']>[0], {});
});

it('replaces a condition where it is there and True, and lets another failure be one', async () => {
  const condition = { type: 'Converged', status: 'False', reason: 'r', message: 'm', lastTransitionTime: 't' } as const;
  const replaced = (): Promise<void> => store.replaceTrueCondition('shop/a', 'u1', 2, condition);
  answer = { code: 200, body: object };
  await replaced();
  for (const message of [
    'the server rejected our request: testing value /status/conditions/2/status failed: test failed',
    'jsonpatch test operation does not apply: doc is missing path: /status/conditions/2/type: missing value',
  ]) {
    answer = { code: 422, body: { kind: 'Status', code: 422, message } };
    await replaced();
  }
  answer = { code: 503, body: { kind: 'Status', code: 503, message: 'no' } };
  await expect(replaced()).rejects.toThrow('no');
});
