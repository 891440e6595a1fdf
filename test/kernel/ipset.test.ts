/** The kernel's own sets, in a namespace: they come back as they were printed, and hold what ipSetContains says. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipSetContains, type IpSetFlag } from '../../core/ipset/contains.ts';
import type { IpSet } from '../../core/ipset/set.ts';
import { parseIpset, printIpsetSave } from '../../core/ipset/parse.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import type { SentPacket } from './send-packets.ts';

const unavailable = kernelUnavailable(['ipset', 'ip', 'xtables-nft-multi']);
const sender = `${process.execPath} ${fileURLToPath(new URL('send-packets.ts', import.meta.url))}`;

/** Every type and option of an element that this kernel may have; a type that it lacks is left out by the script. */
const manySets = `
try() { ipset "$@" 2>/dev/null || true; }
try create A hash:ip timeout 3000 counters comment skbinfo
try add A 10.0.0.1 comment 'two words' packets 4 bytes 44 skbmark 0x11/0xff skbprio 1:10 skbqueue 5
try add A 10.0.0.2 timeout 0
try create N hash:net comment; try add N 10.0.0.0/8; try add N 10.1.0.0/16 nomatch comment 'taken out'
try create P bitmap:port range 0-65535; try add P 80
try create I6 hash:ip,port family inet6; try add I6 fd00::1,tcp:80; try add I6 fd00::1,ipv6-icmp:128/0; try add I6 ::1,vrrp:0
try create I4 hash:ip,port; try add I4 10.0.0.1,icmp:8/0; try add I4 10.0.0.1,sctp:9
try create NI hash:net,iface timeout 100 counters comment skbinfo
try add NI 10.0.0.0/8,eth wildcard nomatch packets 1 bytes 2 comment x skbmark 0x1; try add NI 10.0.0.0/8,physdev:eth1 timeout 0
try create NP hash:net,port; try add NP 10.0.0.0/8,udp:53 nomatch
try create IPN hash:ip,port,net; try add IPN 10.0.0.1,tcp:53,192.168.0.0/16
try create IPI hash:ip,port,ip family inet6 hashsize 2048 maxelem 1000; try add IPI fd00::1,tcp:53,fd00::2
try create BI bitmap:ip range 10.0.0.0/16 netmask 24; try add BI 10.0.1.0
try create BM bitmap:ip,mac range 10.0.0.0/16; try add BM 10.0.1.0; try add BM 10.0.1.1,01:02:03:04:05:06
try create IM hash:ip netmask 24 forceadd bucketsize 4; try add IM 10.0.1.0
try create NN hash:net,net; try add NN 10.0.0.0/8,10.1.0.0/16
try create MAC hash:mac; try add MAC 01:02:03:04:05:06
try create L list:set size 4 timeout 1000; try add L N; try add L P timeout 0
`;

describe.skipIf(unavailable !== undefined)(`ipset${unavailable === undefined ? '' : ` (${unavailable})`}`, () => {
  it('loads what is printed back into the kernel, which then prints the same', async () => {
    const saved = await inNamespace(`${manySets}\nipset save`);
    const { result, problems } = parseIpset(saved);
    expect(problems).toEqual([]);
    expect(result.length).toBeGreaterThan(10);
    expect(printIpsetSave(result).trimEnd()).toBe(saved);

    const again = await inNamespace('ipset restore; ipset save', printIpsetSave(result));
    // A second may have passed since; the hash's seed is kept, and with it the order.
    expect(withoutTimeouts(parseIpset(again).result)).toEqual(withoutTimeouts(result));
  });

  it('reads ipset list as the same sets as ipset save', async () => {
    const both = await inNamespace(`${manySets}\nipset save; echo; echo =====; ipset list`);
    const [saved = '', listed = ''] = both.split('=====\n');
    const read = parseIpset(listed);
    expect(read.problems).toEqual([]);
    expect(withoutTimeouts(read.result)).toEqual(withoutTimeouts(parseIpset(saved).result));
  });

  it.each(['IPv4', 'IPv6'] as const)('says of random packets and sets of %s what netfilter says', async (family) => {
    const universe = universes[family];
    const sets = fc
      .sample(setArbitrary(universe), { numRuns: 40, seed: 4 })
      .map((set, index) => ({ ...set, name: `S${index}` }));
    const packets = unique(fc.sample(packetArbitrary(universe), { numRuns: 120, seed: 4 }));
    const cases = sets.flatMap((set) => {
      const flags = fc.sample(flagsArbitrary, { numRuns: 1, seed: set.elements.length })[0] ?? ['dst', 'dst', 'dst'];
      return packets.map((packet) => ({ set, flags, packet }));
    });
    const kernel = await askKernel(family, sets, cases, packets);

    const wrong = cases.flatMap(({ set: { name }, flags, packet }, index) => {
      // As the kernel has it: the round trip is proven above.
      const set = kernel.sets.get(name);
      const answer =
        set === undefined ? undefined : ipSetContains(set, flags, { ...packet, inInterface: '', outInterface: 'lo' });
      return answer === kernel.answers[index] ? [] : [{ set, flags, packet, kernel: kernel.answers[index], answer }];
    });
    expect(wrong).toEqual([]);
    // Both answers occur often enough that neither is given by default.
    expect(kernel.answers.filter((answer) => answer).length).toBeGreaterThan(cases.length / 20);
    expect(kernel.answers.filter((answer) => !answer).length).toBeGreaterThan(cases.length / 20);
  });
});

interface Universe {
  readonly family: 'IPv4' | 'IPv6';
  readonly bits: number;
  readonly addresses: readonly string[];
  readonly lengths: readonly number[];
  readonly prepare: string;
  readonly tool: string;
}

const v6 = Array.from({ length: 12 }, (_, index) => `fd00::${(index * 3 + 1).toString(16)}`);
const universes: Record<'IPv4' | 'IPv6', Universe> = {
  IPv4: {
    family: 'IPv4',
    bits: 32,
    addresses: Array.from({ length: 24 }, (_, index) => `10.0.${index % 3}.${index + 1}`),
    lengths: [8, 22, 24, 26, 28, 30, 31, 32],
    prepare: 'ip addr add 10.0.0.0/8 dev lo',
    tool: 'iptables',
  },
  IPv6: {
    family: 'IPv6',
    bits: 128,
    addresses: v6,
    lengths: [8, 64, 121, 122, 124, 126, 127, 128],
    prepare: v6.map((address) => `ip addr add ${address}/128 dev lo nodad`).join('; '),
    tool: 'ip6tables',
  },
};
const ports = [80, 81, 53];

function packetArbitrary({ addresses }: Universe): fc.Arbitrary<SentPacket> {
  return fc.record({
    source: fc.constantFrom(...addresses),
    sourcePort: fc.constantFrom(20080, 20081, 20053),
    destination: fc.constantFrom(...addresses),
    destinationPort: fc.constantFrom(...ports),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
  });
}

const flagsArbitrary: fc.Arbitrary<IpSetFlag[]> = fc.array(fc.constantFrom<IpSetFlag>('dst', 'src', 'dst'), {
  minLength: 2,
  maxLength: 3,
});

function unique(packets: readonly SentPacket[]): SentPacket[] {
  return [...new Map(packets.map((packet) => [JSON.stringify(packet), packet])).values()];
}

/** The types of this kernel; their elements as parts that fit the packets often. */
function setArbitrary({ family, bits, addresses, lengths }: Universe): fc.Arbitrary<IpSet> {
  const address = fc.constantFrom(...addresses);
  const network = fc
    .tuple(address, fc.constantFrom(...lengths))
    .map(([base, length]) => (length === bits ? base : `${base}/${length}`));
  const port = fc
    .tuple(fc.constantFrom('tcp', 'udp', 'sctp'), fc.constantFrom(...ports, 20080, 20081, 20053))
    .map(([protocol, number]) => `${protocol}:${number}`);
  const bare = fc.constantFrom(...ports, 20080, 20053).map(String);
  // What is sent here leaves by lo, and came by no interface.
  const onInterface = fc.constantFrom('lo', 'lo', 'eth0', 'lo7');
  const kinds: fc.Arbitrary<{ type: string; parts: fc.Arbitrary<string[]>; nets: boolean; options?: string }> =
    fc.constantFrom(
      { type: 'hash:ip', parts: fc.tuple(address), nets: false },
      { type: 'hash:ip', parts: fc.tuple(address), nets: false, options: `netmask ${bits - 3}` },
      { type: 'hash:ip,port', parts: fc.tuple(address, port), nets: false },
      { type: 'hash:ip,port,ip', parts: fc.tuple(address, port, address), nets: false },
      { type: 'hash:ip,port,net', parts: fc.tuple(address, port, network), nets: true },
      { type: 'hash:net', parts: fc.tuple(network), nets: true },
      { type: 'hash:net,port', parts: fc.tuple(network, port), nets: true },
      { type: 'hash:net,iface', parts: fc.tuple(network, onInterface), nets: true },
      { type: 'bitmap:port', parts: fc.tuple(bare), nets: false },
    );
  return kinds.chain(({ type, parts, nets, options }) =>
    fc
      .array(fc.record({ parts, isException: nets ? fc.boolean() : fc.constant(false), others: fc.constant([]) }), {
        minLength: 4,
        maxLength: 40,
      })
      .map((elements) => ({
        name: 'S',
        type,
        ...(type === 'bitmap:port' ? {} : { family }),
        options:
          type === 'bitmap:port'
            ? ['range 0-65535']
            : [`family ${family === 'IPv4' ? 'inet' : 'inet6'}`, ...(options === undefined ? [] : [options])],
        elements,
      })),
  );
}

/** One rule for each case, in a table that sees the packet as it is sent; its counter is the answer. */
async function askKernel(
  family: 'IPv4' | 'IPv6',
  sets: readonly IpSet[],
  cases: readonly { set: IpSet; flags: readonly IpSetFlag[]; packet: SentPacket }[],
  packets: readonly SentPacket[],
): Promise<{ answers: boolean[]; sets: ReadonlyMap<string, IpSet> }> {
  const { prepare, tool, bits } = universes[family];
  const rules = cases.map(({ set, flags, packet }, index) => {
    const protocol = packet.protocol.toLowerCase();
    return `-A OUTPUT -s ${packet.source}/${bits} -d ${packet.destination}/${bits} -p ${protocol} -m ${protocol} --sport ${packet.sourcePort} --dport ${packet.destinationPort} -m set --match-set ${set.name} ${flags.join()} -m comment --comment case-${index}`;
  });
  const folder = await mkdtemp(join(tmpdir(), 'svctrace-ipset-'));
  try {
    await writeFile(join(folder, 'sets'), printIpsetSave(sets));
    await writeFile(join(folder, 'rules'), `*raw\n${rules.join('\n')}\nCOMMIT\n`);
    const output = await inNamespace(
      `ip link set lo up
${prepare}
# The same network twice is one element.
ipset restore -exist < ${folder}/sets
xtables-nft-multi ${tool}-restore < ${folder}/rules
${sender}
xtables-nft-multi ${tool}-save -c -t raw
echo =====
ipset save`,
      JSON.stringify(packets),
    );
    const [counters = '', saved = ''] = output.split('=====\n');
    const hits = new Set(
      [...counters.matchAll(/^\[[1-9]\d*:\d+\].* case-(\d+)( |$)/gm)].map((match) => Number(match[1])),
    );
    return {
      answers: cases.map((_, index) => hits.has(index)),
      sets: new Map(parseIpset(saved).result.map((set) => [set.name, set])),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function withoutTimeouts(sets: readonly IpSet[]): unknown {
  return sets.map((set) => ({
    ...set,
    elements: set.elements.map(({ timeout, ...element }) => ({ ...element, hasTimeout: timeout !== undefined })),
  }));
}
