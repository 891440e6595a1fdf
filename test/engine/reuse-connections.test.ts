/** Connections of the client to an API server that speaks TLS, counted by the server. */
import { Agent, createServer, type RequestOptions } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { generate } from 'selfsigned';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { reuseConnections } from '../../engine/reuse-connections.ts';

const { cert, private: key } = await generate([{ name: 'commonName', value: 'api' }], {
  keyType: 'ec',
  algorithm: 'sha256',
  extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
});
let connections: number;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  connections = 0;
  server = createServer({ cert, key }, (request, response) => {
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ items: [], metadata: { name: request.headers.authorization } }));
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function configOf(token: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    {
      name: 'api',
      server: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
      skipTLSVerify: false,
      caData: Buffer.from(cert).toString('base64'),
    },
    { name: 'user', token },
  );
  return kubeConfig;
}

async function listTimes(kubeConfig: KubeConfig, times: number): Promise<void> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  for (let done = 0; done < times; done += 1) await core.listNode();
}

it('sends one request after the other on connections that are there, where the client opens one for each', async () => {
  await listTimes(configOf('a'), 5);
  expect(connections, 'of the client alone: where it is one, the file under test can go').toBe(5);
  connections = 0;
  const kubeConfig = configOf('a');
  reuseConnections(kubeConfig);
  reuseConnections(kubeConfig);
  await listTimes(kubeConfig, 20);
  // A connection is free a moment after its answer has been read.
  expect(connections).toBeLessThanOrEqual(2);
});

it('opens others while one is busy', async () => {
  const kubeConfig = configOf('a');
  reuseConnections(kubeConfig);
  await Promise.all(Array.from({ length: 4 }, () => listTimes(kubeConfig, 10)));
  expect(connections).toBeGreaterThan(1);
  expect(connections).toBeLessThanOrEqual(8);
});

it('uses no connection that was made with another certificate', async () => {
  const kubeConfig = configOf('a');
  reuseConnections(kubeConfig);
  await listTimes(kubeConfig, 5);
  const before = connections;
  const [user] = kubeConfig.users;
  Object.assign(user ?? {}, {
    certData: Buffer.from(cert).toString('base64'),
    keyData: Buffer.from(key).toString('base64'),
  });
  await listTimes(kubeConfig, 5);
  expect(connections).toBeGreaterThan(before);
  expect(connections).toBeLessThanOrEqual(4);
});

it('makes what a handshake needs once for all exec streams', async () => {
  const kubeConfig = configOf('a');
  reuseConnections(kubeConfig);
  const [one, other]: RequestOptions[] = [{}, {}];
  await kubeConfig.applyToHTTPSOptions(one ?? {});
  const context = one?.agent instanceof Agent ? one.agent.options.secureContext : undefined;
  await kubeConfig.applyToHTTPSOptions(other ?? {});
  expect(context).toBeDefined();
  expect(other?.agent).toBe(one?.agent);
});
