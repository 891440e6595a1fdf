/** The small rulesets of test/fixtures/cases under real packets: what the kernel does is what simulate says of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it, describe } from 'vitest';
import { summarize } from '../../core/program/walk-packet.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { parseRulesetFile, mergeRulesets } from '../../core/ruleset/read-dumps.ts';
import type { Packet } from '../../core/evaluate/walk.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'iptables-nft-restore', 'conntrack', 'bash']);
const rules = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/cases/${name}.rules`, import.meta.url)), 'utf8');

/** A router between a client (192.0.2.2, by bridge1) and a server (198.51.100.0/24, by eth0); 60 datagrams of the client's. */
const router = `mount -t tmpfs none /run; mkdir -p /run/netns
for each in client server; do ip netns add $each; done
ip link add bridge1 type veth peer name c netns client; ip link add eth0 type veth peer name s netns server
ip addr add 192.0.2.1/24 dev bridge1; ip addr add 10.1.1.254/24 dev bridge1; ip addr add 198.51.100.254/24 dev eth0; ip link set bridge1 up; ip link set eth0 up; ip link set lo up
ip netns exec client sh -c 'ip addr add 192.0.2.2/24 dev c; ip addr add 10.1.1.1/24 dev c; ip link set c up; ip route add default via 192.0.2.1'
ip netns exec server sh -c 'ip addr add 198.51.100.8/24 dev s; ip addr add 198.51.100.1/24 dev s; ip link set s up; ip route add default via 198.51.100.254'
sysctl -qw net.ipv4.ip_forward=1
send() { ip netns exec client bash -c 'for each in $(seq 60); do echo x > /dev/udp/'$1'/'$2'; done' || true; sleep 0.5; }
`;

/** Of 60 datagrams: some of them may have the same port of the client's. */
const fewestEntries = 50;

it('masquerades by the interface by which a packet came (01)', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`${router}nft -f - <<'RULES'
${rules('01')}RULES
send 198.51.100.8 443; conntrack -L -p udp 2>/dev/null`);
  const entries = output.trim().split('\n');
  expect(entries.length).toBeGreaterThan(fewestEntries);
  expect(entries.filter((line) => !line.includes('dst=198.51.100.254'))).toEqual([]);
  const summary = summarize(
    walkRuleset(
      parseRulesetFile(rules('01')),
      {
        source: '192.0.2.2',
        destination: '198.51.100.8',
        destinationPort: 443,
        protocol: 'UDP',
        entersAt: 'PREROUTING',
        inInterface: 'bridge1',
        outInterface: 'eth0',
      },
      [],
    ),
  );
  expect(summary).toMatchObject({ masquerade: true, unknown: [] });
});

it("sends the node's own packets to loopback past PREROUTING (02)", async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`ip link set lo up; iptables-nft-restore <<'RULES'
${rules('02')}RULES
for each in $(seq 20); do bash -c 'echo x > /dev/tcp/127.0.0.1/80' 2>/dev/null || true; done; iptables-nft -t nat -L DOCKER -nvx | tail -1`);
  expect(output.trim().split(/\s+/)[0]).toBe('0');
  expect(
    summarize(
      walkRuleset(
        parseRulesetFile(rules('02')),
        { source: '127.0.0.1', destination: '127.0.0.1', destinationPort: 80, protocol: 'TCP', entersAt: 'OUTPUT' },
        [],
      ),
    ).verdict,
  ).toBe('NONE');
});

it('drops about a half (08)', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`${router}iptables-nft-restore <<'RULES'
${rules('08').replace('-p tcp', '-p udp')}RULES
send 198.51.100.8 443; iptables-nft -L FORWARD -nvx | tail -1`);
  const dropped = Number(output.trim().split(/\s+/)[0]);
  // 60 at one half: outside of these once in some 10 million runs.
  expect(dropped).toBeGreaterThan(9);
  expect(dropped).toBeLessThan(51);
});

const udp = (more: Partial<Packet>): Packet => ({
  source: '10.1.1.1',
  destination: '198.51.100.8',
  destinationPort: 80,
  protocol: 'UDP',
  entersAt: 'PREROUTING',
  inInterface: 'bridge1',
  ...more,
});

it('finds what the same packet put into a map (07)', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const own = rules('07').replaceAll('tcp dport', 'udp dport').replace('192.0.2.5', '198.51.100.8');
  const output = await inNamespace(`${router}nft -f - <<'RULES'
${own}RULES
send 198.51.100.1 80; conntrack -L -p udp 2>/dev/null`);
  const entries = output.trim().split('\n');
  expect(entries.length).toBeGreaterThan(fewestEntries);
  expect(entries.filter((line) => !/ src=198\.51\.100\.8 dst=\S+ sport=8080 /.test(line))).toEqual([]);
  expect(
    summarize(walkRuleset(parseRulesetFile(own), udp({ source: '192.0.2.2', destination: '198.51.100.1' }), [])),
  ).toMatchObject({
    verdict: 'DNAT',
    destinations: [{ address: '198.51.100.8', port: 8080, probability: 1 }],
    unknown: [],
  });
});

/** Where 60 datagrams get to behind a rule of nat: the client's to the server, or the node's own. */
describe.each<[string, Packet['entersAt'], { forwarded: number; received: number; sent: number }]>([
  ['dnat to 0.0.0.0', 'PREROUTING', { forwarded: 0, received: 0, sent: 0 }],
  ['dnat to 0.0.0.0:8080', 'PREROUTING', { forwarded: 0, received: 0, sent: 0 }],
  ['dnat to 198.51.100.1:0', 'PREROUTING', { forwarded: 60, received: 0, sent: 60 }],
  ['redirect to :0', 'PREROUTING', { forwarded: 0, received: 60, sent: 0 }],
  ['dnat to 0.0.0.0:8080', 'OUTPUT', { forwarded: 0, received: 60, sent: 60 }],
  ['dnat to 198.51.100.1:0', 'OUTPUT', { forwarded: 0, received: 0, sent: 60 }],
])('nft %s at %s', (target, entersAt, expected) => {
  it(`reaches what the kernel reaches: ${JSON.stringify(expected)}`, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const chain = (name: string, type: string, hook: string, rule: string): string =>
      `\tchain ${name} {\n\t\ttype ${type} hook ${hook}; policy accept;\n\t\t${rule}\n\t}\n`;
    const own = `table ip t {\n${chain('n', 'nat', `${entersAt.toLowerCase()} priority -100`, `udp dport 80 ${target}`)}`;
    const counting = [
      chain('forwarded', 'filter', 'forward priority 0', 'ip protocol udp counter name forwarded'),
      chain('received', 'filter', 'input priority 0', 'ip protocol udp counter name received'),
      chain('sent', 'filter', 'postrouting priority 10', 'ip protocol udp counter name sent'),
    ].join('');
    const from =
      entersAt === 'OUTPUT'
        ? `for each in $(seq 60); do bash -c 'echo x > /dev/udp/198.51.100.8/80'; done; sleep 0.5`
        : 'send 198.51.100.8 80';
    const counters = ['forwarded', 'received', 'sent'];
    const output = await inNamespace(`${router}nft -f - <<'RULES'
table ip t { ${counters.map((name) => `counter ${name} { }`).join('; ')}; }
${own}${counting}}
RULES
${from}; nft list counters`);
    const counted = counters.map((name) => [
      name,
      Number(new RegExp(`counter ${name} \\{\\s+packets (\\d+)`).exec(output)?.[1]),
    ]);
    expect(Object.fromEntries(counted)).toEqual(expected);
    const summary = summarize(
      walkRuleset(
        parseRulesetFile(`${own}}\n`),
        udp(entersAt === 'OUTPUT' ? { entersAt, source: '198.51.100.254', inInterface: '', outInterface: 'eth0' } : {}),
        ['10.1.1.254'],
      ),
    );
    const [, address = '10.1.1.254', port = '80'] = /(?:dnat to ([\d.]+))?:?(\d+)?$/.exec(target) ?? [];
    expect([summary.verdict, summary.destinations.map((each) => `${each.address}:${String(each.port)}`)]).toEqual(
      Object.values(expected).every((packets) => packets === 0) ? ['DROP', []] : ['DNAT', [`${address}:${port}`]],
    );
  });
});

/** Of 60 datagrams of the client's to 198.51.100.8:443, how many the rules of a chain in FORWARD match by the kernel, and by the walk. */
async function matched(
  conditions: readonly string[],
  nat = '',
): Promise<{ readonly counted: readonly string[]; readonly evaluated: readonly string[] }> {
  const table = `table ip t {
${nat}  chain c {
    type filter hook forward priority 0; policy accept;
${conditions.map((condition) => `    udp dport 443 ${condition} counter\n`).join('')}  }
}
`;
  const output = await inNamespace(`${router}nft -f - <<'RULES'
${table}RULES
send 198.51.100.8 443; nft list chain ip t c`);
  const counted = [...output.matchAll(/counter packets (\d+)/g)].map(([, packets]) => packets ?? '');
  const evaluated = conditions.map((condition) => {
    const ruleset = parseRulesetFile(table.replace(`${condition} counter`, `${condition} drop`));
    const { verdict } = summarize(walkRuleset(ruleset, udp({ source: '192.0.2.2', destinationPort: 443 }), []));
    // Of one that DNAT has sent elsewhere, DNAT is the end.
    return verdict === 'DROP' ? '60' : verdict === 'NONE' || verdict === 'DNAT' ? '0' : verdict;
  });
  return { counted, evaluated };
}

it("counts a connection's first packet, in its own direction alone", async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const { counted, evaluated } = await matched([
    'ct original packets 1',
    'ct packets 1',
    'ct packets > 1',
    'ct reply packets 0',
    'ct reply bytes > 0',
    'ct original bytes 28-65535',
    'ct bytes > 65535',
    'ct reply avgpkt 0',
    'ct avgpkt > 20',
  ]);
  expect(counted).toEqual(evaluated);
});

describe.each([
  ['rewritten', 'dnat to 198.51.100.1'],
  ['left as it is', 'dnat to 198.51.100.8'],
  ['not asked about', 'udp dport 53 dnat to 198.51.100.1'],
])('a connection that DNAT has %s', (_name, rule) => {
  it('has the status that the kernel gives it', async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const { counted, evaluated } = await matched(
      [
        'ct status dnat',
        'ct status ! dnat',
        'ct status snat,dnat',
        'ct status == dnat',
        'ct status != dnat',
        'ct status { snat, dnat }',
        'ct status != { snat, dnat }',
        'ct status confirmed',
        'ct status != confirmed',
      ],
      `  chain n {\n    type nat hook prerouting priority -100; policy accept;\n    ${rule}\n  }\n`,
    );
    expect(evaluated).toEqual(counted);
  });
});

describe('of chains of the same priority, the newest is first', () => {
  const table = (family: string, name: string, ...chains: string[]): string =>
    `table ${family} ${name} {\n${chains.join('')}}\n`;
  const base = (name: string, type: string, rule: string): string =>
    `  chain ${name} {\n    type ${type}; policy accept;\n    ${rule}\n  }\n`;
  const [forward, prerouting] = ['filter hook forward priority 0', 'nat hook prerouting priority -100'];
  // Without a rule that asks conntrack, a namespace has none.
  const [set, drop] = ['ct state new meta mark set 7', 'meta mark 7 drop'];

  it.for([
    ['in one table', table('ip', 'a', base('c', forward, set), base('d', forward, drop))],
    ['in one table, the other way', table('ip', 'a', base('c', forward, drop), base('d', forward, set))],
    ['of two tables', table('ip', 'a', base('c', forward, set)) + table('ip', 'b', base('c', forward, drop))],
    ['of two families', table('inet', 'z', base('c', forward, drop)) + table('ip', 'b', base('c', forward, set))],
    [
      'of nat',
      table('ip', 'a', base('c', prerouting, 'dnat to 198.51.100.1')) +
        table('ip', 'b', base('c', prerouting, 'dnat to 198.51.100.2')),
    ],
  ])('%s', async ([, text = ''], { skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const output = await inNamespace(`${router}nft -f - <<'RULES'
${text}RULES
send 198.51.100.8 443; nft list ruleset > /run/listed; conntrack -L -p udp 2>/dev/null; echo; echo LISTED; cat /run/listed`);
    const [entries = '', listed = ''] = output.split('LISTED\n');
    const answering = new Set([...entries.matchAll(/UNREPLIED\] src=(\S+)/g)].map(([, source]) => source));
    const { verdict, destinations } = summarize(
      walkRuleset(parseRulesetFile(listed), udp({ source: '192.0.2.2', destinationPort: 443 }), []),
    );
    expect(
      verdict === 'DROP' ? [] : (destinations.map(({ address }) => address).join() || '198.51.100.8').split(','),
    ).toEqual([...answering]);
  });
});

it('asks a set of networks and interfaces by which interface a packet came', async ({ skip }) => {
  const missing = unavailable ?? kernelUnavailable(['ipset']);
  if (missing !== undefined) return skip(missing);
  const set = 'create S hash:net,iface family inet\nadd S 192.0.2.0/24,bridge1\nadd S 192.0.2.0/28,eth wildcard\n';
  const dump = (flags: string): string =>
    `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -p udp -m set --match-set S ${flags} -j DROP\nCOMMIT\n`;
  for (const flags of ['src,src', 'src,dst']) {
    const output = await inNamespace(`${router}ipset restore <<'SETS'
${set}SETS
iptables-nft-restore <<'RULES'
${dump(flags)}RULES
send 198.51.100.8 443; iptables-nft -L FORWARD -nvx | tail -1`);
    const ruleset = mergeRulesets([parseRulesetFile(dump(flags)), parseRulesetFile(set)]);
    const ask = (interfaces: Pick<Packet, 'inInterface' | 'outInterface'>): string => {
      const packet: Packet = {
        source: '192.0.2.2',
        destination: '198.51.100.8',
        destinationPort: 443,
        protocol: 'UDP',
        entersAt: 'PREROUTING',
        ...interfaces,
      };
      return summarize(walkRuleset(ruleset, packet, [])).verdict;
    };
    const dropped = ask({ inInterface: 'bridge1', outInterface: 'eth0' }) === 'DROP';
    expect(output.trim().split(/\s+/)[0]).toBe(dropped ? '60' : '0');
    expect(ask({})).toBe('UNKNOWN');
  }
});
