/** The metrics endpoint over real TLS: who gets what, and its limits. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startMetricsServer, type MetricsServer } from '../../operator/metrics-server.ts';
import { AuthorizerBusyError, type Decision } from '../../operator/request-authorizer.ts';
import {
  mountedCertificate,
  selfSignedCertificate,
  type ServingCertificate,
} from '../../operator/serving-certificate.ts';
import { logTo } from '../support/log-lines.ts';

let server: MetricsServer;
let certificate: ServingCertificate;
let decision: Decision | Error;
let tokens: string[];
let logged: string[];
let renders: number;

beforeAll(async () => {
  certificate = await selfSignedCertificate(['svctrace-operator-metrics']);
  server = await startMetricsServer({
    host: '127.0.0.1',
    port: 0,
    certificate,
    metrics: {
      contentType: 'text/plain; version=0.0.4',
      text: async () => {
        renders += 1;
        return 'svctrace_leader 1\n';
      },
    },
    decide: async (token) => {
      tokens.push(token);
      if (decision instanceof Error) throw decision;
      return decision;
    },
    log: logTo((line) => logged.push(line)),
  });
});
afterAll(async () => {
  await server.close();
});
beforeEach(() => {
  decision = 'allowed';
  [tokens, logged, renders] = [[], [], 0];
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

async function ask(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      {
        host: '127.0.0.1',
        port: server.port,
        path,
        ca: certificate.cert,
        servername: 'svctrace-operator-metrics',
        agent: false,
        ...options,
      },
      (response) => {
        let text = '';
        response.on('data', (data) => (text += String(data)));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers });
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const bearer = { headers: { authorization: 'Bearer abc.def-ghi_jkl' } };

describe('GET /metrics', () => {
  it('gives the metrics to a token that may', async () => {
    expect(await ask('/metrics', bearer)).toMatchObject({
      status: 200,
      body: 'svctrace_leader 1\n',
      headers: { 'content-type': 'text/plain; version=0.0.4' },
    });
    expect(tokens).toEqual(['abc.def-ghi_jkl']);
  });

  it.each([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an empty token', { authorization: 'Bearer ' }],
    ['a token with spaces', { authorization: 'Bearer a b' }],
    ['a token of 9,000 characters', { authorization: `Bearer ${'a'.repeat(9000)}` }],
  ])('refuses %s with 401, and asks nobody about it', async (_what, headers) => {
    const { status, headers: answered } = await ask('/metrics', { headers });
    expect(status).toBe(401);
    expect(answered['www-authenticate']).toBe('Bearer');
    expect([tokens, renders]).toEqual([[], 0]);
  });

  it.each([
    ['unauthenticated', 401],
    ['forbidden', 403],
  ] as const)('refuses a token that is %s with %d', async (what, status) => {
    decision = what;
    const answered = await ask('/metrics', bearer);
    expect(answered.status).toBe(status);
    expect(answered.body).not.toContain('svctrace_leader');
    expect(renders).toBe(0);
  });

  it.each([
    [new Error('the API server did not answer within 5 s'), 500],
    [new AuthorizerBusyError('too many'), 503],
  ])('gives nothing where nobody says who it is (%s), and logs that once', async (error, status) => {
    decision = error;
    expect((await ask('/metrics', bearer)).status).toBe(status);
    expect((await ask('/metrics', bearer)).status).toBe(status);
    expect(renders).toBe(0);
    expect(logged).toHaveLength(1);
    decision = 'allowed';
    await ask('/metrics', bearer);
  });

  it.each([
    ['GET', '/'],
    ['GET', '/metrics/'],
    ['GET', '/metrics/../debug'],
    ['GET', '//metrics'],
    ['GET', '/debug/pprof/'],
    ['POST', '/metrics'],
    ['PUT', '/metrics'],
    ['HEAD', '/metrics'],
    ['OPTIONS', '/metrics'],
  ])('is all that there is: %s %s is 404, whoever asks', async (method, path) => {
    expect((await ask(path, { method, ...bearer })).status).toBe(404);
    expect([tokens, renders]).toEqual([[], 0]);
  });

  it('reads no body', async () => {
    const answered = await ask(
      '/metrics',
      { method: 'POST', headers: { ...bearer.headers, 'content-length': 5 } },
      'abcde',
    );
    expect(answered.status).toBe(413);
    expect(answered.headers['connection']).toBe('close');
    expect(
      (await ask('/metrics', { method: 'POST', headers: { ...bearer.headers, 'transfer-encoding': 'chunked' } }, 'x'))
        .status,
    ).toBe(413);
  });

  it('reads 16 KiB of headers and no more', async () => {
    expect((await ask('/metrics', { headers: { ...bearer.headers, 'x-long': 'a'.repeat(20_000) } })).status).toBe(431);
  });
});

/** What the server answers on a connection of our own, until it closes it. */
async function talk(write: (socket: TLSSocket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(
      { host: '127.0.0.1', port: server.port, ca: certificate.cert, servername: 'svctrace-operator-metrics' },
      () => {
        write(socket);
      },
    );
    socket.on('data', (data) => (text += String(data)));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(text);
    });
  });
}

describe('the endpoint', () => {
  it('cuts off who never ends its headers', async () => {
    expect(await talk((socket) => socket.write('GET /metrics HTTP/1.1\r\nhost: a\r\n'))).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('does not speak without TLS, nor TLS before 1.2', async () => {
    await expect(
      new Promise((resolve, reject) => {
        connect(
          {
            host: '127.0.0.1',
            port: server.port,
            maxVersion: 'TLSv1.1',
            minVersion: 'TLSv1',
            rejectUnauthorized: false,
          },
          resolve as () => void,
        ).on('error', reject);
      }),
    ).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${String(server.port)}/metrics`)).rejects.toThrow();
  });

  it('takes another certificate while it runs', async () => {
    const next = await selfSignedCertificate(['renewed']);
    server.setCertificate(next);
    expect((await ask('/metrics', { ...bearer, ca: next.cert, servername: 'renewed' })).status).toBe(200);
    await expect(ask('/metrics', bearer)).rejects.toThrow();
    server.setCertificate(certificate);
  });
});

describe('a certificate', () => {
  it('of its own names the endpoint, serves alone, and is new each time', async () => {
    const [one, other] = await Promise.all([selfSignedCertificate(['a', 'a.b.svc']), selfSignedCertificate(['a'])]);
    const parsed = new X509Certificate(one.cert);
    expect(parsed.subjectAltName).toBe('DNS:a, DNS:a.b.svc');
    expect(parsed.ca).toBe(false);
    expect(parsed.publicKey.asymmetricKeyType).toBe('ec');
    expect(Date.parse(parsed.validTo) - Date.now()).toBeGreaterThan(360 * 24 * 3600 * 1000);
    expect(one.key).not.toBe(other.key);
  });

  it('of a Secret is read from its files; one that is not there is named', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'svctrace-certificate-'));
    try {
      await writeFile(join(directory, 'tls.crt'), certificate.cert);
      await expect(mountedCertificate(directory)).rejects.toThrow(`${directory}/tls.key`);
      await writeFile(join(directory, 'tls.key'), certificate.key);
      expect(await mountedCertificate(directory)).toEqual(certificate);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
