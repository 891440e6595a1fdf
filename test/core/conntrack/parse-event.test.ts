/** Messages as Linux 6.18 sent them; beside each, what `conntrack -E -o id` printed of it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConntrackEvent } from '../../../core/conntrack/parse-event.ts';
import {
  bigEndianBytes,
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  NetlinkError,
  netlinkMessage,
  parseNetlinkMessages,
} from '../../../core/nftables/netlink/message.ts';

const recorded = {
  opened:
    'c4000000000100060000000000000000020000003400018014000180080001000a600007080002000a6000091c000280050001000600000006000200c072000006000300005000003400028014000180080001007f000001080002000a6000071c0002800500010006000000060002001f90000006000300c072000008000c004b56339108000300000001a80800070000000078300004802c0001800500010001000000050002000a000000050003000000000006000400030000000600050000000000',
  answered:
    'c4000000000100000000000000000000020000003400018014000180080001000a600007080002000a6000091c000280050001000600000006000200c072000006000300005000003400028014000180080001007f000001080002000a6000071c0002800500010006000000060002001f90000006000300c072000008000c004b56339108000300000001aa080007000000003c300004802c0001800500010002000000050002000a000000050003000a00000006000400030000000600050023000000',
  reset:
    'c4000000000100000000000000000000020000003400018014000180080001000a600007080002000a6000091c000280050001000600000006000200c076000006000300005000003400028014000180080001007f000001080002000a6000071c0002800500010006000000060002001f90000006000300c076000008000c00d9f3842808000300000001ae080007000000000a300004802c0001800500010008000000050002000a000000050003000a00000006000400230000000600050023000000',
  refused:
    'a4000000020100000000000000000000020000003400018014000180080001000a600007080002000a6000091c0002800500010006000000060002009aba000006000300005100003400028014000180080001007f000001080002000a6000071c0002800500010006000000060002001f910000060003009aba000008000c00ac13750e08000300000003a80800070000000078100004800c0001800500010008000000',
  closed:
    'a400000002010000000000006945789e020000003400018014000180080001000a600007080002000a6000091c000280050001000600000006000200c072000006000300005000003400028014000180080001007f000001080002000a6000071c0002800500010006000000060002001f90000006000300c072000008000c004b56339108000300000003ae0800070000000077100004800c0001800500010007000000',
};

const eventOf = (bytes: Uint8Array) =>
  parseNetlinkMessages(bytes).map((message) => parseConntrackEvent(message) ?? expect.fail('it is no event'))[0];
const read = (name: keyof typeof recorded) => eventOf(Buffer.from(recorded[name], 'hex'));

describe.skipIf(new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1)('parseConntrackEvent', () => {
  it('reads a new entry', () => {
    // [NEW] tcp 6 120 SYN_SENT src=10.96.0.7 dst=10.96.0.9 sport=49266 dport=80 [UNREPLIED] src=127.0.0.1 dst=10.96.0.7 sport=8080 dport=49266 id=1263940497
    expect(read('opened')).toEqual({
      kind: 'New',
      entry: {
        family: 'IPv4',
        protocol: 'tcp',
        protocolNumber: 6,
        state: 'SYN_SENT',
        timeout: 120,
        unreplied: true,
        assured: false,
        id: 1263940497,
        original: { source: '10.96.0.7', sourcePort: 49266, destination: '10.96.0.9', destinationPort: 80 },
        reply: { source: '127.0.0.1', sourcePort: 8080, destination: '10.96.0.7', destinationPort: 49266 },
      },
    });
  });

  it('reads updates, and how an entry ended', () => {
    // [UPDATE] tcp 6 60 SYN_RECV … id=1263940497
    expect(read('answered')).toMatchObject({
      kind: 'Updated',
      entry: { state: 'SYN_RECV', unreplied: false, assured: false, id: 1263940497 },
    });
    // [UPDATE] tcp 6 10 CLOSE … [ASSURED] id=3656614952
    expect(read('reset')).toMatchObject({
      kind: 'Updated',
      entry: { state: 'CLOSE', timeout: 10, unreplied: false, assured: true, id: 3656614952 },
    });
    // [DESTROY] tcp 6 120 CLOSE … dport=81 [UNREPLIED] … sport=8081 id=2886956302
    expect(read('refused')).toMatchObject({
      kind: 'Destroyed',
      entry: { state: 'CLOSE', unreplied: true, reply: { sourcePort: 8081 }, id: 2886956302 },
    });
    // [DESTROY] tcp 6 119 TIME_WAIT … [ASSURED] id=1263940497 [USERSPACE] portid=2658682217
    expect(read('closed')).toMatchObject({
      kind: 'Destroyed',
      entry: { state: 'TIME_WAIT', unreplied: false, assured: true, id: 1263940497 },
    });
  });

  const number = (value: bigint, length: number): Uint8Array => bigEndianBytes(value, length);
  const tuple = (type: number, addresses: readonly Uint8Array[], ports: readonly bigint[], first = 3): Uint8Array =>
    nestedAttribute(
      type,
      joinBytes([
        nestedAttribute(1, joinBytes(addresses.map((address, index) => netlinkAttribute(first + index, address)))),
        nestedAttribute(
          2,
          joinBytes([
            netlinkAttribute(1, number(17n, 1)),
            ...ports.map((port, index) => netlinkAttribute(2 + index, number(port, 2))),
          ]),
        ),
        netlinkAttribute(3, number(5n, 2)),
      ]),
    );
  const counters = (type: number, packets: bigint): Uint8Array =>
    nestedAttribute(type, joinBytes([netlinkAttribute(1, number(packets, 8)), netlinkAttribute(2, number(99n, 8))]));
  const [client, service] = [number((0xfd00n << 112n) | 4n, 16), number((0xfd00n << 112n) | 0x96n, 16)];

  it('reads IPv6, zones, marks, counters, and the times that the kernel stamped', () => {
    const message = netlinkMessage(
      0x102,
      0,
      0,
      joinBytes([
        Uint8Array.of(10, 0, 0, 0),
        tuple(1, [client, service], [4000n, 53n]),
        tuple(2, [service, client], [53n, 4000n]),
        netlinkAttribute(18, number(7n, 2)),
        netlinkAttribute(12, number(77n, 4)),
        netlinkAttribute(3, number(0x208n, 4)),
        counters(9, 2n),
        counters(10, 0n),
        nestedAttribute(
          20,
          joinBytes([
            netlinkAttribute(1, number(1796066955478498812n, 8)),
            netlinkAttribute(2, number(1796066985478498812n, 8)),
          ]),
        ),
        netlinkAttribute(8, number(0x4000n, 4)),
      ]),
    );
    expect(eventOf(message)).toEqual({
      kind: 'Destroyed',
      started: 1796066955478.498,
      stopped: 1796066985478.498,
      entry: {
        family: 'IPv6',
        protocol: 'udp',
        protocolNumber: 17,
        unreplied: true,
        assured: false,
        mark: 0x4000,
        zone: 7,
        id: 77,
        original: {
          source: 'fd00::4',
          sourcePort: 4000,
          destination: 'fd00::96',
          destinationPort: 53,
          counters: { packets: 2, bytes: 99 },
          zone: 5,
        },
        reply: {
          source: 'fd00::96',
          sourcePort: 53,
          destination: 'fd00::4',
          destinationPort: 4000,
          counters: { packets: 0, bytes: 99 },
          zone: 5,
        },
      },
    });
  });

  it('gives nothing for messages of other kinds', () => {
    expect(parseConntrackEvent({ type: 0x200, flags: 0, sequence: 0, payload: new Uint8Array(4) })).toBeUndefined();
    expect(parseConntrackEvent({ type: 3, flags: 0, sequence: 0, payload: new Uint8Array(4) })).toBeUndefined();
  });

  it('refuses what is damaged with a NetlinkError, or reads an entry of it, and nothing else happens', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(recorded)),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(),
        (hex, changes, end) => {
          const bytes = Buffer.from(hex, 'hex');
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          try {
            for (const message of parseNetlinkMessages(bytes.subarray(0, end % (bytes.length + 1))))
              parseConntrackEvent(message);
          } catch (error) {
            expect(error).toBeInstanceOf(NetlinkError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
