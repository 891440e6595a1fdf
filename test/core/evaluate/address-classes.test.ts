import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressClasses } from '../../../core/evaluate/address-classes.ts';
import { IptablesWalk } from '../../../core/evaluate/walk-iptables.ts';
import { walkHooks, type HookedChain } from '../../../core/evaluate/walk-hooks.ts';
import { Trail, type Machine, type Packet, type WalkResult } from '../../../core/evaluate/walk.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { parseIptablesSave } from '../../../core/iptables/parse-save.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';
import { priorities, type Hook } from '../../../core/net/netfilter.ts';

const machine: Machine = { addresses: ['10.0.0.1', '10.244.0.1'], ipSets: new Map() };
const client: Packet = {
  source: '10.244.0.9',
  destination: '10.96.0.7',
  destinationPort: 80,
  protocol: 'TCP',
  entersAt: 'PREROUTING',
};

/** Third-party rules that match one end or the other, or neither. */
const condition = fc.oneof(
  fc
    .tuple(fc.constantFrom('-d', '! -d', '-s'), fc.nat(12), fc.constantFrom(32, 31, 30, 28))
    .map(([flag, last, length]) => `${flag} 10.244.0.${String(last)}/${String(length)}`),
  fc.constantFrom(
    '-p tcp -m tcp --dport 8080',
    '-p tcp -m tcp ! --dport 8081',
    '-p tcp -m multiport --dports 80,8000:8080',
    '-m mark --mark 0x4000/0x4000',
    '-m addrtype --dst-type LOCAL',
    '-i eth0',
    '-m iprange --dst-range 10.244.0.3-10.244.0.6',
    '-m conntrack --ctstate DNAT',
    '-d 10.244.0.0/255.255.0.1',
    '',
  ),
);
const target = fc.constantFrom('ACCEPT', 'DROP', 'REJECT', 'RETURN', 'MARK --set-xmark 0x1/0x1');
const foreign = fc.array(
  fc.tuple(condition, target).map(([when, then]) => `${when} -j ${then}`),
  { maxLength: 6 },
);

function dump(endpoints: readonly string[], forward: readonly string[], postrouting: readonly string[]): string {
  const choices = endpoints.map(
    (endpoint, index) =>
      `-A KUBE-SVC ${endpoints.length - index === 1 ? '' : `-m statistic --mode random --probability ${(1 / (endpoints.length - index)).toFixed(11)} `}-j KUBE-SEP-${String(index)}`,
  );
  const own = endpoints.flatMap((endpoint, index) => [
    `-A KUBE-SEP-${String(index)} -s ${endpoint.split(':')[0] ?? ''}/32 -j MARK --set-xmark 0x4000/0x4000`,
    `-A KUBE-SEP-${String(index)} -p tcp -m tcp -j DNAT --to-destination ${endpoint}`,
  ]);
  return [
    '*nat',
    ':PREROUTING ACCEPT [0:0]',
    ':POSTROUTING ACCEPT [0:0]',
    ':KUBE-SVC - [0:0]',
    ...endpoints.map((_, index) => `:KUBE-SEP-${String(index)} - [0:0]`),
    '-A PREROUTING -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-SVC',
    ...choices,
    ...own,
    ...postrouting.filter((rule) => !/REJECT|DROP/.test(rule)).map((rule) => `-A POSTROUTING ${rule}`),
    '-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE',
    'COMMIT',
    '*filter',
    ':FORWARD ACCEPT [0:0]',
    ':INPUT ACCEPT [0:0]',
    ...forward.map((rule) => `-A FORWARD ${rule}`),
    'COMMIT',
    '',
  ].join('\n');
}

/** Through the rules of the dump; together where the endpoints that no rule distinguishes are one branch. @returns with how many branches came to FORWARD */
function walk(text: string, packet: Packet, isTogether: boolean): WalkResult & { readonly forwarded: number } {
  const { result, problems } = parseIptablesSave(text);
  expect(problems).toEqual([]);
  const tables = result[0]?.tables;
  const trail = new Trail(true);
  const iptables = new IptablesWalk((table, chain) => tables?.get(table)?.get(chain)?.rules, packet, machine, trail);
  let forwarded = 0;
  const registered = (hook: Hook, priority: number, table: string, chain: string): HookedChain => ({
    hook,
    priority,
    isNat: table === 'nat',
    isDropPolicy: false,
    run: (branches, at) => {
      if (chain === 'FORWARD') forwarded += branches.length;
      return iptables.chain(table, chain, branches, at);
    },
  });
  const apart = new AddressClasses('destination', machine);
  for (const chains of tables?.values() ?? []) for (const { rules } of chains.values()) apart.addIptables(rules);
  const chains = [
    registered('prerouting', priorities.destinationNat, 'nat', 'PREROUTING'),
    registered('forward', priorities.filter, 'filter', 'FORWARD'),
    registered('input', priorities.filter, 'filter', 'INPUT'),
    registered('postrouting', priorities.sourceNat, 'nat', 'POSTROUTING'),
  ];
  return { ...walkHooks(chains, packet, machine, trail, isTogether ? apart : undefined), forwarded };
}

const comparable = ({ leaves }: WalkResult): unknown[] =>
  leaves
    .map(({ probability, dnat, verdict, masquerade, decidedBy, droppedByPolicyOf, assumed = [], path }) => ({
      place: `${dnat?.address ?? ''} ${String(dnat?.port)}`,
      share: probability.toFixed(9),
      verdict,
      masquerade,
      decidedBy,
      droppedByPolicyOf,
      assumed: assumed.map(({ rule, holds }) => `${rule} ${String(holds)}`),
      path: path.map(({ rule }) => rule),
    }))
    .sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));

describe('endpoints that no rule distinguishes', () => {
  it('come to the same ends as each by itself', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc
            .tuple(fc.integer({ min: 1, max: 12 }), fc.constantFrom(80, 8080, 8081))
            .map(([last, port]) => `10.244.0.${String(last)}:${String(port)}`),
          { minLength: 1, maxLength: 7 },
        ),
        foreign,
        foreign,
        fc.boolean(),
        (endpoints, forward, postrouting, isEndpoint) => {
          const text = dump(endpoints, forward, postrouting);
          const packet = isEndpoint ? { ...client, source: endpoints[0]?.split(':')[0] ?? '' } : client;
          expect(comparable(walk(text, packet, true))).toEqual(comparable(walk(text, packet, false)));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('are walked once behind the DNAT, however many they are, and separately where a rule matches one', () => {
    const endpoints = Array.from({ length: 200 }, (_, index) => `10.245.0.${String(index + 1)}:8080`);
    expect(walk(dump(endpoints, ['-d 10.244.0.0/16 -j ACCEPT', '-i eth0 -j DROP'], []), client, true).forwarded).toBe(
      1,
    );
    expect(walk(dump(endpoints, ['-d 10.245.0.7/32 -j DROP'], []), client, true).forwarded).toBe(3);
    expect(walk(dump(endpoints, ['-d 10.245.0.7/32 -j DROP'], []), client, false).forwarded).toBe(200);
  });

  it('keep the order of their rules', () => {
    const endpoints = ['10.245.0.1:8080', '10.245.0.2:8080', '10.245.0.3:8080', '10.245.0.4:8080'];
    const { leaves } = walk(dump(endpoints, ['-d 10.245.0.2/32 -m mark --mark 0x1/0x1 -j DROP'], []), client, true);
    expect(leaves.map(({ dnat }) => dnat?.address)).toEqual(['10.245.0.1', '10.245.0.2', '10.245.0.3', '10.245.0.4']);
  });
});

describe('what nftables distinguishes', () => {
  const table = (rules: string, sets = ''): AddressClasses => {
    const parser = new NftTextParser();
    parser.push(`table ip t {\n${sets}\n chain c {\n${rules}\n }\n}\n`);
    const { result, problems } = parser.end();
    expect(problems).toEqual([]);
    const apart = new AddressClasses('destination', machine);
    for (const { chains, sets: own, maps } of result)
      for (const { rules: each } of chains.values())
        for (const { statements } of each) apart.addNft(statements, (name) => own.get(name) ?? maps.get(name));
    return apart;
  };
  const isSame = (apart: AddressClasses, one: string, other: string, source = '10.244.0.9'): boolean =>
    apart.classOf(one, 8080, source) === apart.classOf(other, 8080, source);

  it('by prefixes, ranges and sets of destinations, and not by sources', () => {
    expect(isSame(table('ip daddr 10.244.0.0/24 accept'), '10.244.0.2', '10.244.0.3')).toBe(true);
    expect(isSame(table('ip daddr 10.244.0.0/24 accept'), '10.244.0.2', '10.244.1.2')).toBe(false);
    expect(
      isSame(
        table('ip daddr @some drop', 'set some {\n type ipv4_addr\n elements = { 10.244.0.2 }\n }'),
        '10.244.0.2',
        '10.244.0.3',
      ),
    ).toBe(false);
    expect(isSame(table('ip saddr 10.244.0.2 drop'), '10.244.0.2', '10.244.0.3')).toBe(true);
  });

  it('by pairs with a source only for packets of that source', () => {
    const pairs = table(
      'ip saddr . ip daddr . meta l4proto . th dport @pairs masquerade',
      'set pairs {\n type ipv4_addr . ipv4_addr . inet_proto . inet_service\n elements = { 10.244.0.2 . 10.244.0.2 . tcp . 8080 }\n }',
    );
    expect(isSame(pairs, '10.244.0.2', '10.244.0.3')).toBe(true);
    expect(isSame(pairs, '10.244.0.2', '10.244.0.3', '10.244.0.2')).toBe(false);
  });

  it('everything, where a rule computes with the address', () => {
    expect(isSame(table('ip daddr & 0.0.0.1 == 0.0.0.1 drop'), '10.244.0.2', '10.244.0.4')).toBe(false);
  });

  it('as a whole ruleset is walked: each branch by itself', () => {
    const text = dump(['10.245.0.1:8080', '10.245.0.2:8080'], ['-d 10.245.0.2/32 -j DROP'], []);
    const whole = walkRuleset(
      { iptables: parseIptablesSave(text).result, nftables: [], ipSets: [], virtualServers: [], problems: [] },
      client,
      machine.addresses,
    );
    expect(
      walk(text, client, true)
        .leaves.map(({ verdict }) => verdict)
        .sort(),
    ).toEqual(whole.leaves.map(({ verdict }) => verdict).sort());
  });
});
