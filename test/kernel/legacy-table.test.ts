/** The legacy tables as the kernel gives them, against what `iptables-legacy-save` prints of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { allChains, iptablesChainNames } from '../../core/kube-proxy/chain-names.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import { Dice } from '../fuzz/dice.ts';
import { servicesOf, withAccounts } from './kube-proxy-dump.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';
import { readingsSchema, type LegacyRequest } from './read-legacy-table.ts';

const unavailable = kernelUnavailable(['iptables-legacy-restore', 'ip6tables-legacy-restore', 'perl', 'setpriv']);
const reader = `${process.execPath} ${fileURLToPath(new URL('./read-legacy-table.ts', import.meta.url))}`;
const fixture = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url)), 'utf8');

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

type Readings = ReturnType<typeof readingsSchema.parse>[number];

async function readBoth(rules: string, request: LegacyRequest, prefix = ''): Promise<Readings> {
  const [readings] = await readAll(rules, [request], prefix);
  if (readings === undefined) throw new Error('nothing was read');
  return readings;
}

/** All of one family. */
async function readAll(rules: string, requests: readonly LegacyRequest[], prefix = ''): Promise<Readings[]> {
  const restore = `${requests[0]?.family === 'IPv6' ? 'ip6tables' : 'iptables'}-legacy-restore -c`;
  const output = await inNamespace(
    `${withAccounts}\n${restore}\n${prefix} ${reader} <<'REQUEST'\n${JSON.stringify(requests)}\nREQUEST\n`,
    rules,
  );
  return readingsSchema.parse(JSON.parse(output));
}

/** Only nat and filter of a dump: what is read here. */
function natAndFilter(dump: string): string {
  return dump
    .split(/^(?=\*)/m)
    .filter((table) => /^\*(?:nat|filter)\n/.test(table))
    .join('');
}

function expectEqual({ fromKernel, fromText }: Readings): void {
  expect(fromKernel.records).toEqual(fromText.records);
  expect(new Set(fromText.programs.map((program) => program.replace(/^ip6?tables/, '')))).toEqual(
    new Set(['-legacy-save']),
  );
}

describe("what kube-proxy's releases write", () => {
  const releases = readdirSync(fileURLToPath(new URL('../fixtures/kube-proxy', import.meta.url))).filter((name) =>
    name.startsWith('v'),
  );
  for (const release of releases) {
    for (const [family, file] of [
      ['IPv4', 'iptables.txt'],
      ['IPv6', 'ip6tables.txt'],
    ] as const) {
      kernelTest(`is read from the kernel's table as the tool prints it: ${release}, ${family}`, async () => {
        const rules = natAndFilter(fixture(`kube-proxy/${release}/${file}`));
        const services = servicesOf(rules);
        expect(services.length).toBeGreaterThan(5);
        // One at a time, too: nothing of others comes with it.
        const alone = release === releases.at(-1) ? services : services.slice(0, 2);
        const all = await readAll(
          rules,
          [services, ...alone.map((one) => [one])].map((each) => ({
            family,
            tables: ['nat', 'filter'],
            services: each,
          })),
        );
        expect(all).toHaveLength(alone.length + 1);
        for (const readings of all) {
          expectEqual(readings);
          expect(readings.fromKernel.programs).toEqual(['perl', 'perl']);
        }
        expect(JSON.stringify(all[0]?.fromKernel.records)).toContain('-j DNAT --to-destination');
      });
    }
  }
});

const service: ProbeRequestService = {
  namespace: 'default',
  name: 'web',
  clusterIPs: ['10.96.0.5', 'fd00::5'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [{ protocol: 'TCP', port: 80, nodePort: 30080 }],
};

/** Rules in the words of iptables-save, which are read back as they are. */
const others = {
  IPv4: [
    '-s 10.0.0.0/8 -d 192.0.2.1/32 -i eth0 -o eth+ -p tcp -m tcp --sport 1024:65535 --dport 80 -j ACCEPT',
    '! -s 10.0.0.0/8 ! -d 192.0.2.1/32 ! -i eth0 ! -p udp -j RETURN',
    '-p tcp -m tcp ! --sport 7 ! --dport 80:90 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT',
    '-p tcp -m tcp --dport 0:65534 -m comment --comment plain_word-1 -j ACCEPT',
    '-p udp -m udp --sport 53 -m comment --comment "a \\"quoted\\" \\\\ text" -j ACCEPT',
    '-p sctp -m sctp ! --sport 5:6 --dport 3868 -j ACCEPT',
    '-p icmp -j ACCEPT',
    '-p icmp -m icmp --icmp-type 8 -j ACCEPT',
    '-p icmp -m icmp ! --icmp-type 3/4 -j ACCEPT',
    '-p icmp -m icmp --icmp-type any -j ACCEPT',
    '-p tcp -m multiport --dports 80,443,1000:2000 -j ACCEPT',
    '-p udp -m multiport ! --sports 53 -j ACCEPT',
    '-p tcp -m multiport --ports 80,443 -j ACCEPT',
    '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-m conntrack ! --ctstate INVALID,NEW,UNTRACKED,SNAT,DNAT --ctstatus SEEN_REPLY,ASSURED --ctdir REPLY -j ACCEPT',
    '-m conntrack ! --ctstatus EXPECTED,CONFIRMED --ctdir ORIGINAL -j ACCEPT',
    '-p gre -j ACCEPT',
    '-m addrtype --src-type UNICAST ! --dst-type LOCAL,BROADCAST --limit-iface-in -j ACCEPT',
    '-m statistic --mode random --probability 0.33332999982 -j ACCEPT',
    '-m statistic --mode random ! --probability 0.50000000000 -j ACCEPT',
    '-m statistic --mode nth --every 3 --packet 1 -j ACCEPT',
    '-m nfacct --nfacct-name  localhost_nps_accepted_pkts -j ACCEPT',
    '-m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-m mark ! --mark 0x1 -j ACCEPT',
    '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource -j ACCEPT',
    '-m recent --set --name KUBE-SEP-X --mask 255.255.255.255 --rsource',
    '-m recent ! --update --seconds 5 --hitcount 3 --rttl --name other --mask 255.255.255.0 --rdest -j ACCEPT',
    '-j MARK --set-xmark 0x4000/0x4000',
    '-j MARK --set-xmark 0x4000/0x0',
    '-p tcp -j DNAT --to-destination 10.0.0.1',
    '-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --persistent',
    '-p tcp -j DNAT --to-destination 10.0.0.1:80 --random',
    '-g OTHER',
    '-j OTHER',
    '',
  ],
  IPv6: [
    '-s fd00::/8 -d 2001:db8::1/128 -i eth0 -p tcp -m tcp --dport 80 -j ACCEPT',
    '! -s fe80::1/128 -p ipv6-icmp -j RETURN',
    '-m recent --rcheck --seconds 5 --name X --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -j ACCEPT',
    '-p tcp -j DNAT --to-destination fd00::1',
    '-p tcp -j DNAT --to-destination [fd00::1]:80',
    '-p tcp -j DNAT --to-destination [::ffff:192.0.2.1]:80-90 --persistent',
    '-d ::10.1.2.3/128 -j RETURN',
    '-d ::1/128 -j RETURN',
    '-g OTHER',
  ],
} as const;
const atPostrouting = [
  '-j MASQUERADE',
  '-j MASQUERADE --random-fully',
  '-p tcp -j MASQUERADE --to-ports 1024-2048 --random',
];
const sourceTranslations = {
  IPv4: [
    '-j SNAT --to-source 10.0.0.1 --random --persistent',
    '-p tcp -j SNAT --to-source 10.0.0.1-10.0.0.9:1-7 --random-fully',
  ],
  IPv6: ['-j SNAT --to-source fd00::1', '-p udp -j SNAT --to-source [fd00::1-fd00::9]:80 --random-fully'],
} as const;

function table(family: 'IPv4' | 'IPv6', more: readonly string[] = []): string {
  const cluster = family === 'IPv4' ? '10.96.0.5/32' : 'fd00::5/128';
  const rejection = family === 'IPv4' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
  return [
    '*nat',
    ':PREROUTING ACCEPT [1:60]',
    ':INPUT ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ':OTHER - [0:0]',
    ':THIRD - [0:0]',
    ':UNREACHED - [0:0]',
    '[7:420] -A PREROUTING -j KUBE-SERVICES',
    '[9007199254740991:9007199254740990] -A PREROUTING -j THIRD',
    '[0:0] -A OTHER -j RETURN',
    '[0:0] -A UNREACHED -j RETURN',
    ...[...others[family], ...more].map((rule) => `[0:0] -A THIRD ${rule}`.trimEnd()),
    ...[...atPostrouting, ...sourceTranslations[family]].map((rule) => `[0:0] -A POSTROUTING ${rule}`),
    'COMMIT',
    '*filter',
    ':INPUT DROP [0:0]',
    ':FORWARD ACCEPT [0:0]',
    ':OUTPUT ACCEPT [0:0]',
    ':KUBE-SERVICES - [0:0]',
    `[3:180] -A KUBE-SERVICES -d ${cluster} -p tcp -m comment --comment "default/web has no endpoints" -m tcp --dport 80 -j REJECT --reject-with ${rejection}`,
    '[0:0] -A KUBE-SERVICES -p tcp -m tcp --dport 30080 -j REJECT --reject-with tcp-reset',
    'COMMIT',
    '',
  ].join('\n');
}

describe('third-party rules', () => {
  for (const family of ['IPv4', 'IPv6'] as const) {
    kernelTest(`are printed from the kernel's table as the tool prints them: ${family}`, async () => {
      const readings = await readBoth(table(family), { family, tables: ['nat', 'filter'], services: [service] });
      expectEqual(readings);
      expect(readings.fromKernel.programs).toEqual(['perl', 'perl']);
      const text = JSON.stringify(readings.fromKernel.records);
      for (const rule of [...others[family], ...atPostrouting, ...sourceTranslations[family]])
        expect(text).toContain(JSON.stringify(rule).slice(1, -1));
      expect(text).toContain('[9007199254740991:9007199254740990]');
      expect(text).toContain('--reject-with tcp-reset');
    });

    kernelTest(`are left to the tool where one of them is not known: ${family}`, async () => {
      const readings = await readBoth(table(family, ['-m length --length 5 -j ACCEPT']), {
        family,
        tables: ['nat', 'filter'],
        services: [service],
      });
      expectEqual(readings);
      expect(readings.fromKernel.programs.filter((program) => program !== 'perl')).toEqual([
        family === 'IPv4' ? 'iptables-legacy-save' : 'ip6tables-legacy-save',
      ]);
    });
  }
});

/** Services whose addresses, names and ports are a part of others', so that one is nearly found where the other is. */
function drawnServices(family: 'IPv4' | 'IPv6', count: number): ProbeRequestService[] {
  return Array.from({ length: count }, (_, index) => ({
    namespace: index % 3 === 0 ? 'shop' : 'default',
    name: `web-${String(index)}`,
    clusterIPs: [
      family === 'IPv4' ? `10.96.${String(index >> 8)}.${String(index & 255)}` : `fd00::1:${index.toString(16)}`,
    ],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ protocol: 'TCP', port: 80, ...(index % 2 === 0 ? { nodePort: 30_000 + index } : {}) }],
  }));
}

/**
 * Tables whose long chains have stretches of equal rules, and others between them: for no or another destination, with
 * and without comments, for other protocols and of other lengths; at each place, some are the asked Services'.
 */
function drawnTable(family: 'IPv4' | 'IPv6', services: readonly ProbeRequestService[], dice: Dice): string {
  const all = family === 'IPv4' ? '32' : '128';
  const networks = family === 'IPv4' ? ['10.0.0.0/8', '10.96.0.0/24'] : ['fd00::/16', 'fd00::/112'];
  const chains = new Map<string, string[]>();
  const add = (chain: string, rule: string): void => {
    const rules = chains.get(chain) ?? [];
    chains.set(chain, rules);
    if (rule !== '') rules.push(`[${String(dice.below(9))}:${String(dice.below(9))}] -A ${chain} ${rule}`);
  };
  const idOf = ({ namespace, name, ports }: ProbeRequestService): string[] =>
    allChains(iptablesChainNames({ namespace, name, portName: ports[0]?.name, protocol: ports[0]?.protocol ?? 'TCP' }));
  for (const chain of ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-MARK-MASQ', 'KUBE-POSTROUTING', 'OTHER'])
    add(chain, '');
  add('PREROUTING', '-j KUBE-SERVICES');
  add('POSTROUTING', '-j KUBE-POSTROUTING');
  add('KUBE-MARK-MASQ', '-j MARK --set-xmark 0x4000/0x4000');
  for (const service of services) {
    const [cluster = '', , external = ''] = idOf(service);
    const [address = ''] = service.clusterIPs;
    const named = `${service.namespace}/${service.name}`;
    const port = service.ports[0]?.nodePort;
    // Some have chains that nothing jumps to, some none.
    if (dice.below(8) > 0) add(cluster, `-m comment --comment ${named} -j KUBE-MARK-MASQ`);
    if (dice.below(4) === 0) add(external, `-m comment --comment "${named} external" -g OTHER`);
    const target = chains.has(cluster) && dice.below(8) > 0 ? cluster : 'OTHER';
    const usual = `-d ${address}/${all} -p tcp -m comment --comment "${named} cluster IP" -m tcp --dport 80 -j ${target}`;
    const odd = [
      `-d ${address}/${all} -j ${target}`,
      `! -d ${address}/${all} -p tcp -m tcp --dport 80 -j OTHER`,
      `-p tcp -m comment --comment "${named}" -m tcp --dport 80 -j OTHER`,
      `-p udp -m udp --dport 53 -j RETURN`,
      `-d ${dice.of(networks)} -j ${target}`,
      `-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
      `-s ${address}/${all} -j KUBE-MARK-MASQ`,
      `-i lo`,
    ];
    if (dice.below(100) === 0)
      for (let count = dice.below(12); count >= 0; count -= 1) add('KUBE-SERVICES', dice.of(odd));
    add('KUBE-SERVICES', usual);
    if (port === undefined) continue;
    const match = `-p tcp -m comment --comment "${named}" -m tcp --dport ${String(port)}`;
    add('KUBE-NODEPORTS', `${match} -j ${chains.has(external) ? external : target}`);
    if (dice.below(60) === 0) add('KUBE-NODEPORTS', `-p tcp -m tcp --dport ${String(port)} -j ${target}`);
    if (dice.below(60) === 0) add('KUBE-NODEPORTS', dice.of(odd.filter((rule) => !rule.includes('KUBE-NODEPORTS'))));
  }
  const builtIn = ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'];
  return [
    '*nat',
    ...builtIn.map((chain) => `:${chain} ACCEPT [0:0]`),
    ...[...chains.keys()].filter((chain) => !builtIn.includes(chain)).map((chain) => `:${chain} - [0:0]`),
    ...[...chains.values()].flat(),
    'COMMIT',
    '',
  ].join('\n');
}

describe('drawn tables', () => {
  for (const family of ['IPv4', 'IPv6'] as const)
    for (const seed of [1, 2, 3])
      kernelTest(`are read from the kernel as the tool prints them: ${family}, ${String(seed)}`, async () => {
        const dice = new Dice(seed, 0);
        const services = drawnServices(family, 700);
        // The first, the last, the borders of a block of 64 rules, and others; alone, few, and more than are looked for one by one.
        const alone = [
          0,
          1,
          63,
          64,
          65,
          127,
          128,
          255,
          256,
          698,
          699,
          ...Array.from({ length: 14 }, () => dice.below(700)),
        ];
        const asked = [
          ...alone.map((index) => [index]),
          [3, 4, 5],
          Array.from({ length: 40 }, () => dice.below(700)),
        ].map((indexes) => services.filter((_, index) => indexes.includes(index)));
        const missing: ProbeRequestService = {
          ...service,
          name: 'no-such',
          clusterIPs: [family === 'IPv4' ? '10.97.0.1' : 'fd01::1'],
        };
        const all = await readAll(
          drawnTable(family, services, dice),
          [...asked, [missing]].map((each) => ({ family, tables: ['nat'], services: each })),
        );
        expect(all).toHaveLength(asked.length + 1);
        for (const readings of all) {
          expectEqual(readings);
          expect(readings.fromKernel.programs).toEqual(['perl']);
        }
        for (const [index, each] of asked.entries())
          expect(JSON.stringify(all[index]?.fromKernel.records)).toContain(each[0]?.clusterIPs[0]);
      });
});

kernelTest('NET_ADMIN is all that the kernel asks for, and without it the tool says what is wrong', async () => {
  const request: LegacyRequest = { family: 'IPv4', tables: ['nat', 'filter'], services: [service] };
  const admin = await readBoth(table('IPv4'), request, 'setpriv --bounding-set=-all,+net_admin');
  expect(admin.fromKernel.programs).toEqual(['perl', 'perl']);
  expect(JSON.stringify(admin.fromKernel.records)).toContain('-A THIRD');
  const raw = await readBoth(table('IPv4'), request, 'setpriv --bounding-set=-all,+net_raw');
  expect(raw.fromKernel.records).toEqual(raw.fromText.records);
  expect(raw.fromKernel.records).toContainEqual(expect.objectContaining({ kind: 'unread', part: 'rules' }));
});
