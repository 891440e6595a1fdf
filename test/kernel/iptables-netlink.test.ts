/** Rules of iptables on nf_tables as they are read over netlink, against what `iptables-nft-save -c` and `-S` print of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { servicesOf, withAccounts } from './kube-proxy-dump.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import { nftReadingSchema, type NftChainsRequest, type NftReading } from './read-nft-chains.ts';

const unavailable = kernelUnavailable(['iptables-nft-restore', 'ip6tables-nft-restore', 'nft', 'perl', 'setpriv']);
const reader = `${process.execPath} ${fileURLToPath(new URL('./read-nft-chains.ts', import.meta.url))}`;
const fixture = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url)), 'utf8');

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

/** @param more a shell script that is run before the reading */
async function read(rules: string, request: NftChainsRequest, more = ''): Promise<NftReading> {
  const restore = `${request.family === 'IPv6' ? 'ip6tables' : 'iptables'}-nft-restore -c`;
  const output = await inNamespace(
    `${withAccounts}\n${restore}\n${more}\n${reader} <<'REQUEST'\n${JSON.stringify(request)}\nREQUEST\n`,
    rules,
    60_000,
  );
  return nftReadingSchema.parse(JSON.parse(output));
}

/** A rule of `-S` as `iptables-save -c` prints it. */
const saved = (line: string): string =>
  line.replace(/^-A (.*?) -c (\d+) (\d+)(?= |$)/, (_, rule: string, packets: string, bytes: string) =>
    [`[${packets}:${bytes}] -A`, rule].join(' '),
  );

/** In an order of its own: built-in chains that the kernel does not have come in another one. */
function comparable(records: NftReading['byTools']['records']): string[] {
  return records
    .map((record) => {
      const { lines } = record as { readonly lines?: readonly string[] };
      return JSON.stringify({ ...record, ...(lines === undefined ? {} : { lines: lines.map(saved) }) });
    })
    .sort();
}

function expectEqual({ overNetlink, byTools }: NftReading): void {
  expect(comparable(overNetlink.records)).toEqual(comparable(byTools.records));
  expect(byTools.programs).toContain('nft');
  expect(new Set(byTools.programs.filter((program) => program.endsWith('-nft'))).size).toBe(1);
}

function unknownChains({ chains }: NftReading): string[] {
  return chains.flatMap(({ chain, lines }) => (lines === undefined ? [chain] : []));
}

function expectSaved({ chains }: NftReading): void {
  expect(chains.length).toBeGreaterThan(0);
  for (const { lines, saved: printed } of chains) if (lines !== undefined) expect(lines).toEqual(printed);
}

describe("what kube-proxy's releases write", () => {
  const releases = readdirSync(fileURLToPath(new URL('../fixtures/kube-proxy', import.meta.url))).filter((name) =>
    name.startsWith('v'),
  );
  for (const [index, release] of releases.entries())
    for (const [family, file] of [
      ['IPv4', 'iptables.txt'],
      ['IPv6', 'ip6tables.txt'],
    ] as const)
      kernelTest(`is read over netlink as the tools print it: ${release}, ${family}`, async () => {
        const rules = fixture(`kube-proxy/${release}/${file}`);
        const services = servicesOf(rules);
        expect(services.length).toBeGreaterThan(5);
        const reading = await read(rules, { family, services, dispatch: index % 2 === 0 ? 'Rules' : 'References' });
        expectSaved(reading);
        expect(unknownChains(reading)).toEqual([]);
        expectEqual(reading);
        expect(new Set(reading.overNetlink.programs)).toEqual(new Set(['perl']));
        expect(JSON.stringify(reading.overNetlink.records)).toContain('-j DNAT --to-destination');
      });
});

/** Words of iptables; each is the rule of a chain of its own. */
const known: Readonly<Record<'IPv4' | 'IPv6', readonly string[]>> = {
  IPv4: [
    '-s 10.1.2.3 -d 10.0.0.0/8 -j ACCEPT',
    '! -s 10.1.0.0/16 ! -d 10.1.2.0/23 -j DROP',
    '-s 0.0.0.0/0 -j RETURN',
    '-i eth0 ! -o cali+ -j RETURN',
    '-i + -j RETURN',
    '! -p tcp -j RETURN',
    '-p icmp -m icmp --icmp-type 8 -j RETURN',
    '-p icmp -m icmp ! --icmp-type 3/4',
    '-p icmp -m icmp --icmp-type any',
    '-m recent --name X --rcheck --seconds 10 --reap --rsource',
    '-m recent --name X --set --rdest',
    '-j REJECT --reject-with icmp-host-unreachable',
    '-s 10.1.2.3 -p tcp -m comment --comment "default/web:http -> 10.1.2.3:80" -m tcp --dport 80 -m statistic --mode random --probability 0.33333333349 -j ACCEPT',
  ],
  IPv6: [
    '-s fd00::1 -d fd00::/8 -j ACCEPT',
    '! -s 2001:db8::/33 ! -d ::1 -j DROP',
    '-s ::ffff:10.1.2.3 -j DROP',
    '-p ipv6-icmp -j ACCEPT',
    '-m recent --name X6 --rcheck --seconds 10 --reap --rsource',
    '-j REJECT --reject-with icmp6-adm-prohibited',
  ],
};
const knownInBoth = [
  '-p tcp -m tcp --dport 80',
  '-p tcp -m tcp ! --dport 80',
  '-p tcp -m tcp --sport 80 --dport 90',
  '-p tcp -m tcp ! --sport 80 ! --dport 90',
  '-p tcp -m tcp ! --sport 80 --dport 90',
  '-p tcp -m tcp --sport :80 --dport 90:',
  '-p tcp -m tcp --sport 5:6 ! --dport 7:8',
  '-p tcp -m tcp --dport 0',
  '-p tcp -m tcp --syn',
  '-p tcp -m tcp ! --syn --dport 5',
  '-p tcp -m tcp --tcp-flags ALL NONE',
  '-p tcp -m tcp',
  '-p udp -m udp --dport 53 -m comment --comment dns',
  '-p sctp -m sctp --dport 5:7',
  '-p tcp -m multiport --dports 80,443,1000:2000',
  '-p udp -m multiport ! --sports 80',
  '-m mark --mark 0x4000/0x4000 -j ACCEPT',
  '-m mark ! --mark 0x1',
  '-m mark ! --mark 0x0/0xff',
  String.raw`-m comment --comment "a \"quoted\" \\ text, 'and' é"`,
  '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '-m conntrack ! --ctstate NEW,UNTRACKED,SNAT,DNAT --ctstatus ASSURED --ctdir REPLY',
  '-m addrtype ! --src-type LOCAL --dst-type LOCAL --limit-iface-in',
  '-m statistic --mode nth --every 3 --packet 1',
  '-m nfacct --nfacct-name localhost_nps_accepted_pkts',
  '-p tcp -m comment --comment first -m tcp --dport 80 -m mark --mark 0x1 -m comment --comment last',
  '-j REJECT',
  '-p tcp -j REJECT --reject-with tcp-reset',
  '-j MARK --set-xmark 0x4000/0x4000',
  '-j MARK --and-mark 0xffffbfff',
  '-j OTHER',
  '-g OTHER',
];
const knownInNat = {
  IPv4: [
    '-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.3:80-90 --random --persistent',
    '-j DNAT --to-destination 10.0.0.1',
    '-p tcp -j SNAT --to-source 10.0.0.1-10.0.0.9:1-7 --random-fully',
  ],
  IPv6: [
    '-p tcp -j DNAT --to-destination [fd00::1]:80',
    '-j DNAT --to-destination fd00::1',
    '-j SNAT --to-source fd00::1',
  ],
};
const knownInNatOfBoth = ['-p tcp -j MASQUERADE --to-ports 1-2 --random-fully', '-j MASQUERADE'];

/** What is read by the tool. */
const unknown: Readonly<Record<'IPv4' | 'IPv6', readonly string[]>> = {
  IPv4: ['-f -j DROP', '-s 10.0.1.0/255.0.255.0', '-p tcp -m tcp --tcp-option 5'],
  IPv6: ['-m frag --fragfirst'],
};
const unknownInBoth = [
  '! -i + -j RETURN',
  '-p 200',
  '-p tcp -m tcp ! --dport :90',
  '-p sctp -m sctp --chunk-types any INIT',
  '-m conntrack --ctproto 6',
  '-m conntrack --ctstatus NONE',
  '-m state --state NEW',
  '-m limit --limit 5/min --limit-burst 3',
  '-m length --length 5',
  '-m physdev --physdev-is-bridged',
  '-j LOG',
  '-j NFLOG --nflog-group 3',
];

const nothing: Pick<NftChainsRequest, 'services' | 'dispatch'> = { services: [], dispatch: 'Rules' };

describe('rules of other programs', () => {
  for (const family of ['IPv4', 'IPv6'] as const) {
    const inFilter = [...known[family], ...knownInBoth];
    const inNat = [...knownInNat[family], ...knownInNatOfBoth];
    const others = [...unknown[family], ...unknownInBoth];
    /** The chain, and a rule in it that counts. */
    const chain = (name: string, rule: string): string[] => [`[7:420] -A ${name} ${rule}`];
    const dump = [
      '*filter',
      ':INPUT ACCEPT [0:0]',
      ':FORWARD DROP [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':OTHER - [0:0]',
      ...[...inFilter, ...others].map((_, index) => `:RULE-${String(index)} - [0:0]`),
      ...[...inFilter, ...others].flatMap((rule, index) => chain(`RULE-${String(index)}`, rule)),
      ...[...inFilter, ...others].map((_, index) => `[0:0] -A FORWARD -j RULE-${String(index)}`),
      'COMMIT',
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ...inNat.map((_, index) => `:NAT-${String(index)} - [0:0]`),
      ...inNat.flatMap((rule, index) => chain(`NAT-${String(index)}`, rule)),
      '[1:60] -A PREROUTING -j NAT-0',
      'COMMIT',
      '',
    ].join('\n');

    kernelTest(`are read over netlink as the tools print them, or left to the tools: ${family}`, async () => {
      const reading = await read(dump, { family, ...nothing });
      expectSaved(reading);
      expect(new Set(unknownChains(reading))).toEqual(
        new Set(others.map((_, index) => `RULE-${String(inFilter.length + index)}`)),
      );
      expectEqual(reading);
      // Those alone were asked of the tool.
      expect(reading.overNetlink.programs.filter((program) => program !== 'perl')).toEqual(
        Array.from({ length: 2 }, () => (family === 'IPv4' ? 'iptables-nft' : 'ip6tables-nft')),
      );
      // ip6tables-nft-restore does not take counters.
      if (family === 'IPv4') expect(JSON.stringify(reading.overNetlink.records)).toContain('[7:420] -A RULE-0 ');
    });
  }

  const web =
    '*filter\n:INPUT ACCEPT [0:0]\n:OTHER - [0:0]\n[1:60] -A INPUT -p tcp -m tcp --dport 80 -j OTHER\nCOMMIT\n';

  kernelTest('that nft wrote into a table of iptables are read as the tool reads them', async () => {
    const reading = await read(
      web,
      { family: 'IPv4', ...nothing },
      `nft 'add rule ip filter INPUT ip saddr 192.0.2.0/25 ip daddr 192.0.2.1 udp dport 1 counter accept comment "of nft"'
       nft 'add rule ip filter INPUT iifname "eth0" meta mark 0x1 counter drop'`,
    );
    expectSaved(reading);
    expectEqual(reading);
    expect(unknownChains(reading)).toEqual([]);
    expect(JSON.stringify(reading.overNetlink.records)).toContain('of nft');
  });

  for (const [what, command] of [
    [
      'a statement that iptables does not have',
      `nft 'add rule ip filter OTHER ip daddr { 192.0.2.1, 192.0.2.2 } drop'`,
    ],
    ['another chain at a hook', `nft 'add chain ip filter mine { type filter hook input priority -5; policy drop; }'`],
    [
      'a built-in chain at another priority',
      `nft 'add table ip raw; add chain ip raw PREROUTING { type filter hook prerouting priority 7; }'`,
    ],
    ['a chain that nothing jumps to', `nft 'add chain ip filter alone; add rule ip filter alone counter'`],
  ] as const)
    kernelTest(`are left to the tools where there is ${what}`, async () => {
      const reading = await read(web, { family: 'IPv4', ...nothing }, command);
      expectEqual(reading);
      expect(reading.overNetlink.programs).toContain('iptables-nft');
    });

  kernelTest('are read with NET_ADMIN alone', async () => {
    const output = await inNamespace(
      `iptables-nft-restore -c\nsetpriv --bounding-set=-all,+net_admin ${reader} <<'REQUEST'\n${JSON.stringify({ family: 'IPv4', ...nothing })}\nREQUEST\n`,
      web,
    );
    const reading = nftReadingSchema.parse(JSON.parse(output));
    expectEqual(reading);
    expect(new Set(reading.overNetlink.programs)).toEqual(new Set(['perl']));
  });
});
