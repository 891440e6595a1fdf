/** Small rulesets that once had a wrong answer (test/fixtures/cases), each with its right one and its variants. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { runSimulate } from '../../../cmd/commands/simulate.ts';

interface Outcome {
  readonly verdict: string;
  readonly probability: number;
  readonly verdicts?: readonly { readonly verdict: string; readonly probability: number }[];
  readonly destinations: readonly {
    readonly address: string;
    readonly port: number;
    readonly probability: number;
    readonly masquerade: boolean;
  }[];
  readonly masquerade: boolean;
  readonly path: readonly { readonly rule: string; readonly effect: string }[];
  readonly unknown?: readonly string[];
}

async function simulate(
  file: string,
  words: readonly string[],
): Promise<{ readonly status: number; readonly outcome: Outcome; readonly stderr: string }> {
  const { status, stdout, stderr } = await run(file, [...words, '-o', 'json']);
  return { status, outcome: JSON.parse(stdout) as Outcome, stderr };
}

async function run(
  file: string,
  words: readonly string[],
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const parsed = await parseCommandLine(['simulate', '--ruleset', file, ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'simulate') throw new Error('no simulate request');
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr'): { write(text: string): boolean } => ({
    write: (text) => {
      written[name] += text;
      return true;
    },
  });
  const status = await runSimulate(parsed.request, {
    ...process,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    signal: new AbortController().signal,
  });
  return { status, ...written };
}

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/cases/${name}.rules`, import.meta.url));

async function simulateText(text: string, words: readonly string[]): ReturnType<typeof simulate> {
  return simulate(await fileOf(text), words);
}

async function simulateAsText(text: string, words: readonly string[]): Promise<string> {
  return (await run(await fileOf(text), words)).stdout;
}

async function fileOf(text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'svctrace-cases-')), 'x.rules');
  await writeFile(file, text);
  return file;
}

const to = (destination: string, from = '10.244.1.1'): string[] => ['--from', from, '--to', destination];
const nat = (...rules: string[]): string =>
  `*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n${rules.map((rule) => `-A ${rule}\n`).join('')}COMMIT\n`;
const filter = (...rules: string[]): string =>
  `*filter\n:FORWARD ACCEPT [0:0]\n${rules.map((rule) => `-A ${rule}\n`).join('')}COMMIT\n`;

describe('the interface by which a packet came, at POSTROUTING', () => {
  const outside = to('198.51.100.8:443', '192.0.2.2');

  it.each([
    ['is known of a forwarded one', ['--in-interface', 'bridge1', '--out-interface', 'eth0'], 'NONE', true, 0],
    ['is another than it asks for', ['--in-interface', 'bridge2', '--out-interface', 'eth0'], 'NONE', false, 0],
    ['is unknown where it is not given', ['--out-interface', 'eth0'], 'UNKNOWN', false, 5],
    ["is empty of the node's own packets", ['--node-ip', '192.0.2.2', '--out-interface', 'eth0'], 'NONE', false, 0],
  ] as const)('%s', async (_name, words, verdict, masquerade, status) => {
    const walked = await simulate(fixture('01'), [...outside, ...words]);
    expect(walked).toMatchObject({ status, outcome: { verdict, probability: 1, masquerade } });
  });

  it('is seen by chains of iptables that POSTROUTING jumps to', async () => {
    const rules =
      '*nat\n:POSTROUTING ACCEPT [0:0]\n:X - [0:0]\n-A POSTROUTING -j X\n-A X -i bridge1 -j MASQUERADE\nCOMMIT\n';
    expect(await simulateText(rules, [...outside, '--in-interface', 'bridge1'])).toMatchObject({
      status: 0,
      outcome: { masquerade: true },
    });
  });
});

describe("loopback's addresses", () => {
  it.each([
    ['127.0.0.1', '127.0.0.1:80'],
    ['127.8.9.1', '127.0.0.1:80'],
    ['::1', '[::1]:80'],
  ])('%s is the node itself', async (from, destination) => {
    const { status, outcome } = await simulate(fixture('02'), to(destination, from));
    expect([status, outcome.verdict, outcome.path]).toEqual([0, 'NONE', []]);
  });

  it('is of every node, with its own addresses given or not', async () => {
    expect(
      (await simulate(fixture('02'), [...to('172.30.0.11:80', '127.0.0.1'), '--node-ip', '172.30.0.11'])).outcome,
    ).toMatchObject({ verdict: 'DNAT', destinations: [{ address: '172.17.0.2', port: 80 }] });
  });
});

describe('a DNAT that no kernel has', () => {
  it('has no destination, and says who printed it', async () => {
    const { status, outcome } = await simulate(fixture('03'), to('10.96.0.1:443'));
    expect([status, outcome.verdict, outcome.destinations, outcome.masquerade]).toEqual([5, 'UNKNOWN', [], false]);
    expect(outcome.unknown?.join()).toContain('an iptables printed it that cannot read what a newer one wrote');
  });

  it.each(['10.0.0.1:0', ':0', '0.0.0.0:80', '0.0.0.0', '10.0.0.1 --to-destination 10.0.0.2'])(
    'such as %s',
    async (destination) => {
      const { status, outcome } = await simulateText(
        nat(`PREROUTING -p tcp -j DNAT --to-destination ${destination}`),
        to('10.96.0.1:443'),
      );
      expect([status, outcome.verdict, outcome.destinations]).toEqual([5, 'UNKNOWN', []]);
    },
  );
});

describe('behind something unknown', () => {
  it('nothing is certain', async () => {
    const { status, outcome } = await simulate(fixture('04'), to('10.96.0.1:443'));
    expect({ status, ...outcome }).toMatchObject({
      status: 5,
      verdict: 'UNKNOWN',
      probability: 1,
      destinations: [],
      masquerade: false,
    });
    expect(outcome.path.at(-1)?.effect).toBe('unknown: chain endpoint-cut-by-the-author, which was not read');
    expect(outcome.unknown).toEqual(['chain endpoint-cut-by-the-author, which was not read']);
  });

  it.each([
    [
      'an unknown match before a DNAT',
      nat(
        'PREROUTING -m bpf --bytecode "4,48 0 0 9" -j DNAT --to-destination 10.0.0.1',
        'PREROUTING -j DNAT --to-destination 10.0.0.2',
      ),
    ],
    ['an unknown target', nat('PREROUTING -j CLUSTERIP --new', 'PREROUTING -j DNAT --to-destination 10.0.0.2')],
    ['a queue of a program', filter('FORWARD -j NFQUEUE --queue-num 1')],
    ['a chain that was not read', nat('PREROUTING -j GONE')],
    [
      'an unknown mark that is asked for',
      `${nat('PREROUTING -i eth0 -j MARK --set-xmark 0x1/0x1')}${filter('FORWARD -m mark --mark 0x1/0x1 -j DROP')}`,
    ],
    ['an unknown interface of a DROP', filter('FORWARD ! -i docker0 -o docker0 -j DROP')],
    ['an unknown interface of an ACCEPT before a REJECT', filter('FORWARD -i eth0 -j ACCEPT', 'FORWARD -j REJECT')],
    ['a table that was not read', `${nat('PREROUTING -j A', 'A -j PREROUTING')}${filter('FORWARD -j ACCEPT')}`],
    [
      'a map that was not read',
      'table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy accept;\n\t\ttcp dport vmap @gone\n\t}\n}\n',
    ],
    [
      'an address of a map that was not read',
      'table ip t {\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tdnat to ip saddr map @gone\n\t}\n}\n',
    ],
    [
      'a set that was not read',
      'table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy accept;\n\t\tip saddr @gone drop\n\t}\n}\n',
    ],
    [
      'an interface that a verdict map asks for',
      'table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy drop;\n\t\tiifname vmap { "lo" : accept, "eth0" : accept }\n\t}\n}\n',
    ],
  ])('%s', async (_name, text) => {
    const { status, outcome } = await simulateText(text, to('10.96.0.1:443'));
    expect([status, outcome.verdict, outcome.probability, outcome.destinations, outcome.masquerade]).toEqual([
      5,
      'UNKNOWN',
      1,
      [],
      false,
    ]);
    expect(outcome.unknown).not.toEqual([]);
  });

  it.each([
    ['both ways come to the same end', filter('FORWARD -i eth0 -j ACCEPT', 'FORWARD -j ACCEPT'), 'ACCEPT'],
    ['nothing is done to the packet', filter('FORWARD -i eth0 -j LOG', 'FORWARD -j DROP'), 'DROP'],
    [
      'what it leads to is not for the packet',
      `${filter('FORWARD -i eth0 -j DOCKER', 'DOCKER -d 172.17.0.2/32 -j ACCEPT').replace(':FORWARD', ':DOCKER - [0:0]\n:FORWARD')}`,
      'NONE',
    ],
    [
      'a map has the same verdict for all that it may be',
      'table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority 0; policy accept;\n\t\tiifname vmap { "eth0" : drop, * : drop }\n\t}\n}\n',
      'DROP',
    ],
  ])('is certain where %s', async (_name, text, verdict) => {
    expect(await simulateText(text, to('10.96.0.1:443'))).toMatchObject({
      status: 0,
      outcome: { verdict, probability: 1 },
    });
  });

  it('other branches of a choice are as certain as they were', async () => {
    const text =
      'table ip t {\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\tnumgen random mod 4 vmap { 0 : goto a, 1-3 : goto cut }\n\t}\n\tchain a {\n\t\tdnat to 10.0.0.1:80\n\t}\n}\n';
    const { status, outcome } = await simulateText(text, to('10.96.0.1:443'));
    expect({ status, ...outcome }).toMatchObject({
      status: 5,
      verdict: 'DNAT',
      probability: 0.25,
      verdicts: [
        { verdict: 'DNAT', probability: 0.25 },
        { verdict: 'UNKNOWN', probability: 0.75 },
      ],
      destinations: [{ address: '10.0.0.1', probability: 0.25, masquerade: false }],
    });
  });
});

describe('a line that iptables-restore does not take', () => {
  it('is read without its remark, with a word', async () => {
    const { status, outcome, stderr } = await simulate(fixture('05'), to('192.0.2.1:80'));
    expect({ status, ...outcome }).toMatchObject({
      status: 0,
      verdict: 'DNAT',
      destinations: [{ address: '192.0.2.9', port: 15006, probability: 1 }],
    });
    expect(stderr).toContain('line 4: what follows # is left aside as a remark');
  });

  it.each([
    [
      '05b',
      to('192.0.2.1:80', '10.1.1.1'),
      'line 3: iptables-restore takes no such line, for the word –j is not an option',
    ],
    [
      '05c',
      to('198.51.100.1:80'),
      'line 3: iptables-restore takes no such line, for 5.0 is not a value of --probability',
    ],
  ])('%s is refused by its number', async (name, words, message) => {
    const { status, outcome, stderr } = await simulate(fixture(name), words);
    expect([status, outcome.verdict, outcome.destinations]).toEqual([5, 'UNKNOWN', []]);
    expect(stderr).toContain(message);
  });

  it.each([
    '-p tcp -j ACCEPT (remark)',
    '-s  -j ACCEPT',
    '-s 10.0.0.300 -j ACCEPT',
    '-i eth0 -i eth1 -j ACCEPT',
    '-j ACCEPT -j DROP',
    '-p tcp word -j ACCEPT',
    '-j',
    '-m mark --mark 0xzz -j ACCEPT',
    '-p tcp -m tcp --dport 99999 -j ACCEPT',
    '-m statistic --mode random --probability nan -j ACCEPT',
    '-m statistic --mode random --probability 0.5x -j ACCEPT',
    '-m statistic --mode odd --probability 0.5 -j ACCEPT',
  ])('%s', async (words) => {
    const { status, outcome, stderr } = await simulateText(nat(`PREROUTING ${words}`), to('192.0.2.1:80'));
    expect([status, outcome.verdict]).toEqual([5, 'UNKNOWN']);
    expect(stderr).toContain('line 4: iptables-restore takes no such line');
  });

  it.each([
    '-m statistic --mode random --probability 1e-1 -j ACCEPT',
    '-m statistic --mode random --probability .5 -j ACCEPT',
    '-m comment --comment #5 -j ACCEPT',
    '-m comment --comment "# 5" -j ACCEPT',
  ])('%s is none', async (words) => {
    const { status, stderr } = await simulateText(nat(`PREROUTING ${words}`), to('192.0.2.1:80'));
    expect([status, stderr]).toEqual([0, '']);
  });
});

describe('lists of ipvsadm without schedulers and weights', () => {
  it.each([
    ['--stats', undefined],
    [
      '--rate',
      'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  -> RemoteAddress:Port\nTCP  10.96.0.1:443                        1        2        3        4        5\n  -> 192.0.2.10:6443                      1        2        3        4        5\n',
    ],
    [
      '-Lnc',
      'IPVS connection entries\npro expire state       source             virtual            destination\nTCP 14:56  ESTABLISHED 10.0.0.9:40000     10.96.0.1:443      192.0.2.10:6443\n',
    ],
  ])('%s is refused with what to give instead', async (name, text) => {
    const run =
      text === undefined ? simulate(fixture('06'), to('10.96.0.1:443')) : simulateText(text, to('10.96.0.1:443'));
    await expect(run).rejects.toThrow(name);
    await expect(run).rejects.toThrow('give what ipvsadm -Sn printed');
  });
});

describe('schedulers of IPVS whose shares no rule says', () => {
  const servers = (scheduler: string): string =>
    `-A -t 10.96.0.7:80 -s ${scheduler}\n-a -t 10.96.0.7:80 -r 10.244.1.2:8080 -m -w 1\n-a -t 10.96.0.7:80 -r 10.244.2.2:8080 -m -w 1\n`;
  const words = [...to('10.96.0.7:80', '10.244.7.7'), '--node-ip', '10.96.0.7'];

  it.each([
    ['sh', 'ClientHash', 'by hash of the client'],
    ['dh', 'DestinationHash', 'by hash of the destination'],
    ['lc', 'LeastConnections', 'by least connections'],
    ['fo', 'Unknown', 'share not known'],
  ])('%s: DNAT for certain, and %s in the place of a share', async (scheduler, chosenBy, text) => {
    const { status, outcome } = await simulateText(servers(scheduler), words);
    expect({ status, verdict: outcome.verdict, probability: outcome.probability }).toEqual({
      status: 0,
      verdict: 'DNAT',
      probability: 1,
    });
    expect(outcome.destinations).toEqual([
      { address: '10.244.1.2', port: 8080, chosenBy, masquerade: false },
      { address: '10.244.2.2', port: 8080, chosenBy, masquerade: false },
    ]);
    const printed = await simulateAsText(servers(scheduler), words);
    expect(printed).toContain(`\nDNAT\n  10.244.1.2:8080  ${text}\n  10.244.2.2:8080  ${text}\n`);
    expect(printed).not.toContain('%');
  });

  it('rr has shares', async () => {
    const { outcome } = await simulateText(servers('rr'), words);
    expect(outcome.destinations.map(({ probability }) => probability)).toEqual([0.5, 0.5]);
    expect(await simulateAsText(servers('rr'), words)).toContain('  10.244.1.2:8080  50.0%\n');
  });
});

describe('what a rule puts into a map or a set', () => {
  const table = (rules: string[], elements = ''): string =>
    `table ip t {\n\tmap m {\n\t\ttype ipv4_addr : ipv4_addr . inet_service\n\t\tflags dynamic,timeout\n\t\ttimeout 3h\n${elements}\t}\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t}\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n}\n`;
  const ask = 'dnat ip to ip saddr map @m';
  const present = '\t\telements = { 10.1.1.1 timeout 3h expires 2h : 192.0.2.7 . 81 }\n';

  it('is seen by the next lookup of the same packet', async () => {
    expect(await simulate(fixture('07'), to('198.51.100.1:80', '10.1.1.1'))).toMatchObject({
      status: 0,
      outcome: { verdict: 'DNAT', destinations: [{ address: '192.0.2.5', port: 8080, probability: 1 }] },
    });
  });

  it.each([
    ['update changes what is there', ['update @m { ip saddr : 192.0.2.5 . 8080 }', ask], present, '192.0.2.5:8080'],
    ['add leaves what is there', ['add @m { ip saddr : 192.0.2.5 . 8080 }', ask], present, '192.0.2.7:81'],
    ['add puts what is not there', ['add @m { ip saddr : 192.0.2.5 . 8080 }', ask], '', '192.0.2.5:8080'],
    ['delete takes it out', ['delete @m { ip saddr }', ask], present, ''],
    [
      'a value may be read of the packet',
      ['update @m { ip saddr : ip daddr . tcp dport }', ask],
      '',
      '198.51.100.1:80',
    ],
    ['a set holds what was added', ['add @s { ip saddr }', 'ip saddr @s dnat to 192.0.2.8:82'], '', '192.0.2.8:82'],
    [
      'a set does not hold what was taken out',
      ['add @s { ip saddr }', 'delete @s { ip saddr }', 'ip saddr @s dnat to 192.0.2.8:82'],
      '',
      '',
    ],
  ])('%s', async (_name, rules, elements, target) => {
    const { status, outcome } = await simulateText(table(rules, elements), to('198.51.100.1:80', '10.1.1.1'));
    expect([status, outcome.destinations.map(({ address, port }) => `${address}:${String(port)}`).join()]).toEqual([
      0,
      target,
    ]);
  });
});

describe('probabilities', () => {
  it('every verdict has its own', async () => {
    const { status, outcome } = await simulate(fixture('08'), to('198.51.100.1:80'));
    expect({ status, ...outcome }).toMatchObject({
      status: 0,
      verdict: 'DROP',
      probability: 0.5,
      verdicts: [
        { verdict: 'DROP', probability: 0.5 },
        { verdict: 'NONE', probability: 0.5 },
      ],
    });
  });

  it('masquerade belongs to each destination', async () => {
    const rules = nat(
      'PREROUTING -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.244.1.1:8080',
      'PREROUTING -j DNAT --to-destination 10.244.1.2:8080',
      'POSTROUTING -s 10.244.1.1/32 -d 10.244.1.1/32 -j MASQUERADE',
    );
    const { outcome } = await simulateText(rules, to('10.96.0.1:80'));
    expect(outcome).toMatchObject({
      verdict: 'DNAT',
      probability: 1,
      masquerade: true,
      destinations: [
        { address: '10.244.1.1', probability: 0.5, masquerade: true },
        { address: '10.244.1.2', probability: 0.5, masquerade: false },
      ],
    });
  });
});

describe('REDIRECT', () => {
  const ofNft = (rule: string): string =>
    `table inet t {\n\tchain c {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\t${rule}\n\t}\n}\n`;
  const redirecting = [
    ['iptables', nat('PREROUTING -p tcp -j REDIRECT --to-ports 15006')],
    ['nftables', ofNft('meta l4proto tcp redirect to :15006')],
  ] as const;

  it.each(redirecting)('of %s goes to the address of the node', async (_name, text) => {
    const { status, outcome } = await simulateText(text, [...to('10.96.0.1:443'), '--node-ip', '172.30.0.11']);
    expect({ status, ...outcome }).toMatchObject({
      status: 0,
      verdict: 'DNAT',
      destinations: [{ address: '172.30.0.11', port: 15006, probability: 1 }],
    });
  });

  it.each(redirecting)('of %s goes to the node, and which of several addresses is not known', async (_name, text) => {
    const nodes = ['172.30.0.11', 'fd00::1', '10.244.1.1'].flatMap((address) => ['--node-ip', address]);
    const { status, outcome } = await simulateText(text, [...to('10.96.0.1:443', '10.244.1.9'), ...nodes]);
    expect([status, outcome.verdict, outcome.probability]).toEqual([0, 'DNAT', 1]);
    expect(outcome.destinations.map(({ address, port }) => `${address}:${String(port)}`)).toEqual([
      '172.30.0.11:15006',
      '10.244.1.1:15006',
    ]);
    expect(outcome.unknown?.join()).toContain('to which of the machine');
  });

  it.each(redirecting)('of %s is not known to go anywhere where no address of the node is', async (_name, text) => {
    const { status, outcome } = await simulateText(text, to('10.96.0.1:443'));
    expect([status, outcome.verdict, outcome.destinations]).toEqual([5, 'UNKNOWN', []]);
  });
});

describe('a part of a dump', () => {
  it('is reported, with what it lacks', async () => {
    const { status, outcome } = await simulate(fixture('10'), to('10.96.0.1:443'));
    expect([status, outcome.verdict]).toEqual([5, 'UNKNOWN']);
    expect(outcome.unknown).toEqual([
      expect.stringMatching(
        /^no chain of this dump is registered at a hook, .* it is part of a dump, and refers to what it lacks: chain no-such-chain of table t, set or map no-such-map of table t/,
      ),
    ]);
  });

  it('of iptables as well', async () => {
    const { status, outcome } = await simulateText(
      '*nat\n:KUBE-SVC-A - [0:0]\n-A KUBE-SVC-A -j KUBE-SEP-B\nCOMMIT\n',
      to('10.96.0.1:443'),
    );
    expect([status, outcome.verdict, outcome.unknown?.join()]).toEqual([
      5,
      'UNKNOWN',
      expect.stringContaining('chain KUBE-SEP-B of table nat'),
    ]);
  });

  it.each(['*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n', 'table ip t {\n}\n'])(
    'is not %j, where there are no rules',
    async (text) => {
      expect(await simulateText(text, to('10.96.0.1:443'))).toMatchObject({ status: 0, outcome: { verdict: 'NONE' } });
    },
  );
});

describe("nft's warnings within its listing", () => {
  it('leave each rule whole, and are reported once', async () => {
    const { status, outcome, stderr } = await simulate(fixture('12'), to('10.96.0.1:443'));
    expect([status, outcome.verdict, outcome.masquerade]).toEqual([0, 'NONE', false]);
    expect(stderr.match(/cannot print the matches and targets of iptables/g)).toHaveLength(1);
  });

  it.each([0, 3, 20, 60, 100, 130, 150])('wherever they fall (at %i)', async (at) => {
    const listing =
      'table ip nat {\n\tchain POSTROUTING {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t\tmeta mark & 0x00002000 == 0x00002000 counter packets 179 bytes 12508 xt target "MASQUERADE"\n\t}\n}\n';
    const truncated = `${listing.slice(0, at)}# Warning: XT target MASQUERADE not found\n${listing.slice(at)}`;
    const { outcome, stderr } = await simulateText(truncated, to('10.96.0.1:443'));
    expect([outcome.verdict, outcome.path]).toEqual(['NONE', []]);
    expect(stderr).toContain('add what iptables-save prints');
  });
});
