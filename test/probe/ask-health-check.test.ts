/** The healthCheckNodePort over real HTTP: kube-proxy's answer, and whoever answers in its place. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import type { RecordOf } from '../../core/wire/node-report.ts';
import { askHealthCheck } from '../../probe/ask-health-check.ts';

async function ask(answer: RequestListener): Promise<RecordOf<'healthCheck'>> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    return await askHealthCheck(
      { namespace: 'default', name: 'auth-service', clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] },
      port,
      [],
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it("is kube-proxy's answer", async () => {
  const record = await ask((_request, response) => {
    response
      .writeHead(503)
      .end(
        '{"service": {"namespace": "default", "name": "auth-service"}, "localEndpoints": 0, "serviceProxyHealthy": true}',
      );
  });
  expect(record).toMatchObject({
    address: '127.0.0.1',
    status: 503,
    localEndpoints: 0,
    serviceProxyHealthy: true,
    errors: [],
  });
});

it('reports nothing of another program of the node, and does not go where that sends it', async () => {
  let followed = 0;
  const record = await ask((request, response) => {
    if (request.url === '/secret') followed += 1;
    response.writeHead(302, { location: '/secret' }).end('secret');
  });
  expect(record.status).toBeUndefined();
  expect(record.errors).toEqual([expect.stringMatching(/what answers is not a health check of a Service$/)]);
  expect(followed).toBe(0);
  expect(
    (
      await ask((_request, response) => {
        response.writeHead(200).end('<html>secret</html>');
      })
    ).status,
  ).toBeUndefined();
});
