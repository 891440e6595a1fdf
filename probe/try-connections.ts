/** The active check: real connections from the node, each with its outcome. Only where a trace asks for it. */
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import pLimit from 'p-limit';
import { hostPort } from '../core/address.ts';
import type { RecordOf } from '../core/node-report.ts';
import type { ProbeRequest } from '../core/probe-request.ts';
import type { Emit } from './emit.ts';

type ConnectRequest = NonNullable<ProbeRequest['collect']['connect']>;
type Target = ConnectRequest['targets'][number];
type Result = Pick<RecordOf<'connection'>, 'outcome' | 'status' | 'error'>;

const timeoutMilliseconds = 2000;
/** Few programs answer an empty datagram; a port that nobody listens on is told at once. */
const datagramMilliseconds = 500;
const maxConcurrent = 25;

/** Emits one record for each target; a connection is closed as soon as it is there. */
export async function tryConnections({ http, targets }: ConnectRequest, emit: Emit): Promise<void> {
  const limit = pLimit(maxConcurrent);
  await Promise.all(
    targets.map((target) =>
      limit(async () => {
        const began = performance.now();
        const result = await tryTarget(target, http);
        emit({ kind: 'connection', ...target, ...result, milliseconds: Math.round((performance.now() - began) * 10) / 10 });
      }),
    ),
  );
}

function tryTarget(target: Target, http: boolean): Promise<Result> {
  switch (target.protocol) {
    case 'TCP':
      return connectTcp(target, http);
    case 'UDP':
      return sendDatagram(target);
    case 'SCTP':
      return Promise.resolve({ outcome: 'untried', error: 'this probe has no SCTP' });
  }
}

function connectTcp({ address, port }: Target, http: boolean): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  let isConnected = false;
  let received = '';
  const socket = createConnection({ host: address, port });
  const timer = setTimeout(() => { resolve(isConnected ? { outcome: 'connected', error: 'no answer to the HTTP request' } : { outcome: 'timeout' }); }, timeoutMilliseconds);
  socket.on('connect', () => {
    isConnected = true;
    if (!http) resolve({ outcome: 'connected' });
    else socket.write(`GET / HTTP/1.1\r\nHost: ${hostPort(address, port)}\r\nUser-Agent: svctrace\r\nConnection: close\r\n\r\n`);
  });
  socket.on('data', (chunk: Buffer) => {
    // Nothing but the status is kept of an answer.
    received = (received + chunk.toString('latin1')).slice(0, 64);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(received)?.[1];
    if (status !== undefined) resolve({ outcome: 'answered', status: Number(status) });
    else if (received.length >= 16) resolve({ outcome: 'connected', error: 'what answers does not speak HTTP' });
  });
  socket.on('error', (error) => { resolve(isConnected ? { outcome: 'connected', error: codeOf(error) } : outcomeOf(error)); });
  socket.on('close', () => { resolve({ outcome: isConnected ? 'connected' : 'failed', error: 'the connection was closed' }); });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function sendDatagram({ address, port }: Target): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => { resolve({ outcome: 'noReply' }); }, datagramMilliseconds);
  socket.on('error', (error) => { resolve(outcomeOf(error)); });
  socket.on('message', () => { resolve({ outcome: 'answered' }); });
  socket.connect(port, address, (problem?: unknown) => {
    if (problem instanceof Error) resolve(outcomeOf(problem));
    else socket.send('', (error) => { if (error !== null) resolve(outcomeOf(error)); });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** connect(2) and the ICMP messages behind its codes. EPERM: a rule of the node itself dropped the packet. */
const outcomes = new Map<string, Result['outcome']>([
  ['ECONNREFUSED', 'refused'],
  ['ETIMEDOUT', 'timeout'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EACCES', 'unreachable'],
  ['EPERM', 'unreachable'],
]);

function outcomeOf(error: Error): Result {
  const code = codeOf(error);
  return { outcome: outcomes.get(code) ?? 'failed', error: code };
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
