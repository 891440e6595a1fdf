/** kube-proxy's table over netlink, from recorded answers: what it is read as, and what is made of answers that are amiss. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isLittleEndian, NetlinkError } from '../../../core/nftables/netlink/message.ts';
import { nftElementJson } from '../../support/print-nft-json.ts';
import { buildNodeProgram } from '../../../core/program/node-program.ts';
import { parseNodeReport, type NodeReport, type NodeReportRecord } from '../../../core/wire/node-report.ts';
import { keyWords, withProtocolName } from '../../../core/nftables/map-elements.ts';
import { NftJsonParser } from '../../../core/nftables/parse-json.ts';
import type { NftRulesetTable } from '../../../core/nftables/table.ts';
import type { ProbeRequest } from '../../../core/wire/probe-request.ts';
import type { FrontendProgram } from '../../../core/program/program.ts';
import type { Commands } from '../../../probe/io/commands.ts';
import { NetlinkSocket } from '../../../probe/rules/netlink-socket.ts';
import { ChangedError, NftGeneration } from '../../../probe/rules/nft-generation.ts';
import { NetlinkNftTable } from '../../../probe/rules/nft-netlink.ts';
import type { NftTable } from '../../../probe/rules/nft-table.ts';
import { readNftTable } from '../../../probe/rules/read-nft-table.ts';
import { readNftables } from '../../../probe/rules/read-nftables.ts';
import { comparableTable } from '../../support/comparable-table.ts';
import { collectedAt, desiredService } from '../../support/node-facts.ts';
import { errorAnswer, messagesOf, recordedKernel, withFirst } from '../../support/recorded-kernel.ts';
import fc from 'fast-check';

function parsed(json: string): NftRulesetTable[] {
  const parser = new NftJsonParser();
  parser.push(json);
  return parser.end().result.filter(({ name }) => name === 'kube-proxy');
}

const tables = parsed(
  readFileSync(fileURLToPath(new URL('../../fixtures/kube-proxy/v1.37.2/nftables.json', import.meta.url)), 'utf8'),
);
const [ipv4] = tables;
if (ipv4 === undefined) throw new Error('the fixture has no table kube-proxy');
const chainNames = [...ipv4.chains.keys()];

/** struct nfgenmsg has it in its last two bytes; netlink's own messages have none. */
function otherGeneration(message: Buffer): void {
  if (message.readUInt16LE(4) > 16) message.writeUInt16BE(message.readUInt16BE(18) ^ 1, 18);
}

async function readAll(table: NftTable): Promise<string> {
  return JSON.stringify([...(await table.chains(chainNames))]);
}

function overNetlink(commands: Commands, read: (table: NftTable) => Promise<string> = readAll): Promise<string> {
  const socket = new NetlinkSocket(commands);
  return read(new NetlinkNftTable(new NftGeneration(socket, 'IPv4'), 'kube-proxy')).finally(() => {
    socket.close();
  });
}

/** The record is of a little-endian machine. */
describe.runIf(isLittleEndian)('the table over netlink', () => {
  it.each(tables)('is what nft listed: $family', async (table) => {
    const socket = new NetlinkSocket(recordedKernel());
    const chains = await new NetlinkNftTable(
      new NftGeneration(socket, table.family === 'ip' ? 'IPv4' : 'IPv6'),
      'kube-proxy',
    ).chains([...table.chains.keys()]);
    socket.close();
    const [read] = parsed(
      JSON.stringify({
        nftables: [
          { metainfo: { json_schema_version: 1 } },
          ...[...table.chains.keys()].flatMap((name) => chains.get(name) ?? []),
        ],
      }),
    );
    if (read === undefined) throw new Error('nothing was read');
    expect(comparableTable({ ...read, sets: table.sets, maps: table.maps })).toEqual(comparableTable(table));
  });

  it('has elements by key: those that are there, once each, and none of a set that is not there, or has keys of another kind', async () => {
    const element = ipv4.maps.get('service-ips')?.elements[0];
    const json: unknown = element === undefined ? undefined : nftElementJson(element);
    const there = withProtocolName(keyWords(Array.isArray(json) ? (json as readonly unknown[])[0] : undefined) ?? []);
    const asked = [
      there,
      there,
      ['192.0.2.1', 'tcp', '1'],
      [there[0] ?? ''],
      [there[0] ?? '', 'constructor', '443'],
      ['fd00::1', 'tcp', '443'],
      [there[0] ?? '', 'tcp', '65536'],
    ];
    const text = await overNetlink(recordedKernel(), async (table) =>
      JSON.stringify([
        ...(await table.elements([
          ...asked.map((key) => ({ name: 'service-ips', key })),
          { name: 'no-such-set', key: there },
        ])),
      ]),
    );
    expect(JSON.parse(text)).toEqual([
      ['service-ips', [json]],
      ['no-such-set', []],
    ]);
  });

  it.each([
    [
      'was interrupted (NLM_F_DUMP_INTR)',
      (answer: string) => withFirst(answer, (message) => message.writeUInt16LE(message.readUInt16LE(6) | 0x10, 6)),
      ChangedError,
    ],
    ['is of another generation', (answer: string) => withFirst(answer, otherGeneration), ChangedError],
    [
      'says EINTR',
      (answer: string) => withFirst(errorAnswer(4), (message) => message.write(answer.slice(16, 24), 8, 'hex')),
      ChangedError,
    ],
    [
      'says that it is not permitted',
      (answer: string) => withFirst(errorAnswer(1), (message) => message.write(answer.slice(16, 24), 8, 'hex')),
      NetlinkError,
    ],
    [
      'is of another question',
      (answer: string) => withFirst(answer, (message) => message.writeUInt32LE(message.readUInt32LE(8) + 1, 8)),
      NetlinkError,
    ],
    ['is cut off', (answer: string) => answer.slice(0, -2), NetlinkError],
    [
      'has no end',
      (answer: string) =>
        messagesOf(answer)
          .slice(0, -1)
          .map((each) => each.toString('hex'))
          .join(''),
      NetlinkError,
    ],
    ['is not a message', () => '0000', NetlinkError],
    ['is empty', () => '', NetlinkError],
  ] as const)('is not read where an answer %s', async (_, change, error) => {
    // The table, the generation, a chain, and one in the middle.
    for (const at of [1, 2, 3, 40]) {
      await expect(
        overNetlink(recordedKernel([], (answer, count) => (count === at ? answer.map(change) : answer))),
      ).rejects.toThrow(error);
    }
  });

  it('is not read where answers were exchanged', async () => {
    let before: readonly string[] = [];
    const exchanged = recordedKernel([], (answer, count) => {
      const mine = count === 4 ? before : answer;
      before = answer;
      return mine;
    });
    await expect(overNetlink(exchanged)).rejects.toThrow(NetlinkError);
  });

  it.each([
    [{ status: 127, problem: 'perl is not installed', errors: [] }, 'perl is not installed'],
    [{ status: 0, problem: '', errors: [] }, 'perl ended before it had answered'],
    [{ status: 124, problem: 'perl took more than 15 s', errors: [] }, 'perl took more than 15 s'],
  ])('is not read where the program that asks ends: %o', async (finished, message) => {
    await expect(overNetlink({ stream: async () => finished })).rejects.toThrow(new NetlinkError(message));
  });

  it('is right or is refused, whatever byte of an answer is another', async () => {
    const whole = await overNetlink(recordedKernel());
    const known = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 400 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 1, max: 255 }),
        async (at, where, flip) => {
          const commands = recordedKernel([], (answer, count) =>
            count !== at
              ? answer
              : answer.map((hex) => {
                  const bytes = Buffer.from(hex, 'hex');
                  const place = Math.floor(where * bytes.length);
                  bytes[place] = (bytes[place] ?? 0) ^ flip;
                  return bytes.toString('hex');
                }),
          );
          try {
            const text = await overNetlink(commands);
            known.add(text === whole ? 'the same' : 'another value');
            // Whatever is read of it is of the form that is known.
            expect(text).not.toContain('undefined');
          } catch (error) {
            if (!(error instanceof NetlinkError || error instanceof ChangedError)) throw error;
            known.add(error.name);
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(known).toContain('NetlinkError');
  });
});

describe.runIf(isLittleEndian)('the way of reading', () => {
  const changed = (times: number): Commands & { readonly ran: string[] } => {
    const ran: string[] = [];
    let left = times;
    const kernel = recordedKernel(ran, (answer) => {
      const [hex = ''] = answer;
      const [first] = messagesOf(hex);
      // The table (NFT_MSG_NEWTABLE) is asked for once in an attempt, behind the generation that all must have.
      if (left === 0 || first?.readUInt16LE(4) !== 10 << 8) return answer;
      left -= 1;
      return [withFirst(hex, otherGeneration), ...answer.slice(1)];
    });
    return { ...kernel, ran };
  };

  it.each([0, 1, 2])('is netlink where the table changes %i times', async (times) => {
    const commands = changed(times);
    expect(await readNftTable(commands, 'IPv4', 'kube-proxy', readAll)).toEqual({
      result: await overNetlink(recordedKernel()),
    });
    expect(commands.ran).toEqual(['perl']);
  });

  it('is the listing where the table changes each time, and where that fails too, it says why', async () => {
    const commands = changed(3);
    expect(await readNftTable(commands, 'IPv4', 'kube-proxy', readAll)).toEqual({ problem: 'nft fails' });
    expect(commands.ran).toEqual(['perl', 'nft -j list table ip kube-proxy']);
  });

  it('gives no record but that it is unread where neither way goes', async () => {
    const records: NodeReportRecord[] = [];
    await readNftables(
      recordedKernel([], () => [errorAnswer(1)]),
      'IPv4',
      [],
      [],
      'References',
      (record) => records.push(record),
    );
    expect(records).toEqual([
      {
        kind: 'unread',
        family: 'IPv4',
        part: 'rules',
        what: 'rules of nftables, table kube-proxy',
        reason: 'nft fails',
      },
    ]);
  });

  it('reads several Services in one pass, each with what is its own, and how long session affinity lasts', async () => {
    const service = (name: string, clusterIP: string): ProbeRequest['services'][number] => ({
      namespace: 'default',
      name,
      clusterIPs: [clusterIP],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [{ protocol: 'TCP', port: 80 }],
    });
    const [ordinary, sticky] = [service('cluster-ip', '10.96.1.1'), service('sticky', '10.96.1.13')];
    const recordsOf = async (services: ProbeRequest['services']): Promise<NodeReportRecord[]> => {
      const records: NodeReportRecord[] = [];
      await readNftables(recordedKernel(), 'IPv4', services, [], 'References', (record) => records.push(record));
      return records;
    };
    const records = await recordsOf([ordinary, sticky]);
    expect(records).toEqual([...(await recordsOf([ordinary])), ...(await recordsOf([sticky]))]);
    const report: NodeReport = {
      node: 'node-b',
      complete: true,
      records: [
        {
          kind: 'start',
          version: 1,
          node: 'node-b',
          startedAt: collectedAt,
          kernel: '6.1',
          probeVersion: 'test',
          addresses: [],
        },
        {
          kind: 'tables',
          nftables: [{ family: 'ip', name: 'kube-proxy' }],
          legacy: { IPv4: [], IPv6: [] },
          ipvs: false,
        },
        ...records,
        { kind: 'end', finishedAt: collectedAt, durationMilliseconds: 1 },
      ],
    };
    const programOf = ({ name, clusterIPs, ports }: ProbeRequest['services'][number]): FrontendProgram | undefined =>
      buildNodeProgram(parseNodeReport(report.records.map((record) => JSON.stringify(record)).join('\n')), {
        ...desiredService([], { clusterIPs, ports: ports.map(({ protocol, port }) => ({ protocol, port })) }),
        name,
      }).frontends[0];
    expect(programOf(ordinary)).toMatchObject({ verdict: 'DNAT' });
    expect(programOf(ordinary)?.sessionAffinity).toBeUndefined();
    expect(programOf(sticky)).toMatchObject({ verdict: 'DNAT', sessionAffinity: { value: 10800 } });
    // Who the clients are stays on the node.
    for (const record of records)
      if (record.kind === 'nftElements' && record.name.startsWith('affinity-'))
        expect(record).toMatchObject({ elements: [], timeout: 10800 });
  });

  it('gives a Service nothing of another one whose address it claims: no element, no chain, no endpoint', async () => {
    const read = async (externalIPs: string[]): Promise<NodeReportRecord[]> => {
      const records: NodeReportRecord[] = [];
      const intruder: ProbeRequest['services'][number] = {
        namespace: 'tenant',
        name: 'intruder',
        clusterIPs: ['10.96.77.77'],
        externalIPs,
        loadBalancerIPs: externalIPs,
        ports: [{ protocol: 'TCP', port: 80 }],
      };
      await readNftables(recordedKernel(), 'IPv4', [intruder], [], 'References', (record) => records.push(record));
      return records;
    };
    // cluster-ip, sticky, and one of several ports.
    expect(await read(['10.96.1.1', '10.96.1.13'])).toEqual(await read([]));
    expect(JSON.stringify(await read([]))).not.toContain('default/');
  });

  it('hides no mistake of its own', async () => {
    await expect(
      readNftTable(recordedKernel(), 'IPv4', 'kube-proxy', () => Promise.reject(new TypeError('a mistake'))),
    ).rejects.toThrow(TypeError);
  });
});
