/** A GET against a server of this process, and against what is none. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { httpGet, HttpAnswerError, HttpTimeoutError, parseHttpAnswer } from '../../../probe/io/http-get.ts';

let server: Server | undefined;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

async function listen(own: Server): Promise<number> {
  server = own.listen(0, '127.0.0.1');
  await once(own, 'listening');
  const address = own.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
const http = (listener: RequestListener): Promise<number> => listen(createServer(listener));
const tcp = (answer: string | undefined): Promise<number> =>
  listen(
    createTcpServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      if (answer !== undefined) socket.end(answer);
    }),
  );
const get = (port: number, milliseconds = 5000): ReturnType<typeof httpGet> =>
  httpGet({ host: '127.0.0.1', port, path: '/proxyMode' }, milliseconds);

it('has the status and the whole body, also of an answer without a length', async () => {
  const long = 'é'.repeat(200_000);
  const port = await http((request, response) => {
    response.statusCode = 503;
    response.write(`${request.method ?? ''} ${request.url ?? ''} ${request.headers.host ?? ''} `);
    response.end(long);
  });
  await expect(get(port)).resolves.toEqual({
    status: 503,
    body: `GET /proxyMode 127.0.0.1:${String(port)} ${long}`,
  });
});

it('follows no redirection', async () => {
  const port = await http((_, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  });
  await expect(get(port)).resolves.toEqual({ status: 302, body: '' });
});

it('says that the port is closed', async () => {
  const port = await tcp('');
  server?.close();
  await expect(get(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

it('waits no longer than it may', async () => {
  await expect(get(await tcp(undefined), 50)).rejects.toThrow(HttpTimeoutError);
});

it.each([
  ['nothing', ''],
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['a head without an end', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n'],
  ['less than it says', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc'],
  ['an encoding that was not asked for', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
])('refuses %s', async (_, answer) => {
  await expect(get(await tcp(answer))).rejects.toThrow(HttpAnswerError);
  expect(() => parseHttpAnswer(Buffer.from(answer))).toThrow(HttpAnswerError);
});
