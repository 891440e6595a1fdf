/**
 * IPVS is not in the kernel of the tests: the texts are laid out as ipvsadm 1.31 prints them (print_title and
 * print_service_entry in ipvsadm.c) and as the kernel writes /proc/net/ip_vs (ip_vs_info_seq_show in ip_vs_ctl.c).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpvsadmDump, mergeIpvsTraffic, parseIpvsadm, printIpvsadmSave } from '../../../core/ipvs/parse.ts';
import type { RealServer, VirtualServer } from '../../../core/ipvs/virtual-server.ts';
import { expectSameInChunks, mutatedDump } from '../../support/mutated-dump.ts';

const list = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.1:443 rr
  -> 172.30.0.11:6443             Masq    1      3          0         
TCP  10.96.0.7:80 wrr persistent 10800
  -> 10.244.1.2:8080              Masq    3      0          12        
  -> 10.244.2.2:8080              Masq    0      1          0         
TCP  10.96.0.8:80 sh (sh-fallback,sh-port) persistent 360 mask 255.255.255.0 pe sip ops
TCP  [fd00:10:96::1]:443 rr
  -> [fd00:30::11]:6443           Masq    1      0          0         
UDP  10.96.0.10:53 rr
  -> 10.244.1.3:53                Masq    1      0          2         
FWM  7 wlc
  -> 10.244.1.9:0                 Route   1      0          0         
FWM  -1 IPv6 wlc
`;

const stats = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.96.0.7:80                      401  8939187  8953980  830843K    1135M
  -> 10.244.1.2:8080                   134  3026088  3031335  281255K  384268K
  -> 10.244.2.2:8080                   267  5913099  5922645 99999999    1135M
`;

const exactRate = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
TCP  10.96.0.7:80                        1       22       21     1900 123456789012
  -> 10.244.1.2:8080                     1       22       21     1900 123456789012
  -> 10.244.9.9:8080                     0        0        0        0        0
`;

const saved = `-A -t 10.96.0.1:443 -s rr
-a -t 10.96.0.1:443 -r 172.30.0.11:6443 -m -w 1
-A -t 10.96.0.7:80 -s wrr -p 10800
-a -t 10.96.0.7:80 -r 10.244.1.2:8080 -m -w 3
-a -t 10.96.0.7:80 -r 10.244.2.2:8080 -m -w 0
-A -t 10.96.0.8:80 -s sh -p 360 -M 255.255.255.0 --pe sip -o -b sh-fallback,sh-port
-A -t [fd00:10:96::1]:443 -s rr
-a -t [fd00:10:96::1]:443 -r [fd00:30::11]:6443 -m -w 1
-A -u 10.96.0.10:53 -s rr
-a -u 10.96.0.10:53 -r 10.244.1.3:53 -m -w 1
-A -f 7 -s wlc
-a -f 7 -r 10.244.1.9:0 -g -w 1
-A -f -1 -6 -s wlc
-A --sctp-service 10.96.0.11:132 -s rr
-a --sctp-service 10.96.0.11:132 -r 10.244.1.3:132 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
`;

const proc = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr  
  -> AC1E000B:192B      Masq    1      3          0         
TCP  [fd00:0010:0096:0000:0000:0000:0000:0001]:1234 rr persistent 1080000 80000000
  -> [fd00:0030:0000:0000:0000:0000:0000:0011]:1090      Masq    1      0          0         
UDP  0A60000A:0035 rr ops persistent 36000 FFFFFF00
FWM  00000010 wlc 
  -> 0AF40109:0000      Route   1      0          0         
`;

const { virtualServers } = parseIpvsadm(list).result;

describe('parseIpvsadm', () => {
  it('reads ipvsadm -Ln', () => {
    const { result, problems } = parseIpvsadm(list);
    expect(problems).toEqual([]);
    expect(result.virtualServers[1]).toEqual({
      protocol: 'TCP',
      address: '10.96.0.7',
      port: 80,
      scheduler: 'wrr',
      schedulerFlags: [],
      isOnePacket: false,
      persistence: 10800,
      realServers: [
        {
          address: '10.244.1.2',
          port: 8080,
          forward: 'Masq',
          weight: 3,
          activeConnections: 0,
          inactiveConnections: 12,
          others: [],
        },
        {
          address: '10.244.2.2',
          port: 8080,
          forward: 'Masq',
          weight: 0,
          activeConnections: 1,
          inactiveConnections: 0,
          others: [],
        },
      ],
      others: [],
      line: 6,
    });
    expect(result.virtualServers[2]).toMatchObject({
      scheduler: 'sh',
      schedulerFlags: ['sh-fallback', 'sh-port'],
      persistence: 360,
      persistenceMask: '255.255.255.0',
      isOnePacket: true,
      others: ['--pe sip'],
      realServers: [],
    });
    expect(result.virtualServers[3]).toMatchObject({
      address: 'fd00:10:96::1',
      realServers: [{ address: 'fd00:30::11', port: 6443 }],
    });
    expect(result.virtualServers.slice(5)).toMatchObject([
      { firewallMark: 7, family: 'IPv4', realServers: [{ forward: 'Route' }] },
      { firewallMark: 0xffffffff, family: 'IPv6' },
    ]);
  });

  it('reads ipvsadm -Sn as the same servers, and prints it to the letter', () => {
    const { result, problems } = parseIpvsadm(saved);
    expect(problems).toEqual([]);
    const withoutState = virtualServers.map((server) => ({
      ...server,
      line: 0,
      realServers: server.realServers.map(
        ({ activeConnections: _active, inactiveConnections: _inactive, ...real }) => real,
      ),
    }));
    expect(result.virtualServers.slice(0, -1).map((server) => ({ ...server, line: 0 }))).toEqual(withoutState);
    expect(result.virtualServers.at(-1)?.realServers).toEqual([
      {
        address: '10.244.1.3',
        port: 132,
        forward: 'Tunnel',
        weight: 1,
        others: ['--tun-type gue', '--tun-port 6080', '--tun-nocsum'],
      },
    ]);
    expect(printIpvsadmSave(result.virtualServers)).toBe(saved);
  });

  it("takes ipvsadm's own defaults where a written file leaves them out (ipvsadm(8), example 1)", () => {
    const { result } = parseIpvsadm(
      '-A -t 207.175.44.110:80 -p\n-a -t 207.175.44.110:80 -r 192.168.10.1 -m\n-a -t 207.175.44.110:80 -r 192.168.10.2:81\n',
    );
    expect(result.virtualServers).toMatchObject([
      {
        scheduler: 'wlc',
        persistence: 300,
        realServers: [
          { address: '192.168.10.1', port: 80, forward: 'Masq', weight: 1 },
          { port: 81, forward: 'Route', weight: 1 },
        ],
      },
    ]);
  });

  it('reads /proc/net/ip_vs, whose numbers are hexadecimal', () => {
    const { result, problems } = parseIpvsadm(proc);
    expect(problems).toEqual([]);
    expect(result.virtualServers).toMatchObject([
      {
        protocol: 'TCP',
        address: '10.96.0.1',
        port: 443,
        realServers: [{ address: '172.30.0.11', port: 6443, weight: 1, activeConnections: 3 }],
      },
      {
        address: 'fd00:10:96::1',
        port: 0x1234,
        persistenceTicks: 1080000,
        realServers: [{ address: 'fd00:30::11', port: 0x1090 }],
      },
      {
        protocol: 'UDP',
        address: '10.96.0.10',
        port: 53,
        isOnePacket: true,
        persistenceTicks: 36000,
        persistenceMask: '255.255.255.0',
      },
      { firewallMark: 16, realServers: [{ address: '10.244.1.9', port: 0, forward: 'Route' }] },
    ]);
    expect(result.virtualServers[1]).not.toHaveProperty('persistenceMask');
    expect(() => printIpvsadmSave(result.virtualServers)).toThrow(
      new RangeError(
        'the persistence of -t [fd00:10:96::1]:4660 is known as 1080000 ticks of the kernel, not in seconds',
      ),
    );
  });

  it('puts --stats and --rate beside the servers, and says which numbers are cut', () => {
    const { result, problems } = parseIpvsadm(list + stats + exactRate);
    expect(problems).toEqual([]);
    const server = result.virtualServers[1];
    expect(server?.stats).toEqual({
      connections: 401,
      inPackets: 8939187,
      outPackets: 8953980,
      inBytes: 830843000,
      outBytes: 1135000000,
      isRounded: true,
    });
    expect(server?.realServers.map((real) => real.stats?.inBytes)).toEqual([281255000, 99999999]);
    expect(server?.rate).toEqual({
      connections: 1,
      inPackets: 22,
      outPackets: 21,
      inBytes: 1900,
      outBytes: 123456789012,
      isRounded: false,
    });
    expect(server?.realServers[1]).not.toHaveProperty('rate');
    // A real server that came between the two lists is not lost.
    expect(result.traffic).toMatchObject([
      { kind: 'rate', server: { address: '10.96.0.7', port: 80 }, realServers: [{ address: '10.244.9.9' }] },
    ]);
    expect(mergeIpvsTraffic(parseIpvsadm(list).result.virtualServers, parseIpvsadm(stats).result.traffic)).toEqual({
      virtualServers: parseIpvsadm(list + stats).result.virtualServers,
      traffic: [],
    });
  });

  it('takes two lists of the same servers together', () => {
    const both = parseIpvsadm(saved + list);
    expect(both.problems).toEqual([]);
    expect(both.result.virtualServers).toHaveLength(8);
    expect(both.result.virtualServers[1]).toMatchObject({
      persistence: 10800,
      line: 3,
      realServers: [
        { weight: 3, inactiveConnections: 12 },
        { weight: 0, activeConnections: 1 },
      ],
    });
  });

  it.each([
    [
      'a name instead of an address',
      'TCP  loadbalancer:http rr\n',
      1,
      'is not a line of ipvsadm -Ln, ipvsadm -Sn or /proc/net/ip_vs: TCP  loadbalancer:http rr',
    ],
    [
      'a list that begins too late',
      '  -> 10.244.1.3:53                Masq    1      0          2\n',
      1,
      'is a real server with no virtual server before it: the list begins too late; capture it again: -> 10.244.1.3:53                Masq    1      0          2',
    ],
    [
      'an -a without its -A',
      '-a -t 10.96.0.1:443 -r 172.30.0.11:6443 -m -w 1\n',
      1,
      'is a real server of a virtual server that no -A line before it adds: the dump begins too late; capture it again: -a -t 10.96.0.1:443 -r 172.30.0.11:6443 -m -w 1',
    ],
    [
      'a line of unclear numbers',
      'FWM  00000010 wlc\n',
      1,
      'can be a line of ipvsadm -Ln or of /proc/net/ip_vs, which has hexadecimal numbers; give the list with its heading: FWM  00000010 wlc',
    ],
    [
      'a server that is there twice',
      'TCP  10.96.0.1:443 rr\nTCP  10.96.0.1:443 rr\n',
      2,
      'declares the virtual server of line 1 again; their real servers are taken together',
    ],
    [
      'another way of forwarding',
      'TCP  10.96.0.1:443 rr\n  -> 10.244.1.3:53  Teleport 1 0 2\n',
      2,
      'has a way of forwarding that is not known: -> 10.244.1.3:53  Teleport 1 0 2',
    ],
    [
      'a word that is not known',
      'TCP  10.96.0.1:443 rr sticky\n',
      1,
      'has a word that is not known, "sticky": TCP  10.96.0.1:443 rr sticky',
    ],
    [
      'a list of --timeout',
      'Timeout (tcp tcpfin udp): 900 120 300\n',
      1,
      'is not a line of ipvsadm -Ln, ipvsadm -Sn or /proc/net/ip_vs: Timeout (tcp tcpfin udp): 900 120 300',
    ],
  ])('says what is wrong with %s', (_name, text, line, message) => {
    expect(parseIpvsadm(text).problems).toEqual([{ line, message }]);
  });

  it('names each line of a list that it does not know', () => {
    const text = `Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn\n  -> RemoteAddress:Port\nTCP  10.96.0.1:443\n  -> 172.30.0.11:6443             0          0          3          0\n`;
    expect(parseIpvsadm(text).problems.map(({ line }) => line)).toEqual([3, 4]);
  });

  it('prints any servers so that they are read back the same', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(serverArbitrary, {
          selector: (server) =>
            [server.protocol, server.address, server.port, server.firewallMark, server.family].join(),
        }),
        (servers) => {
          const { result, problems } = parseIpvsadm(printIpvsadmSave(servers));
          expect(problems).toEqual([]);
          expect(result.virtualServers.map((server) => ({ ...server, line: 0 }))).toEqual(servers);
        },
      ),
    );
  });

  it('never throws, in whatever chunks a dump comes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), mutatedDump([list, saved, proc, list + stats + exactRate])),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (text, sizes) => {
          expectSameInChunks(() => new IpvsadmDump(), text, sizes);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('names every line that it does not understand', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~][ -~]*$/), (line) => {
        fc.pre(!/^(-A|-a|--add|TCP|UDP|SCTP|FWM|Prot|->|IP Virtual)/.test(line));
        expect(parseIpvsadm(list + line).problems).toMatchObject([{ line: list.split('\n').length }]);
      }),
    );
  });
});

const v4 = fc.ipV4();
const v6 = fc.integer({ min: 1, max: 0xffff }).map((last) => `fd00::${last.toString(16)}`);
const port = fc.integer({ min: 0, max: 65535 });

function realServers(address: fc.Arbitrary<string>): fc.Arbitrary<RealServer[]> {
  return fc.uniqueArray(
    fc.record({
      address,
      port,
      forward: fc.constantFrom('Masq' as const, 'Route' as const, 'Tunnel' as const),
      weight: fc.nat({ max: 65535 }),
      others: fc.constantFrom<string[]>([], ['--tun-type ipip']),
    }),
    { selector: (real) => `${real.address} ${real.port}`, maxLength: 5 },
  );
}

const serverArbitrary: fc.Arbitrary<VirtualServer> = fc.constantFrom(v4, v6).chain((address) =>
  fc
    .tuple(
      fc.oneof(
        fc.record({ protocol: fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const), address, port }),
        fc.record({
          firewallMark: fc.integer({ min: 1, max: 0xffffffff }),
          family: fc.constant(address === v4 ? ('IPv4' as const) : ('IPv6' as const)),
        }),
      ),
      fc.constantFrom({ scheduler: 'rr', schedulerFlags: [] }, { scheduler: 'mh', schedulerFlags: ['mh-port'] }),
      fc.constantFrom<{ persistence?: number; persistenceMask?: string }>(
        {},
        { persistence: 10800 },
        { persistence: 60, persistenceMask: address === v4 ? '255.255.0.0' : '64' },
      ),
      fc.boolean(),
      fc.constantFrom<string[]>([], ['--pe sip']),
      realServers(address),
    )
    .map(([name, scheduling, persistence, isOnePacket, others, real]) => ({
      ...name,
      ...scheduling,
      ...persistence,
      isOnePacket,
      others,
      realServers: real,
      line: 0,
    })),
);
