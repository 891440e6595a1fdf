/** A small HTTP server that answers as an API server does, for tests of the client. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterFlags } from '../../cmd/cli/request.ts';

export interface Recorded {
  readonly method: string;
  readonly url: string;
  /** Raw, because a repeated header must stay repeated. */
  readonly headers: readonly [string, string][];
  readonly body: string;
}

export interface ApiServer {
  readonly address: string;
  readonly requests: Recorded[];
  close(): Promise<void>;
}

export type Answer = (request: Recorded, response: ServerResponse) => void;

export async function startApiServer(answer: Answer): Promise<ApiServer> {
  const requests: Recorded[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const raw = request.rawHeaders;
      const headers = raw.flatMap((name, index): [string, string][] =>
        index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : [],
      );
      const recorded = { method: request.method ?? '', url: request.url ?? '', headers, body };
      requests.push(recorded);
      answer(recorded, response);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

/** As the authorizer answers a user who may do everything. @returns whether that was asked */
export function allowAll({ url }: Recorded, response: ServerResponse): boolean {
  const isAsked = url.split('?')[0]?.endsWith('/selfsubjectaccessreviews') === true;
  if (isAsked) sendJson(response, 201, { status: { allowed: true } });
  return isAsked;
}

export function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

/** A Status object, as the API server refuses. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  details: object = {},
): void {
  sendJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details });
}

export function flagsFor(server: string, flags: Partial<ClusterFlags> = {}): ClusterFlags {
  return {
    server,
    asGroups: [],
    insecureSkipTlsVerify: false,
    requestTimeoutMilliseconds: 2000,
    verbosity: 0,
    ...flags,
  };
}
