/**
 * One GET of an HTTP server of this node. Node's own clients, fetch and http, cost a session at rest some 10 MiB for what they
 * can beside it; of HTTP/1.0, an answer is a head and a body that ends with the connection.
 */
import { connect } from 'node:net';
import { once } from 'node:events';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** What answers does not answer in HTTP, or with more than is read. */
export class HttpAnswerError extends Error {
  override readonly name = 'HttpAnswerError';
}

/** It took longer than it may. */
export class HttpTimeoutError extends Error {
  override readonly name = 'HttpTimeoutError';
}

/** kube-proxy's metrics are the longest, some hundred KiB. */
const maxLength = 16 * 1024 * 1024;

/**
 * Follows no redirection. Rejects with the error of the connection, HttpTimeoutError, or HttpAnswerError.
 * @param path with its slash
 */
export async function httpGet(
  { host, port, path }: { readonly host: string; readonly port: number; readonly path: string },
  timeoutMilliseconds: number,
): Promise<HttpAnswer> {
  const socket = connect({ host, port });
  const timer = setTimeout(() => {
    socket.destroy(new HttpTimeoutError(`no answer within ${String(timeoutMilliseconds)} ms`));
  }, timeoutMilliseconds);
  const pieces: Buffer[] = [];
  let length = 0;
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length > maxLength) socket.destroy(new HttpAnswerError(`the answer is longer than ${String(maxLength)} bytes`));
  });
  socket.write(
    `GET ${path} HTTP/1.0\r\nHost: ${host.includes(':') ? `[${host}]` : host}:${String(port)}\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
  );
  try {
    await once(socket, 'end');
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  return parseHttpAnswer(Buffer.concat(pieces));
}

/** Throws HttpAnswerError for what is not an answer, or is shorter than it says. */
export function parseHttpAnswer(bytes: Buffer): HttpAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  const [first = '', ...fields] = bytes.toString('latin1', 0, Math.max(end, 0)).split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (end < 0 || status === undefined) throw new HttpAnswerError('what answers does not speak HTTP');
  const body = bytes.subarray(end + 4);
  const field = (name: RegExp): string | undefined =>
    fields
      .find((line) => name.test(line.split(':', 1)[0] ?? ''))
      ?.replace(/^[^:]*:/, '')
      .trim();
  // It was asked in HTTP/1.0, which does not have that.
  if (field(/^transfer-encoding$/i) !== undefined)
    throw new HttpAnswerError('the answer comes in an encoding that was not asked for');
  const expected = field(/^content-length$/i);
  if (expected !== undefined && Number(expected) !== body.length)
    throw new HttpAnswerError(`the answer has ${String(body.length)} of ${expected} bytes`);
  return { status: Number(status), body: body.toString('utf8') };
}
