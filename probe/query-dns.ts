/**
 * Asks one DNS server one question, over UDP and, for a long answer, over TCP. node:dns would do, were it not that it
 * follows aliases without a word, and that its codes do not distinguish SERVFAIL from a broken answer (docs/decisions/060).
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { decode, encode, type Answer, type Packet } from 'dns-packet';
import type { DnsQuestion } from '../core/dns/names.ts';
import type { RecordOf } from '../core/wire/node-report.ts';

export type DnsReply = Pick<RecordOf<'dnsAnswer'>, 'answers' | 'alias' | 'responseCode' | 'error'>;

/** A datagram may be lost, and a server or this node may be busy for a moment: each is sent again, from another port, and waited for so long. */
const attemptMilliseconds = [1000, 1000, 2000] as const;
const tcpMilliseconds = 2000;
/** A headless Service may have thousands of endpoints; what is compared are at most so many. */
const maxAnswers = 2000;
/** As resolvers have it since DNS flag day 2020: no fragments. */
const udpPayloadSize = 1232;

/** Never rejects: why no answer came is the error. */
export async function queryDns(server: Server, question: DnsQuestion): Promise<DnsReply> {
  try {
    const reply = await askedWith(server, { ...question, withEdns: true });
    // RFC 6891, 7: a server that does not know EDNS may say so; then it is asked without.
    const isEdnsUnknown = ['FORMERR', 'NOTIMP'].includes(responseCodeOf(reply));
    return readReply(isEdnsUnknown ? await askedWith(server, { ...question, withEdns: false }) : reply, question);
  } catch (error) {
    return { answers: [], error: codeOf(error) };
  }
}

interface Query extends DnsQuestion {
  readonly withEdns: boolean;
}

interface Server {
  readonly address: string;
  readonly port: number;
}

/** Over UDP, and where the answer is too long for that, over TCP. */
async function askedWith(server: Server, query: Query): Promise<Packet> {
  for (const [index, milliseconds] of attemptMilliseconds.entries()) {
    try {
      const reply = await overUdp(server, query, milliseconds);
      return (reply.flags ?? 0) & 0x200 ? await overTcp(server, query) : reply;
    } catch (error) {
      if (codeOf(error) !== 'ETIMEOUT' || index === attemptMilliseconds.length - 1) throw error;
    }
  }
  throw new DnsTimeoutError();
}

class DnsTimeoutError extends Error {
  readonly code = 'ETIMEOUT';
}

function queryPacket(id: number, { name, type, withEdns }: Query): Packet {
  return {
    type: 'query',
    id,
    // Recursion desired, as a client asks: of a name outside of the cluster, only the answer matters.
    flags: 0x100,
    questions: [{ type, name }],
    additionals: withEdns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize,
            flags: 0,
            options: [],
            extendedRcode: 0,
            ednsVersion: 0,
            flag_do: false,
          },
        ]
      : [],
  };
}

/** From a connected socket: an answer from elsewhere is not taken, and a port that nobody listens on is reported. */
function overUdp({ address, port }: Server, query: Query, milliseconds: number): Promise<Packet> {
  const { promise, resolve, reject } = Promise.withResolvers<Packet>();
  const id = randomInt(65536);
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const timer = setTimeout(() => {
    reject(new DnsTimeoutError());
  }, milliseconds);
  socket.on('error', reject);
  socket.on('message', (message) => {
    const packet = parsePacket(message);
    if (packet?.id === id && packet.type === 'response') resolve(packet);
  });
  socket.connect(port, address, (error?: unknown) => {
    if (error instanceof Error) reject(error);
    else
      socket.send(encode(queryPacket(id, query)), (failure) => {
        if (failure !== null) reject(failure);
      });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** RFC 7766: two bytes of length come before the message. */
function overTcp({ address, port }: Server, question: Query): Promise<Packet> {
  const { promise, resolve, reject } = Promise.withResolvers<Packet>();
  const id = randomInt(65536);
  const message = encode(queryPacket(id, question));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  let received = Buffer.alloc(0);
  const socket = createConnection({ host: address, port }, () => {
    socket.write(Buffer.concat([length, message]));
  });
  const timer = setTimeout(() => {
    reject(new DnsTimeoutError());
  }, tcpMilliseconds);
  socket.on('error', reject);
  socket.on('close', () => {
    reject(new Error('ECONNRESET'));
  });
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const whole = received.length < 2 ? Infinity : 2 + received.readUInt16BE(0);
    if (received.length < whole) return;
    const packet = parsePacket(received.subarray(2, whole));
    if (packet?.id === id) resolve(packet);
    else reject(new Error('EBADRESP'));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** Undefined for what is not a DNS message. */
function parsePacket(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}

function readReply(packet: Packet, { name, type }: DnsQuestion): DnsReply {
  const records = (packet.answers ?? []).slice(0, maxAnswers);
  const alias = records.flatMap((record) =>
    record.type === 'CNAME' && record.name.toLowerCase() === name ? [record.data.toLowerCase()] : [],
  )[0];
  const answers = records
    .filter((record) => record.type === type)
    .map(answerText)
    .sort();
  return { answers, ...(alias === undefined ? {} : { alias }), responseCode: responseCodeOf(packet) };
}

function answerText(record: Answer): string {
  if (record.type === 'SRV')
    return [record.data.priority, record.data.weight, record.data.port, record.data.target.toLowerCase()].join(' ');
  return record.type === 'A' || record.type === 'AAAA' ? record.data : '';
}

/** RFC 1035, 4.1.1: the last four bits of the flags. */
const responseCodes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

function responseCodeOf({ flags = 0 }: Packet): string {
  const code = flags & 0xf;
  return responseCodes[code] ?? `RCODE${String(code)}`;
}

function codeOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  return String(error);
}
