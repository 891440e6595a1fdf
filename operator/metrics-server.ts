/**
 * GET /metrics over HTTPS, for those alone whom the API server lets get that path (docs/decisions/140). It is the only
 * port of this project, and open only where the cluster's owner sets METRICS_ADDRESS.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../engine/api-error.ts';
import type { Log } from '../engine/log.ts';
import type { OperatorMetrics } from './metrics.ts';
import { AuthorizerBusyError, type Decision } from './request-authorizer.ts';
import type { ServingCertificate } from './serving-certificate.ts';

export const metricsPath = '/metrics';

export interface MetricsServerOptions {
  readonly host: string | undefined;
  readonly port: number;
  readonly metrics: Pick<OperatorMetrics, 'text' | 'contentType'>;
  readonly decide: (token: string) => Promise<Decision>;
  readonly certificate: ServingCertificate;
  readonly log: Log;
}

export interface MetricsServer {
  readonly port: number;
  /** From now on, new connections get this one. */
  setCertificate(certificate: ServingCertificate): void;
  close(): Promise<void>;
}

/** A scrape is a few hundred bytes of headers, and comes every few seconds from a few places. */
const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1000,
};
const maxConnections = 64;
/** A client that reads nothing for so long is cut off. */
const idleMilliseconds = 70_000;
const tokenPattern = /^Bearer +([\w.~+/=-]{1,8192})$/i;

/** @throws where the address cannot be listened on */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port, certificate, log } = options;
  /** The same trouble is logged once. */
  let lastProblem = '';
  const problem = (message: string): void => {
    if (message !== lastProblem) log.warn(message);
    lastProblem = message;
  };
  const server = createServer({ ...limits, ...certificate, minVersion: 'TLSv1.2' }, (request, response) => {
    answer(request, response, options).then(
      () => {
        lastProblem = '';
      },
      (error: unknown) => {
        const isBusy = error instanceof AuthorizerBusyError;
        problem(`${metricsPath} cannot be answered: ${messageOf(error)}`);
        end(
          response,
          isBusy ? 503 : 500,
          isBusy ? 'Try again later.' : 'The API server could not be asked who you are.',
        );
      },
    );
  });
  server.maxConnections = maxConnections;
  server.setTimeout(idleMilliseconds);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (next) => {
      server.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
    },
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { metrics, decide }: MetricsServerOptions,
): Promise<void> {
  // What comes with a body is not a scrape: it is not read.
  if ((request.headers['content-length'] ?? '0') !== '0' || request.headers['transfer-encoding'] !== undefined) {
    response.setHeader('connection', 'close');
    end(response, 413, 'A request has no body.');
    return;
  }
  const [pathname] = (request.url ?? '').split('?');
  if (request.method !== 'GET' || pathname !== metricsPath) {
    end(response, 404, `There is GET ${metricsPath}.`);
    return;
  }
  const token = tokenPattern.exec(request.headers.authorization ?? '')?.[1];
  const decision = token === undefined ? 'unauthenticated' : await decide(token);
  if (decision === 'unauthenticated') {
    response.setHeader('www-authenticate', 'Bearer');
    end(response, 401, 'A token of this cluster is needed: Authorization: Bearer TOKEN.');
  } else if (decision === 'forbidden')
    end(response, 403, `This token may not get the non-resource URL ${metricsPath}.`);
  else {
    response.setHeader('content-type', metrics.contentType);
    response.end(await metrics.text());
  }
}

function end(response: ServerResponse, status: number, sentence: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${sentence}\n`);
}
