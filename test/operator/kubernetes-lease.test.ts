/** The Lease as the API server speaks of it: real HTTP, times as texts, versions that must match. */
import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { kubernetesLease } from '../../operator/kubernetes-lease.ts';
import { LeaseChangedError, type LeaseStore } from '../../operator/leadership.ts';

const leaseSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), labels: z.record(z.string(), z.string()).optional() }),
  spec: z.record(z.string(), z.union([z.string(), z.number()])),
});
type Lease = z.infer<typeof leaseSchema>;

let lease: Lease | undefined;
let store: LeaseStore;
let close: () => void;

beforeEach(async () => {
  lease = { metadata: { resourceVersion: '7', labels: { a: 'b' } }, spec: {} };
  const server = createServer((request, response) => {
    const answer = (code: number, body: object): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      if (lease === undefined) {
        answer(404, { kind: 'Status', code: 404, message: 'not found' });
        return;
      }
      if (request.method === 'PUT') {
        const put = leaseSchema.parse(JSON.parse(text));
        if (put.metadata.resourceVersion !== lease.metadata.resourceVersion) {
          answer(409, { kind: 'Status', code: 409, message: 'the object has been modified' });
          return;
        }
        lease = {
          ...put,
          metadata: { ...put.metadata, resourceVersion: String(Number(put.metadata.resourceVersion) + 1) },
        };
      }
      answer(200, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', ...lease });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'test', server: `http://127.0.0.1:${String(address.port)}`, skipTLSVerify: true },
    { name: 'test' },
  );
  store = kubernetesLease(kubeConfig, { namespace: 'svctrace-system', name: 'svctrace-operator' });
  close = () => {
    server.close();
    server.closeAllConnections();
  };
});
afterEach(() => {
  close();
});

it('acquires the empty Lease of the installation, renews it, and keeps what else is in it', async () => {
  const empty = await store.read();
  expect(empty).toEqual({ version: '7', holder: '', renewTime: '', durationSeconds: 0, transitions: 0 });
  const record = { holder: 'one', durationSeconds: 15, transitions: 1 };
  const acquired = await store.write(empty, record, true);
  expect(acquired).toMatchObject({ ...record, version: '8' });
  const micro = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
  expect(lease?.spec).toEqual({
    holderIdentity: 'one',
    leaseDurationSeconds: 15,
    leaseTransitions: 1,
    acquireTime: expect.stringMatching(micro),
    renewTime: expect.stringMatching(micro),
  });
  const since = lease?.spec['acquireTime'];
  await new Promise((resolve) => {
    setTimeout(resolve, 5);
  });
  const renewed = await store.write(await store.read(), record, false);
  expect(renewed.renewTime).not.toBe(acquired.renewTime);
  expect(lease?.spec['acquireTime']).toBe(since);
  expect(lease?.metadata.labels).toEqual({ a: 'b' });
});

it('says of a write that is based on an old version that somebody else was faster', async () => {
  const seen = await store.read();
  const record = { holder: 'one', durationSeconds: 15, transitions: 1 };
  await store.write(seen, record, true);
  await expect(store.write(seen, { ...record, holder: 'other' }, true)).rejects.toThrow(LeaseChangedError);
  expect(lease?.spec['holderIdentity']).toBe('one');
});

it('says what to do where the Lease is not there', async () => {
  lease = undefined;
  await expect(store.read()).rejects.toThrow(
    'there is no Lease svctrace-operator in namespace svctrace-system; install the operator again, which makes it: kubectl svctrace install',
  );
});
