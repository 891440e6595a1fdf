/** The DNS client against real sockets on the loopback interface. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { decode, encode, type Answer, type Packet } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import { askDns } from '../../probe/ask-dns.ts';
import { queryDns } from '../../probe/query-dns.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server of both transports on one port; over UDP, `flags` may mark the answer as truncated. */
async function startServer(answer: (query: Packet, transport: 'udp' | 'tcp') => Packet | undefined): Promise<number> {
  const udp = createSocket('udp4');
  await new Promise<void>((resolve) => {
    udp.bind(0, '127.0.0.1', resolve);
  });
  const { port } = udp.address();
  udp.on('message', (message, from) => {
    const reply = answer(decode(message), 'udp');
    if (reply !== undefined) udp.send(encode(reply), from.port, from.address);
  });
  const tcp = createServer((socket) => {
    socket.once('data', (chunk: Buffer) => {
      const reply = answer(decode(chunk.subarray(2)), 'tcp');
      if (reply === undefined) return;
      const bytes = encode(reply);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      // In two pieces, as a network may bring it.
      socket.write(Buffer.concat([length, bytes.subarray(0, 5)]), () => {
        socket.write(bytes.subarray(5));
      });
    });
    socket.on('error', () => undefined);
  });
  const listens = await new Promise<boolean>((resolve) => {
    tcp.once('error', () => {
      resolve(false);
    });
    tcp.listen(port, '127.0.0.1', () => {
      resolve(true);
    });
  });
  if (!listens) {
    // What is free for datagrams may be taken for connections: another port then.
    udp.close();
    return startServer(answer);
  }
  closing.push(() => {
    udp.close();
    tcp.close();
  });
  return (tcp.address() as AddressInfo).port;
}

function reply(query: Packet, answers: Answer[], flags = 0): Packet {
  return {
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    flags,
    questions: query.questions ?? [],
    answers,
  };
}

const question = { name: 'auth.default.svc.cluster.local', type: 'A' } as const;
const server = (port: number): { address: string; port: number } => ({ address: '127.0.0.1', port });

describe('queryDns', () => {
  it('gives the addresses, sorted, and the code', async () => {
    const port = await startServer((query) =>
      reply(query, [
        { name: question.name, type: 'A', data: '10.0.0.2' },
        { name: question.name, type: 'A', data: '10.0.0.1' },
      ]),
    );
    expect(await queryDns(server(port), question)).toEqual({
      answers: ['10.0.0.1', '10.0.0.2'],
      responseCode: 'NOERROR',
    });
  });

  it('distinguishes an alias from the name that it stands for', async () => {
    const port = await startServer((query) =>
      reply(query, [
        { name: question.name, type: 'CNAME', data: 'DB.example.com' },
        { name: 'db.example.com', type: 'A', data: '192.0.2.7' },
      ]),
    );
    expect(await queryDns(server(port), question)).toEqual({
      answers: ['192.0.2.7'],
      alias: 'db.example.com',
      responseCode: 'NOERROR',
    });
  });

  it('reads SRV records', async () => {
    const port = await startServer((query) =>
      reply(query, [
        { name: question.name, type: 'SRV', data: { priority: 0, weight: 100, port: 80, target: question.name } },
      ]),
    );
    expect(await queryDns(server(port), { ...question, type: 'SRV' })).toEqual({
      answers: [`0 100 80 ${question.name}`],
      responseCode: 'NOERROR',
    });
  });

  it.each([
    [3, 'NXDOMAIN'],
    [2, 'SERVFAIL'],
    [5, 'REFUSED'],
    [9, 'RCODE9'],
  ])('names the code %i', async (code, name) => {
    const port = await startServer((query) => reply(query, [], code));
    expect(await queryDns(server(port), question)).toEqual({ answers: [], responseCode: name });
  });

  it('asks again over TCP where the answer is cut', async () => {
    const all = Array.from({ length: 200 }, (_, index): Answer => ({
      name: question.name,
      type: 'A',
      data: `10.0.1.${String(index)}`,
    }));
    const port = await startServer((query, transport) =>
      transport === 'udp' ? reply(query, [], 0x200) : reply(query, all),
    );
    expect((await queryDns(server(port), question)).answers).toHaveLength(200);
  });

  it('sends a second datagram where the first one is lost, and takes no answer to another question', async () => {
    let asked = 0;
    const port = await startServer((query) => {
      asked += 1;
      if (asked === 1)
        return {
          ...reply(query, [{ name: question.name, type: 'A', data: '10.9.9.9' }]),
          id: ((query.id ?? 0) + 1) % 65536,
        };
      return reply(query, [{ name: question.name, type: 'A', data: '10.0.0.1' }]);
    });
    expect(await queryDns(server(port), question)).toMatchObject({ answers: ['10.0.0.1'] });
    expect(asked).toBe(2);
  });

  it('asks without EDNS where the server does not understand it', async () => {
    const port = await startServer((query) =>
      (query.additionals ?? []).length > 0
        ? reply(query, [], 1)
        : reply(query, [{ name: question.name, type: 'A', data: '10.0.0.1' }]),
    );
    expect(await queryDns(server(port), question)).toEqual({ answers: ['10.0.0.1'], responseCode: 'NOERROR' });
    const lost = await startServer((query) => reply(query, [], 1));
    expect(await queryDns(server(lost), question)).toEqual({ answers: [], responseCode: 'FORMERR' });
  });

  it('waits longer for the third datagram, for a server that is busy', async () => {
    let asked = 0;
    const port = await startServer((query) =>
      (asked += 1) === 3 ? reply(query, [{ name: question.name, type: 'A', data: '10.0.0.1' }]) : undefined,
    );
    expect(await queryDns(server(port), question)).toMatchObject({ answers: ['10.0.0.1'] });
  });

  it('says why no answer came', async () => {
    const silent = await startServer(() => undefined);
    expect(await queryDns(server(silent), question)).toEqual({ answers: [], error: 'ETIMEOUT' });
    const port = await startServer(() => undefined);
    for (const close of closing.splice(0)) close();
    expect(await queryDns(server(port), question)).toEqual({ answers: [], error: 'ECONNREFUSED' });
  });
});

describe('askDns', () => {
  it('asks again what was refused or failed, as a server that starts does', async () => {
    const asked = new Map<string, number>();
    const port = await startServer((query) => {
      const name = query.questions?.[0]?.name ?? '';
      const count = (asked.get(name) ?? 0) + 1;
      asked.set(name, count);
      return count === 1 ? reply(query, [], 5) : reply(query, [{ name, type: 'A', data: '10.0.0.1' }]);
    });
    const health = { name: 'kubernetes.default.svc.cluster.local', type: 'A' } as const;
    const records: NodeReportRecord[] = [];
    await askDns(
      {
        servers: [],
        endpoints: [{ address: '127.0.0.1', port }],
        health,
        questions: [{ service: 'default/auth', ...question }],
      },
      ['default/auth'],
      (record) => records.push(record),
    );
    const answers = records.flatMap((record) =>
      record.kind === 'dnsAnswer' ? [[record.name, record.responseCode, record.answers]] : [],
    );
    expect(answers).toEqual([
      [health.name, 'NOERROR', ['10.0.0.1']],
      [question.name, 'NOERROR', ['10.0.0.1']],
    ]);
    expect([...asked.values()]).toEqual([2, 2]);
  });
});
