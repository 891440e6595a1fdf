import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConntrackLine } from '../../../core/parse/conntrack.ts';

const original = { source: '10.244.1.4', sourcePort: 47330, destination: '10.96.214.4', destinationPort: 80 };
const reply = { source: '10.244.3.3', sourcePort: 8080, destination: '10.244.1.4', destinationPort: 47330 };
const tuples = 'src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=47330';

const cases: [string, string, object][] = [
  ['an extended line', `ipv4     2 tcp      6 119 TIME_WAIT ${tuples} [ASSURED] mark=0 use=1`, { family: 'IPv4', protocol: 'tcp', state: 'TIME_WAIT', unreplied: false, assured: true, original, reply }],
  ['a plain line', `tcp      6 431999 ESTABLISHED ${tuples} [ASSURED] mark=0 secctx=null use=1`, { state: 'ESTABLISHED', assured: true, original, reply }],
  ['counters of nf_conntrack_acct', `tcp      6 10 CLOSE src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 packets=5 bytes=400 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=47330 packets=4 bytes=500 mark=0 use=1`, { original, reply }],
  ['an unreplied UDP flow', 'udp      17 28 src=10.244.1.4 dst=10.96.0.10 sport=5353 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.244.1.4 sport=53 dport=5353 mark=0 use=1', { protocol: 'udp', unreplied: true, reply: { source: '10.96.0.10', sourcePort: 53, destination: '10.244.1.4', destinationPort: 5353 } }],
  ['IPv6', 'ipv6     10 tcp      6 97 SYN_SENT src=fd00::4 dst=fd00:10:96::98a1 sport=1 dport=80 [UNREPLIED] src=fd00::3 dst=fd00::4 sport=8080 dport=1 mark=0 zone=3 use=2', { family: 'IPv6', state: 'SYN_SENT', unreplied: true }],
  ['ICMP, which has no ports', 'icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1', { protocol: 'icmp', original: { source: '10.0.0.1', sourcePort: 0, destination: '10.0.0.2', destinationPort: 0 } }],
  ['an offloaded flow, which has no time-out', `tcp      6 ${tuples} [OFFLOAD] mark=0 use=3`, { original, reply }],
];

describe('parseConntrackLine', () => {
  it.each(cases)('reads %s', (_name, line, expected) => {
    expect(parseConntrackLine(line)).toMatchObject(expected);
  });

  it.each(['', 'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.', 'tcp 6 119 ESTABLISHED src=10.0.0.1'])('takes %j for no entry', (line) => {
    expect(parseConntrackLine(line)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (line) => void parseConntrackLine(line)));
  });
});
