/** Files of /proc/net: lines that Linux 6.18 printed, and addresses written as the kernel writes them. */
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { parseIfInet6, parseLocalAddresses } from '../../../core/proc/addresses.ts';
import { parseProcVirtualServers } from '../../../core/proc/ip-vs.ts';
import { parseListeningSocket } from '../../../core/proc/sockets.ts';
import { mutatedDump } from '../../support/mutated-dump.ts';

const listen =
  '   0: 0100007F:7562 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 18563 1 0000000000000000 100 0 0 10 0';
const fibTrie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.244.1.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 2 0 2
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     |-- 10.96.0.7
        /32 host LOCAL
`;
const ipVs = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600007:0050 rr persistent 10800 FFFFFFFF
  -> 0AF40102:1F90      Masq    1      0          0
UDP  [fd00:0000:0000:0000:0000:0000:0000:0007]:0035 rr
FWM  00000001 rr
`;
const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
const hex = (each: readonly number[]): string =>
  each.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');

describe('parseListeningSocket', () => {
  it('reads a socket that listens, with whose it is', () => {
    expect(parseListeningSocket(listen, 'TCP', 'LE')).toEqual({ address: '127.0.0.1', port: 30050, uid: 1000 });
  });

  it('leaves out the heading, connections, and UDP sockets that are connected', () => {
    expect(
      parseListeningSocket(
        '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
        'TCP',
        'LE',
      ),
    ).toBeUndefined();
    expect(parseListeningSocket(listen.replace(' 0A ', ' 01 '), 'TCP', 'LE')).toBeUndefined();
    expect(parseListeningSocket(listen.replace(' 0A ', ' 01 '), 'UDP', 'LE')).toBeUndefined();
    expect(parseListeningSocket(listen.replace(' 0A ', ' 07 '), 'UDP', 'LE')).toMatchObject({ port: 30050 });
  });

  it('reads any address of either family and byte order', () => {
    fc.assert(
      fc.property(
        bytes,
        fc.integer({ min: 0, max: 65535 }),
        fc.constantFrom('LE' as const, 'BE' as const),
        (array, port, order) => {
          const inWords = [...array].flatMap((_, index) =>
            order === 'BE' ? [array[index] ?? 0] : [array[(index & ~3) + 3 - (index & 3)] ?? 0],
          );
          const line = `  12: ${hex(inWords)}:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1`;
          expect(parseListeningSocket(line, 'TCP', order)).toEqual({
            address: ipaddr.fromByteArray([...array]).toString(),
            port,
            uid: 0,
          });
        },
      ),
    );
  });

  it('takes a mutated line for a socket or for none', () => {
    fc.assert(
      fc.property(mutatedDump([listen]), (line) => {
        const socket = parseListeningSocket(line, 'TCP', 'LE');
        expect(
          socket === undefined || (socket.port >= 0 && socket.port <= 65535 && ipaddr.isValid(socket.address)),
        ).toBe(true);
      }),
    );
  });
});

describe('the addresses of /proc', () => {
  it('are the local ones of fib_trie, and no networks or broadcast addresses', () => {
    expect([...parseLocalAddresses(fibTrie)]).toEqual(['127.0.0.1', '10.96.0.7']);
  });

  it('have their interfaces in if_inet6', () => {
    expect(
      parseIfInet6(
        'fd000000000000000000000000000007 05 80 00 80 kube-ipvs0\n00000000000000000000000000000001 01 80 10 80       lo\n',
      ),
    ).toEqual([
      { address: 'fd00::7', name: 'kube-ipvs0' },
      { address: '::1', name: 'lo' },
    ]);
  });

  it('are addresses, whatever the text', () => {
    fc.assert(
      fc.property(mutatedDump([fibTrie]), (text) => {
        for (const address of parseLocalAddresses(text)) expect(ipaddr.isValid(address)).toBe(true);
      }),
    );
  });
});

describe('parseProcVirtualServers', () => {
  it('reads servers of both families, and leaves out real servers and those by mark', () => {
    expect(parseProcVirtualServers(ipVs)).toEqual([
      { protocol: 'TCP', address: '10.96.0.7', port: 80 },
      { protocol: 'UDP', address: 'fd00::7', port: 53 },
    ]);
  });

  it('gives valid addresses and ports of a mutated file', () => {
    fc.assert(
      fc.property(mutatedDump([ipVs]), (text) => {
        for (const { address, port } of parseProcVirtualServers(text))
          expect(ipaddr.isValid(address) && port <= 65535).toBe(true);
      }),
    );
  });
});
