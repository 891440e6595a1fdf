/** The kernel's own table in a namespace, printed in four formats: the entries are the same. */
import { describe, expect, it } from 'vitest';
import type { ConntrackEntry, Tuple } from '../../core/conntrack/parse-entry.ts';
import { parseConntrack } from '../../core/conntrack/parse-dump.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['conntrack']);

const entries = [
  '-p tcp -s 10.244.1.4 -d 10.96.0.1 --sport 4000 --dport 80 -r 10.244.3.3 -q 10.244.1.4 --reply-port-src 8080 --reply-port-dst 4000 --state ESTABLISHED -t 400 -u ASSURED,SEEN_REPLY -m 0x4000',
  '-p udp -s 10.244.1.4 -d 10.96.0.10 --sport 5353 --dport 53 -t 300',
  '-p udp -s 10.244.1.4 -d 10.96.0.10 --sport 5353 --dport 53 -t 300 -w 7',
  '-p udp -s 10.0.0.4 -d 10.0.0.5 --sport 1 --dport 2 --orig-zone 3 -t 300',
  '-p icmp -s 10.0.0.1 -d 10.0.0.2 --icmp-type 8 --icmp-code 0 --icmp-id 77 -t 300',
  '-p icmpv6 -s fd00::4 -d fd00::5 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9 -t 300',
  '-p sctp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 2000 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 300',
  '-p tcp -s fd00::4 -d fd00:10:96::1 --sport 1 --dport 80 -r fd00::3 -q fd00::4 --reply-port-src 8080 --reply-port-dst 1 --state SYN_SENT -t 100',
  '-p gre -s 10.0.0.1 -d 10.0.0.2 --srckey 5 --dstkey 6 -t 300',
  '-p 89 -s 10.0.0.1 -d 10.0.0.2 -t 300',
];

const script = `
echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct
${entries.map((entry) => `conntrack -I ${entry} >/dev/null 2>&1`).join('\n')}
both() { conntrack -L -f ipv4 "$@" 2>/dev/null; conntrack -L -f ipv6 "$@" 2>/dev/null; }
both; echo =====
both -o extended,id; echo =====
both -o xml,id; echo =====
cat /proc/net/nf_conntrack`;

describe.skipIf(unavailable !== undefined)(`conntrack${unavailable === undefined ? '' : ` (${unavailable})`}`, () => {
  it('says the same of one table as text, as extended text, as XML and from /proc', async () => {
    const [plain = '', extended = '', xml = '', proc = ''] = (await inNamespace(script)).split('=====\n');
    const read = [plain, extended, xml, proc].map(parseConntrack);
    expect(read.map(({ problems }) => problems)).toEqual([[], [], [], []]);
    const [first, second, third, fourth] = read.map(({ result }) => result.map(comparable).sort());
    expect(first).toHaveLength(entries.length);
    expect(second).toEqual(first);
    expect(fourth).toEqual(first);
    // The XML has no ICMP type, and gives SCTP the states of TCP.
    const withoutGaps = read[1]?.result.map((entry) => comparable(withoutXmlGaps(entry))).sort();
    expect(read[2]?.result.map((entry) => comparable(withoutXmlGaps(entry))).sort()).toEqual(withoutGaps);
    expect(third?.filter((entry) => !entry.includes('icmp') && !entry.includes('sctp'))).toEqual(
      first?.filter((entry) => !entry.includes('icmp') && !entry.includes('sctp')),
    );
    expect(ids(read[2]?.result)).toEqual(ids(read[1]?.result));
  });

  it('reads what was put in', async () => {
    const [, extended = ''] = (await inNamespace(script)).split('=====\n');
    const { result } = parseConntrack(extended);
    expect(result.find(({ protocol, family }) => protocol === 'tcp' && family === 'IPv4')).toMatchObject({
      state: 'ESTABLISHED',
      assured: true,
      unreplied: false,
      mark: 0x4000,
      original: {
        source: '10.244.1.4',
        sourcePort: 4000,
        destination: '10.96.0.1',
        destinationPort: 80,
        counters: { packets: 0, bytes: 0 },
      },
      reply: { source: '10.244.3.3', sourcePort: 8080, destination: '10.244.1.4', destinationPort: 4000 },
    });
    expect(result.find(({ protocol }) => protocol === 'sctp')).toMatchObject({
      state: 'ESTABLISHED',
      protocolNumber: 132,
    });
    expect(result.find(({ protocol }) => protocol === 'icmpv6')).toMatchObject({
      family: 'IPv6',
      original: { icmp: { type: 128, code: 0, id: 9 } },
    });
    expect(
      result
        .filter(({ protocol }) => protocol === 'udp')
        .map(({ zone, original }) => zone ?? original.zone ?? 0)
        .sort((one, other) => one - other),
    ).toEqual([0, 3, 7]);
  });
});

/** What all four have: a second may pass between two of them, and each reader of the table is a user of its own. */
function comparable({ timeout: _timeout, use: _use, id: _id, others: _others, ...entry }: ConntrackEntry): string {
  return JSON.stringify(entry, Object.keys(entry).concat(tupleKeys).sort());
}

const tupleKeys = [
  'source',
  'sourcePort',
  'destination',
  'destinationPort',
  'icmp',
  'type',
  'code',
  'id',
  'counters',
  'packets',
  'bytes',
  'zone',
  'others',
];

function withoutXmlGaps({ state, ...entry }: ConntrackEntry): ConntrackEntry {
  const tuple = ({ icmp: _icmp, ...rest }: Tuple): Tuple => rest;
  return {
    ...entry,
    ...(state === undefined || entry.protocol !== 'tcp' ? {} : { state }),
    original: tuple(entry.original),
    reply: tuple(entry.reply),
  };
}

function ids(entries: readonly ConntrackEntry[] | undefined): (number | undefined)[] | undefined {
  return entries?.map(({ id }) => id).sort();
}
