/** The XML is what conntrack 1.4.7 printed on Linux 6.18; test/kernel/conntrack.test.ts compares it with the text of the same table. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConntrackLine, type ConntrackEntry, type Tuple } from '../../../core/conntrack/parse-entry.ts';
import { ConntrackDump, parseConntrack } from '../../../core/conntrack/parse-dump.ts';
import { expectSameInChunks, mutatedDump } from '../../support/mutated-dump.ts';

const text = `ipv4     2 udp      17 29 src=10.244.1.4 dst=10.96.0.10 sport=5353 dport=53 packets=1 bytes=60 [UNREPLIED] src=10.96.0.10 dst=10.244.1.4 sport=53 dport=5353 packets=0 bytes=0 mark=0 zone=7 use=1 id=2685118768
ipv4     2 tcp      6 399 ESTABLISHED src=10.244.1.4 dst=10.96.0.1 sport=4000 dport=80 src=10.244.3.3 dst=10.244.1.4 sport=8080 dport=4000 [ASSURED] mark=16384 use=1 id=3052024725
ipv6     10 tcp      6 99 SYN_SENT src=fd00::4 dst=fd00:10:96::1 sport=1 dport=80 [UNREPLIED] src=fd00::3 dst=fd00::4 sport=8080 dport=1 mark=0 use=1 id=1877028026
ipv4     2 unknown  89 29 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 mark=0 use=1 id=1823193699
`;

const flows = [
  '<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.244.1.4</src><dst>10.96.0.10</dst></layer3><layer4 protonum="17" protoname="udp"><sport>5353</sport><dport>53</dport></layer4><counters><packets>1</packets><bytes>60</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.96.0.10</src><dst>10.244.1.4</dst></layer3><layer4 protonum="17" protoname="udp"><sport>53</sport><dport>5353</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><timeout>29</timeout><mark>0</mark><zone>7</zone><use>1</use><id>2685118768</id><unreplied/></meta></flow>',
  '<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.244.1.4</src><dst>10.96.0.1</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>4000</sport><dport>80</dport></layer4></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.244.3.3</src><dst>10.244.1.4</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>8080</sport><dport>4000</dport></layer4></meta><meta direction="independent"><state>ESTABLISHED</state><timeout>399</timeout><mark>16384</mark><use>1</use><id>3052024725</id><assured/></meta></flow>',
  '<flow><meta direction="original"><layer3 protonum="10" protoname="ipv6"><src>fd00::4</src><dst>fd00:10:96::1</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>1</sport><dport>80</dport></layer4></meta><meta direction="reply"><layer3 protonum="10" protoname="ipv6"><src>fd00::3</src><dst>fd00::4</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>8080</sport><dport>1</dport></layer4></meta><meta direction="independent"><state>SYN_SENT</state><timeout>99</timeout><mark>0</mark><use>1</use><id>1877028026</id><unreplied/></meta></flow>',
  '<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum="89" protoname="unknown"></layer4></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonum="89" protoname="unknown"></layer4></meta><meta direction="independent"><timeout>29</timeout><mark>0</mark><use>1</use><id>1823193699</id><unreplied/></meta></flow>',
] as const;
const head = '<?xml version="1.0" encoding="utf-8"?>\n<conntrack>\n';
const xml = `${head}${flows.join('\n')}\n</conntrack>\n`;

describe('parseConntrack', () => {
  it('reads XML as the same entries as text', () => {
    expect(parseConntrack(text).problems).toEqual([]);
    expect(parseConntrack(xml)).toEqual(parseConntrack(text));
  });

  it("passes over the tool's own count of entries, and over empty lines", () => {
    expect(parseConntrack(`\n${text}\nconntrack v1.4.7 (conntrack-tools): 4 flow entries have been shown.\n`)).toEqual(
      parseConntrack(text),
    );
  });

  it('reads one dump behind the other', () => {
    expect(parseConntrack(xml + xml)).toEqual({
      result: [...parseConntrack(text).result, ...parseConntrack(text).result],
      problems: [],
    });
  });

  it('does not take the state that XML gives to SCTP, which has the names of TCP', () => {
    const sctp = flows[1]
      .replaceAll('protonum="6" protoname="tcp"', 'protonum="132" protoname="sctp"')
      .replace('ESTABLISHED', 'FIN_WAIT');
    const { result } = parseConntrack(`${head}${sctp}\n</conntrack>\n`);
    expect(result).toMatchObject([{ protocol: 'sctp', others: ['state=FIN_WAIT'] }]);
    expect(result[0]).not.toHaveProperty('state');
  });

  it('reads the flows around a broken one', () => {
    const { result, problems } = parseConntrack(
      `${head}${flows[0]}\n${flows[1].slice(0, 300)}\nrest of it\n${flows[2]}\n</conntrack>\n`,
    );
    expect(result.map(({ id }) => id)).toEqual([2685118768, 1877028026]);
    expect(problems).toEqual([{ line: 6, message: 'the flow that begins in line 4 does not end; it is left out' }]);
    const tangled = parseConntrack(
      `${head}${flows[0]}\n${flows[1].replace('</src>', '</dst>')}\nrest of it\n${flows[2]}\n</conntrack>\n`,
    );
    expect(tangled.result.map(({ id }) => id)).toEqual([2685118768, 1877028026]);
    expect(tangled.problems).toMatchObject([
      { line: 4 },
      { line: 5, message: 'is left out, for the XML before it is broken' },
    ]);
  });

  it.each([
    [
      'a line that is not an entry',
      `${text}Chain INPUT (policy ACCEPT)\n`,
      5,
      'is not a line of conntrack -L or /proc/net/nf_conntrack: Chain INPUT (policy ACCEPT)',
    ],
    [
      'a torn XML',
      xml.slice(0, xml.indexOf('</conntrack>')),
      6,
      'the dump ends before </conntrack>: it is truncated; capture it again',
    ],
    [
      'XML of something else',
      '<ipsets>\n</ipsets>\n',
      1,
      'is not XML of conntrack -o xml: its first element is ipsets',
    ],
    [
      'a flow without addresses',
      `${head}<flow></flow>\n</conntrack>`,
      3,
      'a flow that ends here has no addresses, or numbers that are none; capture the dump again',
    ],
  ])('says what is wrong with %s', (_name, dump, line, message) => {
    expect(parseConntrack(dump).problems[0]).toEqual({ line, message });
  });

  it('reads any entry back that is printed as conntrack prints it', () => {
    fc.assert(
      fc.property(fc.array(entryArbitrary, { maxLength: 5 }), fc.boolean(), (entries, isExtended) => {
        expect(parseConntrack(entries.map((entry) => `${print(entry, isExtended)}\n`).join(''))).toEqual({
          result: entries,
          problems: [],
        });
      }),
    );
  });

  it('never throws, in whatever chunks a dump comes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((junk) => `<${junk}`),
          mutatedDump([text, xml]),
        ),
        fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1 }),
        (dump, sizes) => {
          expectSameInChunks(() => new ConntrackDump(), dump, sizes);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('names every line of text that is not an entry', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~][ -~]*$/), (line) => {
        fc.pre(parseConntrackLine(line) === undefined && !line.startsWith('conntrack v'));
        expect(parseConntrack(`${text}${line}\n`).problems).toMatchObject([{ line: 5 }]);
      }),
    );
  });
});

/** The layout of conntrack -L (nfct_snprintf of libnetfilter_conntrack). */
function print(entry: ConntrackEntry, isExtended: boolean): string {
  const {
    family,
    protocol,
    protocolNumber,
    timeout,
    state,
    original,
    reply,
    unreplied,
    assured,
    offload,
    mark,
    zone,
    use,
    id,
  } = entry;
  return [
    ...(isExtended ? [family === 'IPv4' ? 'ipv4     2' : 'ipv6     10'] : []),
    protocol.padEnd(8),
    protocolNumber,
    timeout,
    state,
    printTuple(original, 'orig'),
    ...(unreplied ? ['[UNREPLIED]'] : []),
    printTuple(reply, 'reply'),
    ...(assured ? ['[ASSURED]'] : []),
    ...(offload === undefined ? [] : [offload === 'hardware' ? '[HW_OFFLOAD]' : '[OFFLOAD]']),
    ...(mark === undefined ? [] : [`mark=${mark}`]),
    ...(zone === undefined ? [] : [`zone=${zone}`]),
    ...(use === undefined ? [] : [`use=${use}`]),
    ...(id === undefined ? [] : [`id=${id}`]),
  ]
    .filter((word) => word !== undefined)
    .join(' ');
}

function printTuple(
  { source, destination, sourcePort, destinationPort, icmp, counters, zone }: Tuple,
  direction: string,
): string {
  return [
    `src=${source} dst=${destination}`,
    icmp === undefined
      ? `sport=${sourcePort} dport=${destinationPort}`
      : `type=${icmp.type} code=${icmp.code} id=${icmp.id}`,
    ...(zone === undefined ? [] : [`zone-${direction}=${zone}`]),
    ...(counters === undefined ? [] : [`packets=${counters.packets} bytes=${counters.bytes}`]),
  ].join(' ');
}

const number = fc.nat({ max: 0xffffffff });
const some: { requiredKeys: [] } = { requiredKeys: [] };

function tupleArbitrary(address: fc.Arbitrary<string>, isIcmp: boolean): fc.Arbitrary<Tuple> {
  const port = isIcmp ? fc.constant(0) : fc.nat({ max: 65535 });
  return fc
    .tuple(
      fc.record({ source: address, destination: address, sourcePort: port, destinationPort: port }),
      fc.record(
        { counters: fc.record({ packets: number, bytes: number }), zone: fc.integer({ min: 1, max: 65535 }) },
        some,
      ),
      fc.record({ type: fc.nat({ max: 255 }), code: fc.nat({ max: 255 }), id: fc.nat({ max: 65535 }) }),
    )
    .map(([tuple, extras, icmp]) => ({ ...tuple, ...extras, ...(isIcmp ? { icmp } : {}) }));
}

const v4 = fc.ipV4();
const v6 = fc.integer({ min: 1, max: 0xffff }).map((last) => `fd00:10:244::${last.toString(16)}`);
const entryArbitrary: fc.Arbitrary<ConntrackEntry> = fc
  .tuple(
    fc.constantFrom('IPv4' as const, 'IPv6' as const),
    fc.constantFrom(['tcp', 6], ['udp', 17], ['sctp', 132], ['icmp', 1], ['dccp', 33]),
  )
  .chain(([family, [protocol, protocolNumber]]) => {
    const tuple = tupleArbitrary(family === 'IPv4' ? v4 : v6, protocol === 'icmp');
    return fc
      .tuple(
        fc.record({ unreplied: fc.boolean(), assured: fc.boolean(), original: tuple, reply: tuple }),
        fc.record(
          {
            state: fc.constantFrom('ESTABLISHED', 'SYN_SENT', 'TIME_WAIT', 'COOKIE_WAIT'),
            timeout: number,
            offload: fc.constantFrom('software' as const, 'hardware' as const),
            mark: number,
            zone: fc.integer({ min: 1, max: 65535 }),
            use: number,
            id: number,
          },
          some,
        ),
      )
      .map(([always, sometimes]) => ({
        family,
        protocol: String(protocol),
        protocolNumber: Number(protocolNumber),
        ...always,
        ...sometimes,
      }));
  });
