/** Whole dumps of real nodes (test/fixtures/rulesets), parsed and walked. */
import { effectText } from '../../../core/evaluate/action.ts';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarize } from '../../../core/program/walk-packet.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';
import { RulesetError } from '../../../core/ruleset/ruleset.ts';
import type { Protocol } from '../../../core/net/family.ts';
import { comparableTable } from '../../support/comparable-table.ts';

const folder = fileURLToPath(new URL('../../fixtures/rulesets/', import.meta.url));
const read = (file: string): string => readFileSync(folder + file, 'utf8');
const nodeIps = ['172.30.0.11', '172.30.0.12', '172.30.0.13'];
const nodes = {
  'iptables-nft.txt': '172.30.0.11',
  'nftables.json': '172.30.0.12',
  'nftables.txt': '172.30.0.12',
  'iptables-legacy.txt': '172.30.0.13',
} as const;
type File = keyof typeof nodes;
const files: readonly File[] = ['iptables-nft.txt', 'nftables.json', 'nftables.txt', 'iptables-legacy.txt'];

function walk(
  file: File,
  from: string,
  to: string,
  port: number,
  protocol: Protocol = 'TCP',
): ReturnType<typeof summarize> {
  return summarize(
    walkRuleset(
      parseRulesetFile(read(file)),
      {
        source: from,
        destination: to,
        destinationPort: port,
        protocol,
        entersAt: nodeIps.includes(from) ? 'OUTPUT' : 'PREROUTING',
      },
      nodeIps,
    ),
  );
}

const pod = '10.244.1.77';
const outside = '192.0.2.9';
const node = (file: File): string => nodes[file];
const everywhere = ['10.244.1.4:8080', '10.244.2.2:8080', '10.244.3.3:8080'];
const onNodeA = ['10.244.1.3:8080', '10.244.1.5:8080'];

interface Case {
  readonly name: string;
  readonly from: (file: File) => string;
  readonly to: (file: File) => string;
  readonly port: number;
  readonly protocol?: Protocol;
  /** Of node-a, node-b and node-c, where they differ. */
  readonly expected: (file: File) => { verdict: string; targets?: readonly string[]; masquerade?: boolean };
}

const isNodeA = (file: File): boolean => file === 'iptables-nft.txt';
const isNftables = (file: File): boolean => file.startsWith('nftables');

const cases: readonly Case[] = [
  {
    name: 'a pod to a ClusterIP',
    from: () => pod,
    to: () => '10.96.198.84',
    port: 80,
    expected: () => ({ verdict: 'DNAT', targets: everywhere }),
  },
  {
    name: 'a node to a ClusterIP',
    from: node,
    to: () => '10.96.198.84',
    port: 80,
    expected: () => ({ verdict: 'DNAT', targets: everywhere, masquerade: true }),
  },
  {
    name: 'a client outside to a ClusterIP',
    from: () => outside,
    to: () => '10.96.198.84',
    port: 80,
    expected: () => ({ verdict: 'DNAT', targets: everywhere, masquerade: true }),
  },
  {
    name: 'a new client of a Service with affinity',
    from: () => pod,
    to: () => '10.96.147.130',
    port: 80,
    expected: () => ({ verdict: 'DNAT', targets: everywhere }),
  },
  {
    name: 'UDP',
    from: () => pod,
    to: () => '10.96.124.7',
    port: 53,
    protocol: 'UDP',
    expected: () => ({ verdict: 'DNAT', targets: everywhere.map((target) => target.replace('8080', '5353')) }),
  },
  {
    name: 'SCTP',
    from: () => pod,
    to: () => '10.96.124.7',
    port: 3868,
    protocol: 'SCTP',
    expected: () => ({ verdict: 'DNAT', targets: everywhere.map((target) => target.replace('8080', '3868')) }),
  },
  {
    name: 'the wrong protocol',
    from: () => pod,
    to: () => '10.96.147.130',
    port: 80,
    protocol: 'UDP',
    expected: (file) => ({ verdict: isNftables(file) ? 'REJECT' : 'NONE' }),
  },
  {
    name: 'internalTrafficPolicy Local',
    from: () => pod,
    to: () => '10.96.236.140',
    port: 80,
    expected: (file) => (isNodeA(file) ? { verdict: 'DNAT', targets: onNodeA } : { verdict: 'DROP' }),
  },
  {
    name: 'a Service without endpoints',
    from: () => pod,
    to: () => '10.96.224.65',
    port: 80,
    expected: () => ({ verdict: 'REJECT' }),
  },
  {
    name: 'a port that no Service has',
    from: () => pod,
    to: () => '10.96.0.10',
    port: 9999,
    expected: (file) => ({ verdict: isNftables(file) ? 'REJECT' : 'NONE' }),
  },
  {
    name: 'a NodePort from outside',
    from: () => outside,
    to: node,
    port: 30080,
    expected: () => ({ verdict: 'DNAT', targets: everywhere, masquerade: true }),
  },
  {
    name: 'a NodePort with externalTrafficPolicy Local from outside',
    from: () => outside,
    to: node,
    port: 30081,
    expected: (file) => (isNodeA(file) ? { verdict: 'DNAT', targets: onNodeA } : { verdict: 'DROP' }),
  },
  {
    name: 'the same from a pod, which no policy holds back',
    from: () => pod,
    to: node,
    port: 30081,
    expected: () => ({ verdict: 'DNAT', targets: onNodeA }),
  },
  {
    name: 'an external IP',
    from: () => outside,
    to: () => '198.51.100.7',
    port: 80,
    expected: () => ({ verdict: 'DNAT', targets: everywhere, masquerade: true }),
  },
  {
    name: 'a load balancer IP from within its source ranges',
    from: () => outside,
    to: () => '203.0.113.10',
    port: 443,
    expected: () => ({ verdict: 'DNAT', targets: everywhere, masquerade: true }),
  },
  {
    name: 'a load balancer IP from outside its source ranges',
    from: () => '198.18.0.9',
    to: () => '203.0.113.10',
    port: 443,
    expected: () => ({ verdict: 'DROP' }),
  },
  {
    name: 'an address that is not a Service',
    from: () => pod,
    to: () => '8.8.8.8',
    port: 53,
    protocol: 'UDP',
    expected: () => ({ verdict: 'NONE' }),
  },
];

describe('walkRuleset', () => {
  for (const { name, from, to, port, protocol, expected } of cases) {
    it.each(files)(`${name}, by %s`, (file) => {
      const { verdict, targets = [], masquerade = false } = expected(file);
      const result = walk(file, from(file), to(file), port, protocol);
      expect(result.verdict, JSON.stringify(result.path, undefined, 1)).toBe(verdict);
      expect(result.destinations.map(({ address, port: targetPort }) => `${address}:${String(targetPort)}`)).toEqual(
        targets,
      );
      expect(result.masquerade).toBe(masquerade);
      expect(result.unknown).toEqual([]);
      for (const { probability } of result.destinations) expect(probability).toBeCloseTo(1 / targets.length, 6);
    });
  }

  it('walks IPv6', () => {
    const ruleset = parseRulesetFile(read('ip6tables-nft.txt'));
    expect(ruleset.iptables.map(({ family }) => family)).toEqual(['IPv6']);
    const { verdict, destinations } = summarize(
      walkRuleset(
        ruleset,
        {
          source: 'fd00:10:244:1::77',
          destination: 'fd00:10:96::3e87',
          destinationPort: 80,
          protocol: 'TCP',
          entersAt: 'PREROUTING',
        },
        [],
      ),
    );
    expect(verdict).toBe('DNAT');
    expect(destinations).toHaveLength(3);
  });

  it('reads the text and the JSON of nft as the same rules', () => {
    const own = (file: File): unknown =>
      parseRulesetFile(read(file))
        .nftables.filter(({ name }) => name === 'kube-proxy')
        .map(comparableTable);
    expect(own('nftables.txt')).toEqual(own('nftables.json'));
  });

  it('names what it does not know, and does not follow it', () => {
    const rules =
      '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m bpf --bytecode "4,48 0 0 9" -j DROP\n-A FORWARD -i eth0 -j ACCEPT\nCOMMIT\n';
    const result = summarize(
      walkRuleset(
        parseRulesetFile(rules),
        { source: pod, destination: '10.0.0.1', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
        [],
      ),
    );
    expect(result).toMatchObject({ verdict: 'UNKNOWN', probability: 1 });
    expect(result.unknown).toEqual([
      '-m bpf --bytecode "4,48 0 0 9" of -A FORWARD -m bpf --bytecode "4,48 0 0 9" -j DROP',
      '-i eth0 of -A FORWARD -i eth0 -j ACCEPT',
    ]);
    expect(result.path.map(effectText)).toEqual(['unknown: -m bpf --bytecode "4,48 0 0 9"', 'unknown: -i eth0']);
  });

  it('honours the policy of a built-in chain, and drops after DNAT', () => {
    const rules =
      '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.96.0.7/32 -j DNAT --to-destination 10.0.0.5:8080\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n-A FORWARD -d 10.0.0.6/32 -p tcp -m tcp --dport 8080 -j ACCEPT\nCOMMIT\n';
    const to = (destination: string): string =>
      summarize(
        walkRuleset(
          parseRulesetFile(rules),
          { source: pod, destination, destinationPort: 8080, protocol: 'TCP', entersAt: 'PREROUTING' },
          [],
        ),
      ).verdict;
    expect(to('10.96.0.7')).toBe('DROP');
    expect(to('10.0.0.6')).toBe('ACCEPT');
    expect(to('10.0.0.7')).toBe('DROP');
  });

  it('refuses a table whose rules jump in a circle by the line that closes it, and walks the others', () => {
    const rules =
      '*nat\n:PREROUTING ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n-A PREROUTING -j A\n-A A -j B\n-A B -j A\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n:C - [0:0]\n-A C -j C\nCOMMIT\n';
    const ruleset = parseRulesetFile(rules);
    // A circle that no packet comes to is one that the kernel has let through.
    expect(ruleset.problems).toEqual([
      {
        line: 7,
        table: 'nat',
        message:
          'the rules jump in a circle, A -> B -> A, which no kernel takes: the dump was altered; capture it again',
      },
    ]);
    const walk = summarize(
      walkRuleset(
        ruleset,
        { source: pod, destination: '10.0.0.1', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
        [],
      ),
    );
    // What is left drops it; the table that was not read might have sent it elsewhere before.
    expect(walk.verdict).toBe('UNKNOWN');
    expect(walk.unknown).toEqual([expect.stringContaining('table nat, which was not read: line 7')]);
  });
});

describe('a listing of nft whose rules jump in a circle', () => {
  it('costs its table, by the line that closes the circle', () => {
    const text =
      'table ip x {\n\tchain a {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tjump b\n\t}\n\tchain b {\n\t\tip daddr 10.0.0.1 jump c\n\t}\n\tchain c {\n\t\tgoto b\n\t}\n}\ntable ip y {\n\tchain f {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n';
    const ruleset = parseRulesetFile(text);
    expect(ruleset.problems).toEqual([
      {
        line: 10,
        table: 'ip x',
        message:
          'the rules jump in a circle, b -> c -> b, which no kernel takes: table ip x is truncated and left out; capture the listing again',
      },
    ]);
    expect(ruleset.nftables.map(({ name }) => name)).toEqual(['y']);
    expect(
      summarize(
        walkRuleset(
          ruleset,
          { source: pod, destination: '10.0.0.1', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
          [],
        ),
      ).verdict,
    ).toBe('UNKNOWN');
  });
});

describe('a dump that cannot be read', () => {
  it.each([
    ['', 'it is empty'],
    ['*nat\n:A ACCEPT\n-A A -j A\nCOMMIT\n', 'line 3: the rules jump in a circle, A -> A'],
    ['-P INPUT ACCEPT\n', 'it is what iptables -S printed'],
    ['Chain INPUT (policy ACCEPT)\n', 'it is what iptables -L printed'],
    ['hello', 'neither iptables-save text'],
    ['{"nftables": [', 'line 1: the JSON of nft cannot be read any further (it ends before its last brace)'],
    ['{"tables": []}', 'no list "nftables"'],
    [
      'table ip x {\n\tchain y {\n\t\taccept\n',
      'line 3: the listing ends before chain y is closed: table ip x is truncated and left out',
    ],
  ])('%j says why', (text, words) => {
    expect(() => parseRulesetFile(text)).toThrow(RulesetError);
    expect(() => parseRulesetFile(text)).toThrow(words);
  });

  it.each(files)('%s, cut anywhere, is either read or refused in one sentence', (file) => {
    const whole = read(file);
    fc.assert(
      fc.property(fc.nat({ max: whole.length }), fc.nat({ max: whole.length }), (from, to) => {
        try {
          parseRulesetFile(whole.slice(0, from) + whole.slice(to));
        } catch (error) {
          expect(error).toBeInstanceOf(RulesetError);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('what people paste around a dump', () => {
  it.each([
    ['$ iptables-save\n*nat\n', 'line 1 is not understood: $ iptables-save (a line of a shell; leave it out)'],
    ['\n```\n*nat\n', 'line 2 is not understood: ``` (a fence of Markdown; leave it out)'],
    ['> *nat\n', 'a quote of a message'],
    ['add table ip x\n', 'a script of nft'],
    ['', 'it is empty'],
    ['\u001f\ufffd\b', 'it is compressed; unpack it first'],
  ])('%j is named', (text, words) => {
    expect(() => parseRulesetFile(text)).toThrow(RulesetError);
    expect(() => parseRulesetFile(text)).toThrow(words);
  });
});
