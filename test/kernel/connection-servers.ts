/**
 * What the active check connects to: TCP 8080 (HTTP), TCP 8081 (says nothing), TCP 8082 (speaks something else),
 * TCP 7070 (another tenant's HTTP server, which prints each request), UDP 5353 (answers), UDP 5354 (says nothing), all on 10.0.0.1. Prints a line when all listen.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';

const address = '10.0.0.1';
const http = createHttpServer((request, response) => {
  response.writeHead(request.method === 'GET' && request.url === '/' ? 418 : 500).end('a body that nobody keeps');
});
const silent = createServer((socket) => {
  socket.on('error', () => undefined);
});
const mail = createServer((socket) => {
  socket.on('error', () => undefined).write('220 mail.example.com ESMTP\r\n');
});
const others = createHttpServer((_request, response) => {
  process.stdout.write('a request came to somebody else\n');
  response.writeHead(200).end('secret');
});
const echo = createSocket('udp4');
echo.on('message', (_message, from) => {
  echo.send('yes', from.port, from.address);
});
const mute = createSocket('udp4');
http.listen(8080, address);
others.listen(7070, address);
silent.listen(8081, address);
mail.listen(8082, address);
echo.bind(5353, address);
mute.bind(5354, address);
await Promise.all([http, others, silent, mail, echo, mute].map((server) => once(server, 'listening')));
process.stdout.write('listening\n');
