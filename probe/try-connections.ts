/** The active check: real connections from the node, each with its outcome. Only where a trace asks for it. */
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import pLimit from 'p-limit';
import { hostPort } from '../core/net/address.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import type { Emit } from './io/emit.ts';

export type ConnectRequest = NonNullable<ProbeRequest['collect']['connect']>;
export type Target = ConnectRequest['targets'][number];
type Result = Pick<RecordOf<'connection'>, 'outcome' | 'status' | 'error'>;

/** The node's end of a connection. */
export interface LocalEnd {
  readonly address: string;
  readonly port: number;
}

/**
 * Asked before anything is sent over a connection, and before anything is reported of one.
 * @param local undefined where no packet was sent
 * @returns why nothing may be reported; undefined where it may
 */
export type ConnectionCheck = (local: LocalEnd | undefined, hasAnswered: boolean) => Promise<string | undefined>;

const timeoutMilliseconds = 2000;
/**
 * Few programs answer an empty datagram; a port that nobody listens on is reported at once. It is sent
 * again, for one may be lost, or meet a slow moment of the other side.
 */
const datagramMilliseconds = 750;
const maxDatagrams = 2;
const maxConcurrent = 25;

/** Emits one record for each target; a connection is closed as soon as it is there, and checked. */
export async function tryConnections(
  { http, targets }: ConnectRequest,
  checkOf: (target: Target) => ConnectionCheck,
  emit: Emit,
): Promise<void> {
  const limit = pLimit(maxConcurrent);
  await Promise.all(
    targets.map((target) =>
      limit(async () => {
        const began = performance.now();
        const result = await tryTarget(target, http, checkOf(target));
        emit({
          kind: 'connection',
          ...target,
          ...result,
          milliseconds: Math.round((performance.now() - began) * 10) / 10,
        });
      }),
    ),
  );
}

function tryTarget(target: Target, http: boolean, check: ConnectionCheck): Promise<Result> {
  switch (target.protocol) {
    case 'TCP':
      return connectTcp(target, http, check);
    case 'UDP':
      return sendDatagram(target, check);
    case 'SCTP':
      return Promise.resolve({ outcome: 'untried', error: 'this probe has no SCTP' });
  }
}

async function connectTcp({ address, port }: Target, http: boolean, check: ConnectionCheck): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  let isConnected = false;
  let received = '';
  let local: LocalEnd | undefined;
  let checked: Promise<string | undefined> | undefined;
  const socket = createConnection({ host: address, port });
  // The kernel chooses the port as it sends the first packet, which is right after this event.
  socket.on('connectionAttempt', () => {
    process.nextTick(() => {
      local ??= localEnd(socket.localAddress, socket.localPort);
    });
  });
  const timer = setTimeout(() => {
    resolve(isConnected ? { outcome: 'connected', error: 'no answer to the HTTP request' } : { outcome: 'timeout' });
  }, timeoutMilliseconds);
  socket.on('connect', () => {
    isConnected = true;
    local ??= localEnd(socket.localAddress, socket.localPort);
    checked = check(local, true);
    void checked.then((problem) => {
      if (problem !== undefined || !http) resolve({ outcome: 'connected' });
      else
        socket.write(
          `GET / HTTP/1.1\r\nHost: ${hostPort(address, port)}\r\nUser-Agent: svctrace\r\nConnection: close\r\n\r\n`,
        );
    });
  });
  socket.on('data', (chunk: Buffer) => {
    // Nothing but the status is kept of an answer.
    received = (received + chunk.toString('latin1')).slice(0, 64);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(received)?.[1];
    if (status !== undefined) resolve({ outcome: 'answered', status: Number(status) });
    else if (received.length >= 16) resolve({ outcome: 'connected', error: 'what answers does not speak HTTP' });
  });
  socket.on('error', (error) => {
    resolve(isConnected ? { outcome: 'connected', error: codeOf(error) } : outcomeOf(error));
  });
  socket.on('close', () => {
    resolve({ outcome: isConnected ? 'connected' : 'failed', error: 'the connection was closed' });
  });
  try {
    const result = await promise;
    const problem = await (checked ?? check(local, false));
    return problem === undefined ? result : { outcome: 'untried', error: problem };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function sendDatagram({ address, port }: Target, check: ConnectionCheck): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  let local: LocalEnd | undefined;
  let timer: NodeJS.Timeout | undefined;
  const send = (left: number): void => {
    if (left === 0) {
      resolve({ outcome: 'noReply' });
      return;
    }
    socket.send('', (error) => {
      if (error !== null) resolve(outcomeOf(error));
    });
    timer = setTimeout(() => {
      send(left - 1);
    }, datagramMilliseconds);
  };
  socket.on('error', (error) => {
    resolve(outcomeOf(error));
  });
  socket.on('message', () => {
    resolve({ outcome: 'answered' });
  });
  socket.connect(port, address, (problem?: unknown) => {
    if (problem instanceof Error) {
      resolve(outcomeOf(problem));
      return;
    }
    local = socket.address();
    send(maxDatagrams);
  });
  try {
    const result = await promise;
    const problem = await check(local, result.outcome === 'answered');
    return problem === undefined ? result : { outcome: 'untried', error: problem };
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function localEnd(address: string | undefined, port: number | undefined): LocalEnd | undefined {
  return address === undefined || port === undefined ? undefined : { address, port };
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
