/** The probe against real tables in a namespace of its own: what it reads, and that it changes nothing. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildNodeProgram } from '../../core/program/node-program.ts';
import { parseNodeReport, recordsOf, type NodeReport } from '../../core/wire/node-report.ts';
import { readAllHooks } from '../../core/program/foreign-hooks.ts';
import { desiredService } from '../support/node-facts.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['xtables-nft-multi', 'xtables-legacy-multi', 'nft', 'conntrack']);
const probe = `${process.execPath} ${fileURLToPath(new URL('../../probe/main.ts', import.meta.url))}`;
const request = JSON.stringify({
  version: 1,
  node: 'test',
  services: [
    {
      namespace: 'default',
      name: 'auth-service',
      clusterIPs: ['10.96.0.7'],
      externalIPs: [],
      loadBalancerIPs: [],
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    },
  ],
  collect: { rules: true, conntrack: 'Entries', kubeProxy: true },
  maxConntrackEntries: 10,
});

/** The Service's rules as kube-proxy writes them in iptables mode, beside those of another Service. */
const iptablesRules = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SVC-FCQA5OQTFYIPVXUO - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]
:KUBE-SVC-OTHER - [0:0]
[54:3240] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
[0:0] -A KUBE-SERVICES -d 10.96.0.8/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-OTHER
[7:420] -A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-FCQA5OQTFYIPVXUO
[3:180] -A KUBE-SVC-FCQA5OQTFYIPVXUO -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-AAAAAAAAAAAAAAAA
[4:240] -A KUBE-SVC-FCQA5OQTFYIPVXUO -j KUBE-SEP-BBBBBBBBBBBBBBBB
[3:180] -A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m tcp -j DNAT --to-destination 10.244.1.2:8080
[4:240] -A KUBE-SEP-BBBBBBBBBBBBBBBB -p tcp -m tcp -j DNAT --to-destination 10.244.2.2:8080
COMMIT
`;

const nftRules = `table ip kube-proxy {
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.96.0.7 . tcp . 80 : goto service-HJCL7P3U-default/auth-service/tcp/http }
	}
	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}
	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}
	chain service-HJCL7P3U-default/auth-service/tcp/http {
		numgen random mod 2 vmap { 0 : goto endpoint-A, 1 : goto endpoint-B }
	}
	chain endpoint-A {
		meta l4proto tcp counter packets 3 bytes 180 dnat to 10.244.1.2:8080
	}
	chain endpoint-B {
		meta l4proto tcp counter packets 4 bytes 240 dnat to 10.244.2.2:8080
	}
}
`;

/**
 * All that the probe could have changed. The policies of built-in chains count the packets that the probe itself sends
 * to kube-proxy on the loopback interface, so their counters are left out.
 */
const dump =
  'nft list ruleset; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; if grep -q nat /proc/net/ip_tables_names; then iptables-legacy-save -c -t nat | sed -e "/^#/d" -e "/^:/s/ .*//"; fi';

/** Loads the rules, dumps all tables before and after the probe, and gives the three. */
async function probeBetweenDumps(load: string): Promise<{ before: string; report: NodeReport; after: string }> {
  const output = await inNamespace(
    `ip link set lo up; ${load}\n{ ${dump}; }\necho '=== report'\nprintf '%s\\n' "$REQUEST" | ${probe}\necho '=== after'\n{ ${dump}; }`.replace(
      '$REQUEST',
      request.replaceAll('"', '\\"'),
    ),
  );
  const [before = '', rest = ''] = output.split('=== report\n');
  const [report = '', after = ''] = rest.split('=== after');
  return { before: before.trim(), report: parseNodeReport(report), after: after.trim() };
}

function kernelTest(name: string, test: () => Promise<void>): void {
  it(name, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    await test();
  });
}

const heredoc = (command: string, text: string): string => `${command} <<'RULES'\n${text}RULES\n`;
const targets = [
  { address: '10.244.1.2', port: 8080, probability: 0.5, counters: { packets: 3, bytes: 180 } },
  { address: '10.244.2.2', port: 8080, probability: 0.5, counters: { packets: 4, bytes: 240 } },
];

describe('the probe', () => {
  for (const [backend, restore] of [
    ['nf_tables', 'iptables-nft-restore -c'],
    ['legacy', 'iptables-legacy-restore -c'],
  ] as const) {
    kernelTest(`reads one Service's chains from iptables (${backend}), and leaves every table as it was`, async () => {
      const { before, report, after } = await probeBetweenDumps(heredoc(restore, iptablesRules));
      expect(after).toBe(before);
      expect(recordsOf(report, 'unread')).toEqual([]);
      const program = buildNodeProgram(report, desiredService());
      expect(program).toMatchObject({ proxyMode: 'iptables', backend });
      expect(program.proxyModeSource).toContain('does not answer');
      expect(program.frontends[0]).toMatchObject({
        verdict: 'DNAT',
        counters: { packets: 7, bytes: 420 },
        dnatTargets: targets,
      });
      expect(JSON.stringify(report)).not.toContain('KUBE-SVC-OTHER');
    });
  }

  for (const [backend, restore] of [
    ['nf_tables', 'iptables-nft-restore -c'],
    ['legacy', 'iptables-legacy-restore -c'],
  ] as const) {
    kernelTest(
      `reads what other programs have in nat (${backend}) and in tables of nftables, and walks a packet through it`,
      async () => {
        const foreign = iptablesRules
          .replace(':KUBE-SERVICES', ':HOSTPORTS - [0:0]\n:IDLE - [0:0]\n:KUBE-SERVICES')
          .replace(
            '[54:3240]',
            '[0:0] -A PREROUTING -j HOSTPORTS\n[0:0] -A HOSTPORTS -d 10.96.0.0/12 -p udp -j ACCEPT\n[0:0] -A IDLE -j ACCEPT\n[54:3240]',
          );
        const table =
          'table inet guard {\n chain forward {\n type filter hook forward priority -5; policy accept;\n ip daddr 10.244.2.2 drop\n }\n}\n';
        const { before, report, after } = await probeBetweenDumps(
          heredoc(restore, foreign) +
            heredoc('nft -f -', `${table}table inet plain {\n set names { type ifname; }\n}\n`),
        );
        expect(after).toBe(before);
        // Of nf_tables, built-in chains that no rule was ever put into need not be there.
        const inNat = recordsOf(report, 'hookChain').filter(
          ({ table: of, chain }) => of === 'nat' && chain !== 'INPUT' && chain !== 'POSTROUTING',
        );
        expect(inNat.map(({ chain, backend: own }) => `${own} ${chain}`)).toEqual(
          ['PREROUTING', 'OUTPUT', 'HOSTPORTS'].map((chain) => `${backend} ${chain}`),
        );
        expect(recordsOf(report, 'foreignTable').map(({ family, name, omitted }) => [family, name, omitted])).toEqual([
          ['inet', 'guard', undefined],
        ]);
        const packet = {
          source: '192.0.2.1',
          destination: '10.96.0.7',
          destinationPort: 80,
          protocol: 'TCP',
          entersAt: 'PREROUTING',
        } as const;
        const walk = readAllHooks(report, 'default/auth-service', 'IPv4', new Set())?.walk(packet);
        expect(walk?.leaves.map(({ verdict, decidedBy, dnat }) => [verdict, decidedBy, dnat?.address])).toEqual(
          expect.arrayContaining([
            ['DROP', 'forward', undefined],
            ['DNAT', expect.any(String), '10.244.1.2'],
          ]),
        );
        expect(walk?.unknown).toEqual([]);
      },
    );
  }

  kernelTest(
    'reads the older form of the nftables mode, a chain for each endpoint, with the counters that it has',
    async () => {
      const { before, report, after } = await probeBetweenDumps(heredoc('nft -f -', nftRules));
      expect(after).toBe(before);
      expect(recordsOf(report, 'unread')).toEqual([]);
      expect(buildNodeProgram(report, desiredService())).toMatchObject({
        proxyMode: 'nftables',
        frontends: [{ verdict: 'DNAT', dnatTargets: targets }],
      });
    },
  );

  kernelTest('makes no table where there is none, and says that it knows no mode', async () => {
    const { before, report, after } = await probeBetweenDumps(':');
    expect(before).toBe('');
    expect(after).toBe('');
    expect(buildNodeProgram(report, desiredService())).toMatchObject({
      proxyMode: 'unknown',
      frontends: [{ verdict: 'Unknown' }],
    });
  });

  kernelTest('reads a Service of more endpoints than it would ask for one by one', async () => {
    const count = 100;
    const endpoints = Array.from({ length: count }, (_, index) => index);
    const chain = (index: number): string => `KUBE-SEP-${String(index).padStart(16, '0')}`;
    const rules = [
      '*nat',
      ':KUBE-SERVICES - [0:0]',
      ':KUBE-SVC-FCQA5OQTFYIPVXUO - [0:0]',
      ...endpoints.map((index) => `:${chain(index)} - [0:0]`),
      '-A PREROUTING -j KUBE-SERVICES',
      '-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-FCQA5OQTFYIPVXUO',
      ...endpoints.map(
        (index) =>
          `-A KUBE-SVC-FCQA5OQTFYIPVXUO ${index === count - 1 ? '' : `-m statistic --mode random --probability ${(1 / (count - index)).toFixed(11)} `}-j ${chain(index)}`,
      ),
      ...endpoints.map(
        (index) => `-A ${chain(index)} -p tcp -m tcp -j DNAT --to-destination 10.244.1.${String(index + 1)}:8080`,
      ),
      'COMMIT',
      '',
    ].join('\n');
    const { report } = await probeBetweenDumps(heredoc('iptables-nft-restore', rules));
    const [frontend] = buildNodeProgram(report, desiredService()).frontends;
    expect(frontend?.dnatTargets.map(({ address }) => address)).toEqual(
      endpoints.map((index) => `10.244.1.${String(index + 1)}`),
    );
    for (const { probability } of frontend?.dnatTargets ?? []) expect(probability).toBeCloseTo(1 / count, 6);
  });

  kernelTest('says what it could not read where a tool is missing', async () => {
    const output = await inNamespace(
      `${heredoc('iptables-nft-restore', iptablesRules)}printf '%s\\n' '${request}' | PATH=/nonexistent ${probe}`,
    );
    const report = parseNodeReport(output);
    expect(recordsOf(report, 'unread').map(({ what }) => what)).toEqual(
      expect.arrayContaining(['rules of nf_tables: the list of its tables', 'conntrack entries']),
    );
    expect(buildNodeProgram(report, desiredService()).frontends[0]?.verdict).toBe('Unknown');
  });

  kernelTest('refuses a request that it does not understand, in one sentence', async () => {
    const output = await inNamespace(`set +e; printf '{"version":2}\\n' | ${probe} 2>&1; echo "status $?"`);
    expect(output).toMatch(/^the request's version is wrong: .*\nstatus 2$/);
  });
});
