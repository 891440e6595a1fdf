import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConntrackLine } from '../../../core/conntrack/parse-entry.ts';

const original = { source: '10.244.1.4', sourcePort: 47330, destination: '10.96.214.4', destinationPort: 80 };
const reply = { source: '10.244.3.3', sourcePort: 8080, destination: '10.244.1.4', destinationPort: 47330 };
const tuples =
  'src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=47330';

const cases: [string, string, object][] = [
  [
    'an extended line',
    `ipv4     2 tcp      6 119 TIME_WAIT ${tuples} [ASSURED] mark=0 use=1`,
    { family: 'IPv4', protocol: 'tcp', state: 'TIME_WAIT', unreplied: false, assured: true, original, reply },
  ],
  [
    'a plain line',
    `tcp      6 431999 ESTABLISHED ${tuples} [ASSURED] mark=0 secctx=null use=1`,
    { state: 'ESTABLISHED', assured: true, original, reply },
  ],
  [
    'counters of nf_conntrack_acct',
    `tcp      6 10 CLOSE src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 packets=5 bytes=400 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=47330 packets=4 bytes=500 mark=0 use=1`,
    { original, reply },
  ],
  [
    'an unreplied UDP flow',
    'udp      17 28 src=10.244.1.4 dst=10.96.0.10 sport=5353 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.4 sport=53 dport=5353 mark=0 use=1',
    {
      protocol: 'udp',
      unreplied: true,
      reply: { source: '10.96.0.10', sourcePort: 53, destination: '10.244.1.4', destinationPort: 5353 },
    },
  ],
  [
    'IPv6',
    'ipv6     10 tcp      6 97 SYN_SENT src=fd00::4 dst=fd00:10:96::98a1 sport=1 dport=80 [UNREPLIED] src=fd00::3 dst=fd00::4 sport=8080 dport=1 mark=0 zone=3 use=2',
    { family: 'IPv6', state: 'SYN_SENT', unreplied: true },
  ],
  [
    'ICMP, which has no ports',
    'icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1',
    { protocol: 'icmp', original: { source: '10.0.0.1', sourcePort: 0, destination: '10.0.0.2', destinationPort: 0 } },
  ],
  ['an offloaded flow, which has no time-out', `tcp      6 ${tuples} [OFFLOAD] mark=0 use=3`, { original, reply }],
];

describe('parseConntrackLine', () => {
  it.each(cases)('reads %s', (_name, line, expected) => {
    expect(parseConntrackLine(line)).toMatchObject(expected);
  });

  it('keeps all that a line says', () => {
    // conntrack 1.4.7 -o extended,id,ktimestamp on Linux 6.18, with nf_conntrack_acct and nf_conntrack_timestamp.
    const line =
      'ipv4     2 icmp     1 29 src=10.0.0.4 dst=10.0.0.5 type=8 code=0 id=9 zone-orig=3 packets=1 bytes=84 [UNREPLIED] src=10.0.0.5 dst=10.0.0.4 type=0 code=0 id=9 packets=0 bytes=0 mark=16384 delta-time=0 [start=Wed Nov 25 14:31:39 2026] use=1 id=713195387';
    expect(parseConntrackLine(line)).toEqual({
      family: 'IPv4',
      protocol: 'icmp',
      protocolNumber: 1,
      timeout: 29,
      unreplied: true,
      assured: false,
      mark: 16384,
      id: 713195387,
      use: 1,
      original: {
        source: '10.0.0.4',
        sourcePort: 0,
        destination: '10.0.0.5',
        destinationPort: 0,
        icmp: { type: 8, code: 0, id: 9 },
        counters: { packets: 1, bytes: 84 },
        zone: 3,
      },
      reply: {
        source: '10.0.0.5',
        sourcePort: 0,
        destination: '10.0.0.4',
        destinationPort: 0,
        icmp: { type: 0, code: 0, id: 9 },
        counters: { packets: 0, bytes: 0 },
      },
      others: ['delta-time=0', '[start=Wed Nov 25 14:31:39 2026]'],
    });
  });

  it.each([
    ['the network card forwards', '[HW_OFFLOAD]', { offload: 'hardware' }],
    ['a flow table forwards', '[OFFLOAD]', { offload: 'software' }],
    ['a kernel of tomorrow marks', '[TELEPORT]', { others: ['[TELEPORT]'] }],
  ])('reads a flow that %s', (_name, flag, expected) => {
    expect(parseConntrackLine(`tcp      6 ${tuples} ${flag} mark=0 zone=4 use=3`)).toMatchObject({
      original,
      reply,
      zone: 4,
      ...expected,
    });
  });

  it('reads a line of /proc, which writes all of an address and zone 0, as conntrack prints it', () => {
    const proc =
      'ipv6     10 tcp      6 99 SYN_SENT src=fd00:0000:0000:0000:0000:0000:0000:0004 dst=fd00:0010:0096:0000:0000:0000:0000:0001 sport=1 dport=80 [UNREPLIED] src=fd00:0000:0000:0000:0000:0000:0000:0003 dst=fd00:0000:0000:0000:0000:0000:0000:0004 sport=8080 dport=1 mark=0 zone=0 use=1';
    const listed =
      'ipv6     10 tcp      6 99 SYN_SENT src=fd00::4 dst=fd00:10:96::1 sport=1 dport=80 [UNREPLIED] src=fd00::3 dst=fd00::4 sport=8080 dport=1 mark=0 use=1';
    expect(parseConntrackLine(proc)).toEqual(parseConntrackLine(listed));
  });

  it('reads what belongs to GRE', () => {
    expect(
      parseConntrackLine(
        'ipv4     2 gre      47 29 timeout=0, stream_timeout=0 src=10.0.0.1 dst=10.0.0.2 srckey=0x5 dstkey=0x6 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 srckey=0x6 dstkey=0x5 mark=0 zone=0 use=2',
      ),
    ).toMatchObject({
      protocolNumber: 47,
      original: { others: ['srckey=0x5', 'dstkey=0x6'] },
      others: ['timeout=0,', 'stream_timeout=0'],
    });
  });

  it.each([
    '',
    'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.',
    'tcp 6 119 ESTABLISHED src=10.0.0.1',
    `tcp 6 119 ESTABLISHED ${tuples} mark=x`,
    `tcp 6 119 ESTABLISHED ${tuples.replace('dport=80', 'dport=80000')}`,
    `tcp 6 119 ESTABLISHED ${tuples.replace('10.96.214.4', 'nowhere')}`,
    `tcp six 119 ESTABLISHED ${tuples}`,
  ])('takes %j for no entry', (line) => {
    expect(parseConntrackLine(line)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (line) => void parseConntrackLine(line)));
  });
});
