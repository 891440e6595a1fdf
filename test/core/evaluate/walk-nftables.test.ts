/** Statements of nftables for one packet: what the kernel does with each, in rows. */
import { effectText } from '../../../core/evaluate/action.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nftSetIndex } from '../../../core/evaluate/nft-set-index.ts';
import { rangesOf, type Atom } from '../../../core/evaluate/nft-value.ts';
import { summarize } from '../../../core/program/walk-packet.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { NftWalk } from '../../../core/evaluate/walk-nftables.ts';
import { ChainLoopError, Trail, type Packet } from '../../../core/evaluate/walk.ts';
import type { NftElement } from '../../../core/nftables/rule.ts';
import { isManagedByIptables } from '../../../core/nftables/managed-by-iptables.ts';
import { parseNftRuleText } from '../../../core/nftables/parse-statement.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';
import { parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';

const packet: Packet = {
  source: '10.244.1.7',
  sourcePort: 40000,
  destination: '10.96.0.7',
  destinationPort: 80,
  protocol: 'TCP',
  entersAt: 'PREROUTING',
  inInterface: 'eth0',
};
const node = ['172.30.0.11'];

/** A filter chain at prerouting, a nat chain behind it, a chain to jump to; each with rules of its own. */
function table(
  filter: readonly string[],
  nat: readonly string[] = [],
  sets = '',
  family = 'ip',
  priority = '-150',
): string {
  const chain = (name: string, head: string, rules: readonly string[]): string =>
    `\tchain ${name} {\n${head === '' ? '' : `\t\t${head}\n`}${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n`;
  return `table ${family} t {\n${sets}${chain('marked', '', ['meta mark set meta mark | 0x00004000'])}${chain('early', `type filter hook prerouting priority ${priority}; policy accept;`, filter)}${chain('late', 'type nat hook prerouting priority dstnat; policy accept;', nat)}}\n`;
}

function walk(
  text: string,
  changed: Partial<Packet> = {},
): { verdict: string; to: string[]; unknown: readonly string[]; effects: string[] } {
  const { verdict, destinations, unknown, path } = summarize(
    walkRuleset(parseRulesetFile(text), { ...packet, ...changed }, node),
  );
  return {
    verdict,
    to: destinations.map(
      ({ address, port, probability }) => `${address}:${String(port)} ${probability?.toFixed(3) ?? '?'}`,
    ),
    unknown,
    effects: path.map(effectText),
  };
}

describe('a rule that drops', () => {
  it.each([
    ['ip saddr 10.244.0.0/16', 'yes'],
    ['ip saddr != 10.244.0.0/16', 'no'],
    ['ip saddr { 10.1.0.0/16, 10.244.1.1-10.244.1.9 }', 'yes'],
    ['ip saddr & 0.0.0.255 == 0.0.0.7', 'yes'],
    ['ip6 saddr fd00::1', 'no'],
    ['ip6 saddr != fd00::1', 'no'],
    ['tcp dport 80', 'yes'],
    ['tcp dport != { 22, 80-90 }', 'no'],
    ['udp dport 80', 'no'],
    ['udp dport != 80', 'no'],
    ['th dport 80', 'yes'],
    ['tcp sport 40000', 'yes'],
    ['meta l4proto { tcp, udp }', 'yes'],
    ['ip protocol 17', 'no'],
    ['meta nfproto ipv4', 'yes'],
    ['ct state new', 'yes'],
    ['ct state established,related', 'no'],
    ['ct state != established,related', 'yes'],
    ['ct state { established, new }', 'yes'],
    ['ct status dnat', 'no'],
    ['ct status ! dnat', 'yes'],
    ['ct status == dnat', 'no'],
    ['ct status != dnat', 'yes'],
    ['ct status != { snat, dnat }', 'yes'],
    ['ct direction original', 'yes'],
    ['ct original ip daddr 10.96.0.7', 'yes'],
    ['ct mark 0x00000000', 'yes'],
    ['meta mark & 0x00004000 == 0x00000000', 'yes'],
    ['tcp flags syn', 'yes'],
    ['tcp flags syn / fin,syn,rst,ack', 'yes'],
    ['tcp flags & (fin | syn) == fin', 'no'],
    ['tcp flags == syn', 'unknown'],
    ['iifname "eth*"', 'yes'],
    ['iifname "eth1"', 'no'],
    ['oifname != "lo"', 'yes'],
    ['iif "lo"', 'no'],
    ['fib daddr type local', 'no'],
    ['fib daddr type != local', 'yes'],
    ['fib saddr . iif oif missing', 'unknown'],
    ['ip saddr . tcp dport { 10.244.0.0/16 . 80-90 }', 'yes'],
    ['ip saddr . tcp dport { 10.244.0.0/16 . 81-90 }', 'no'],
    ['limit rate 5/second', 'yes'],
    ['limit rate 5/second udp dport 80', 'no'],
    ['meta skuid 0', 'no'],
    ['meta length 100', 'unknown'],
    ['quota over 1 mbytes', 'no'],
    ['quota over 1 bytes used 1 bytes', 'yes'],
    ['xt match "comment"', 'yes'],
    ['xt match "bpf"', 'unknown'],
    ['brand new statement', 'unknown'],
    ['log prefix "x" counter packets 1 bytes 2', 'yes'],
    ['icmp type echo-request', 'no'],
    ['ct count over 20', 'no'],
    ['meta pkttype broadcast', 'no'],
  ])('%s: %s', (condition, expected) => {
    const { verdict, unknown, effects } = walk(table([`${condition} drop`]));
    expect(verdict).toBe(expected === 'yes' ? 'DROP' : expected === 'no' ? 'NONE' : 'UNKNOWN');
    expect(unknown).toHaveLength(expected === 'unknown' ? 1 : 0);
    if (expected === 'unknown') expect(effects).toEqual([expect.stringMatching(/^unknown: /)]);
  });

  it('is not named where its unknown part can change nothing', () => {
    expect(walk(table(['limit rate 5/minute burst 5 packets log prefix "x"']))).toMatchObject({
      verdict: 'NONE',
      unknown: [],
    });
  });

  it.each([
    ['accept ends its own base chain only', ['accept', 'drop'], ['dnat to 10.0.0.1'], 'DNAT'],
    ['drop is final', ['drop'], ['dnat to 10.0.0.1'], 'DROP'],
    ['return of a base chain is its policy', ['return', 'drop'], [], 'NONE'],
    ['reject with tcp reset answers TCP', ['reject with tcp reset'], [], 'REJECT'],
    [
      'what a chain that was jumped to did stays',
      ['jump marked', 'meta mark & 0x00004000 != 0x00000000 drop'],
      [],
      'DROP',
    ],
    ['behind a goto, the packet does not come back', ['goto marked', 'drop'], [], 'NONE'],
    ['continue changes nothing', ['continue', 'drop'], [], 'DROP'],
    [
      'a mark keeps its other bits',
      ['meta mark set 0x00000011', 'meta mark set meta mark & 0xffffffef ^ 0x00000002', 'meta mark 0x00000003 drop'],
      [],
      'DROP',
    ],
    [
      'a connection mark is restored',
      ['ct mark set 0x00000007', 'meta mark set ct mark', 'meta mark 0x00000007 drop'],
      [],
      'DROP',
    ],
    ['what was remembered is in the set', ['update @seen { ip saddr timeout 1m }', 'ip saddr @seen drop'], [], 'DROP'],
    ['a client with an element that has not expired is in the set', ['ip saddr @clients drop'], [], 'DROP'],
  ])('%s', (_name, filter, nat, verdict) => {
    const sets =
      '\tset seen {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t}\n\tset clients {\n\t\ttype ipv4_addr\n\t\tflags timeout\n\t\telements = { 10.244.1.7 timeout 3h expires 5s }\n\t}\n';
    expect(walk(table(filter, nat, sets))).toMatchObject({ verdict, unknown: [] });
  });

  it('asks an interval map, and its catch-all', () => {
    const sets =
      '\tmap ports {\n\t\ttype inet_service : verdict\n\t\tflags interval\n\t\telements = { 80-90 : drop, * : jump marked }\n\t}\n';
    expect(walk(table(['tcp dport vmap @ports'], [], sets)).verdict).toBe('DROP');
    expect(walk(table(['tcp dport vmap @ports'], [], sets), { destinationPort: 91 }).effects).toEqual([
      'jump marked',
      'mark 0x4000',
    ]);
  });

  it('untracked packets see no nat, and their state says so', () => {
    expect(
      walk(table(['notrack', 'ct state untracked accept', 'drop'], ['dnat to 10.0.0.1'], '', 'ip', '-300')),
    ).toMatchObject({ verdict: 'NONE', unknown: [] });
    expect(walk(table(['notrack'], ['dnat to 10.0.0.1']))).toMatchObject({ verdict: 'DNAT', unknown: [] });
  });
});

describe('a choice', () => {
  it.each([
    [
      'meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.0.0.1 . 8080, 1-2 : 10.0.0.2 . 8080 }',
      ['10.0.0.1:8080 0.333', '10.0.0.2:8080 0.667'],
    ],
    [
      'dnat ip addr . port to numgen inc mod 2 offset 5 map { 5 : 10.0.0.1 . 8080, 6 : 10.0.0.2 . 81 }',
      ['10.0.0.1:8080 0.500', '10.0.0.2:81 0.500'],
    ],
    ['dnat to numgen random mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }', ['10.0.0.1:80 0.500', '10.0.0.2:80 0.500']],
    ['dnat to ip saddr map { 10.244.1.7 : 10.0.0.9, 10.244.1.8 : 10.0.0.8 }', ['10.0.0.9:80 1.000']],
    ['numgen random mod 10 < 3 dnat to 10.0.0.1:81', ['10.0.0.1:81 0.300']],
    ['dnat to :8443', ['10.96.0.7:8443 1.000']],
    ['tcp dport 80 redirect to :8080', ['172.30.0.11:8080 1.000']],
    ['dnat to ip saddr map { 10.1.1.1 : 10.0.0.9 }', []],
    ['dnat to 10.0.0.1:0', ['10.0.0.1:0 1.000']],
    // Routing drops what goes to the unspecified address.
    ['dnat to 0.0.0.0:8080', []],
    ['dnat to numgen random mod 2 map { 0 : 0.0.0.0, 1 : 10.0.0.2 }', ['10.0.0.2:80 0.500']],
  ])('%s', (rule, to) => {
    expect(walk(table([], [rule]))).toMatchObject({ to, unknown: [] });
  });

  it('of the unspecified address ends there', () => {
    expect(walk(table([], ['dnat to 0.0.0.0', 'dnat to 10.0.0.1']))).toMatchObject({ verdict: 'DROP', unknown: [] });
  });

  it('by a hash has no share that could be shown', () => {
    const { verdict, to, unknown } = walk(
      table([], ['dnat to jhash ip saddr mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }', 'dnat to 10.0.0.3']),
    );
    expect([verdict, to]).toEqual(['UNKNOWN', []]);
    expect(unknown).toEqual(['dnat to jhash ip saddr mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }']);
  });
});

describe('tables', () => {
  it('that jump in a circle are refused with the circle', () => {
    // The parser refuses such a listing; rules of a report come one by one.
    const chains = new Map(
      Object.entries({ a: 'jump b', b: 'jump c', c: 'jump b' }).map(([name, rule]) => [
        name,
        { rules: [parseNftRuleText(rule, name, 'ip')] },
      ]),
    );
    const circle = new NftWalk(
      { name: 't', chain: (name) => chains.get(name), map: () => undefined, set: () => undefined },
      packet,
      { addresses: node, ipSets: new Map() },
      new Trail(),
    );
    const run = (): unknown =>
      circle.chain('a', [{ probability: 1, mark: 0 }], { hook: 'prerouting', inInterface: 'eth0', outInterface: '' });
    expect(run).toThrow(ChainLoopError);
    expect(run).toThrow('a -> b -> c -> b');
  });

  it('of iptables-nft are recognized by their name and hooks', () => {
    const parser = new NftTextParser();
    parser.push(
      '# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat {\n\tchain PREROUTING {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t}\n}\ntable ip filter {\n\tchain mine {\n\t\ttype filter hook input priority 0; policy accept;\n\t}\n}\n',
    );
    expect(parser.end().result.map((each) => [each.name, isManagedByIptables(each)])).toEqual([
      ['nat', true],
      ['filter', false],
    ]);
  });
});

describe('nftSetIndex', () => {
  it('finds what a search one by one finds', () => {
    const address = fc
      .tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }))
      .map(([high, low]) => `10.0.${String(high)}.${String(low)}`);
    const port = fc.nat({ max: 6 });
    const part = fc.oneof(
      address.map((text) => ({ kind: 'value' as const, value: text })),
      fc.nat({ max: 3 }).map((high) => ({
        kind: 'prefix' as const,
        address: { kind: 'value' as const, value: `10.0.${String(high)}.0` },
        length: 24,
      })),
    );
    const ports = fc.tuple(port, port).map(([one, other]) => ({
      kind: 'range' as const,
      from: { kind: 'value' as const, value: Math.min(one, other) },
      to: { kind: 'value' as const, value: Math.max(one, other) },
    }));
    const elements = fc.array(
      fc
        .tuple(part, ports)
        .map(([one, other]): NftElement => ({ key: { kind: 'concatenation', parts: [one, other] } })),
      { maxLength: 12 },
    );
    const types = ['ipv4_addr', 'inet_service'];
    fc.assert(
      fc.property(elements, fc.nat({ max: 3 }), fc.nat({ max: 3 }), port, (all, high, low, number) => {
        const atoms: Atom[] = [0x0a000000 + high * 256 + low, number];
        const isHeld = (element: NftElement): boolean =>
          rangesOf(element.key, types)?.every(
            ({ from, to }, index) => Number(atoms[index]) >= Number(from) && Number(atoms[index]) <= Number(to),
          ) === true;
        const found = nftSetIndex(all, types).find(atoms);
        expect(found !== undefined).toBe(all.some(isHeld));
        if (found !== undefined) expect(isHeld(found)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
