/** A choice among endpoints that packets share gives each of them what it gets where every rule is walked for it alone. */
import { effectText } from '../../../core/evaluate/action.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { walkHooks, type HookedChain } from '../../../core/evaluate/walk-hooks.ts';
import { AddressClasses } from '../../../core/evaluate/address-classes.ts';
import { IptablesWalk, type ChainLookup } from '../../../core/evaluate/walk-iptables.ts';
import { nftHooks } from '../../../core/evaluate/walk-ruleset.ts';
import { Trail, type Machine, type Packet, type WalkResult } from '../../../core/evaluate/walk.ts';
import type { NftRulesetTable } from '../../../core/nftables/table.ts';
import { parseIptablesSave } from '../../../core/iptables/parse-save.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';
import { priorities, type Hook } from '../../../core/net/netfilter.ts';
import type { ChainKind } from '../../../core/kube-proxy/chain-kinds.ts';
import { enteredChains, visitedChains } from '../../../core/program/walked-chains.ts';

const machine: Machine = { addresses: ['10.0.0.1', '10.244.0.1'], ipSets: new Map() };

/** Packets as several clients send them to the Service: pods, its endpoints, the node and somebody outside. */
const packets = fc.uniqueArray(
  fc.record({
    source: fc.constantFrom('10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.1.9', '10.0.0.1', '192.0.2.1'),
    destination: fc.constantFrom('10.96.0.7', '10.0.0.1', '10.244.0.3'),
    destinationPort: fc.constantFrom(80, 8080, 30_080),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    entersAt: fc.constantFrom('PREROUTING' as const, 'OUTPUT' as const),
  }),
  { minLength: 2, maxLength: 8, selector: (packet) => JSON.stringify(packet) },
);

/** What may stand in an endpoint's chain before its DNAT: what kube-proxy writes, and what nobody should. */
const endpointRule = (address: string): fc.Arbitrary<string> =>
  fc.constantFrom(
    `-s ${address}/32 -j KUBE-MARK-MASQ`,
    `-s ${address}/32 -j MARK --set-xmark 0x4000/0x4000`,
    `! -s ${address}/31 -j KUBE-MARK-MASQ`,
    '-s 10.244.0.0/255.255.255.0 -j KUBE-MARK-MASQ',
    '-p udp -j KUBE-MARK-MASQ',
    '-m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
    '-m recent --set --name KUBE-SEP --mask 255.255.255.255 --rsource -j KUBE-MARK-MASQ',
    '-m mark --mark 0x4000/0x4000 -j RETURN',
    '-i eth0 -j RETURN',
    '-d 10.96.0.7/32 -j KUBE-MARK-MASQ',
    '-s 10.244.0.2/32 -j DROP',
  );
const sentTo = (address: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(`-p tcp -m tcp -j DNAT --to-destination ${address}:8080`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        `-j DNAT --to-destination ${address}`,
        `-p tcp -j DNAT --to-destination ${address}-10.244.0.9:8080`,
        `-p tcp -j DNAT --to-destination ${address}:8080-8082 --random`,
        '-p tcp -j REDIRECT --to-ports 8080',
        '-j RETURN',
      ),
    },
  );
const endpointChain = (address: string): fc.Arbitrary<string[]> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 2, arbitrary: fc.constant([`-s ${address}/32 -j KUBE-MARK-MASQ`]) },
        { weight: 1, arbitrary: fc.array(endpointRule(address), { maxLength: 2 }) },
      ),
      sentTo(address),
    )
    .map(([before, dnat]) => [...before, dnat]);
const serviceRules = fc.subarray([
  '! -s 10.244.0.0/16 -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ',
  '-m statistic --mode random --probability 0.25 -j KUBE-MARK-MASQ',
  '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP --mask 255.255.255.255 --rsource -j KUBE-SEP-0',
  '-i eth0 -j KUBE-MARK-MASQ',
]);
const behind = fc.subarray([
  '-d 10.244.0.2/32 -j DROP',
  '-s 192.0.2.1/32 -m conntrack --ctstate DNAT -j REJECT',
  '-m mark --mark 0x4000/0x4000 -p tcp -m tcp --dport 8080 -j ACCEPT',
]);
const dump = fc
  .tuple(
    fc.uniqueArray(fc.constantFrom('10.244.0.2', '10.244.0.3', '10.244.0.4', '10.244.0.5'), { minLength: 2 }),
    serviceRules,
    behind,
  )
  .chain(([addresses, service, forward]) =>
    fc.tuple(...addresses.map(endpointChain)).map((chains) => {
      const choices = addresses.map((_, index) => {
        const left = addresses.length - index;
        const chance = left === 1 ? '' : `-m statistic --mode random --probability ${(1 / left).toFixed(11)} `;
        return `-A KUBE-SVC ${chance}-j KUBE-SEP-${String(index)}`;
      });
      return [
        '*nat',
        ':PREROUTING ACCEPT [0:0]',
        ':OUTPUT ACCEPT [0:0]',
        ':POSTROUTING ACCEPT [0:0]',
        ':KUBE-MARK-MASQ - [0:0]',
        ':KUBE-EXT - [0:0]',
        ':KUBE-SVC - [0:0]',
        ...addresses.map((_, index) => `:KUBE-SEP-${String(index)} - [0:0]`),
        ...['PREROUTING', 'OUTPUT'].flatMap((chain) => [
          `-A ${chain} -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-SVC`,
          `-A ${chain} -p tcp -m tcp --dport 30080 -j KUBE-EXT`,
          `-A ${chain} -p udp -j KUBE-SVC`,
        ]),
        '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
        '-A KUBE-EXT -j KUBE-MARK-MASQ',
        '-A KUBE-EXT -j KUBE-SVC',
        ...service.map((rule) => `-A KUBE-SVC ${rule}`),
        ...choices,
        ...chains.flatMap((rules, index) => rules.map((rule) => `-A KUBE-SEP-${String(index)} ${rule}`)),
        '-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE',
        'COMMIT',
        '*filter',
        ':INPUT ACCEPT [0:0]',
        ':FORWARD ACCEPT [0:0]',
        ...forward.map((rule) => `-A FORWARD ${rule}`),
        'COMMIT',
        '',
      ].join('\n');
    }),
  );

const apart = (): AddressClasses => new AddressClasses('destination', machine);

/** The answers of one dump to packets, one after the other, which share what they can, or each by itself. */
function iptablesAnswers(text: string, asked: readonly Packet[], shares: boolean, followsUnknown: boolean): unknown[] {
  const { result, problems } = parseIptablesSave(text);
  expect(problems).toEqual([]);
  const tables = result[0]?.tables;
  const lookup: ChainLookup = (table, chain) => tables?.get(table)?.get(chain)?.rules;
  const classes = apart();
  for (const chains of tables?.values() ?? []) for (const { rules } of chains.values()) classes.addIptables(rules);
  return asked.map((packet) => {
    const trail = new Trail(followsUnknown);
    const walk = new IptablesWalk(lookup, packet, machine, trail);
    const registered = (hook: Hook, priority: number, table: string, chain: string): HookedChain => ({
      hook,
      priority,
      isNat: table === 'nat',
      isDropPolicy: false,
      run: (branches, at) => walk.chain(table, chain, branches, at),
    });
    const chains = [
      registered('prerouting', priorities.destinationNat, 'nat', 'PREROUTING'),
      registered('output', priorities.destinationNat, 'nat', 'OUTPUT'),
      registered('forward', priorities.filter, 'filter', 'FORWARD'),
      registered('input', priorities.filter, 'filter', 'INPUT'),
      registered('postrouting', priorities.sourceNat, 'nat', 'POSTROUTING'),
    ];
    return comparable(walkHooks(chains, packet, machine, trail, shares ? classes : undefined));
  });
}

const kinds: ReadonlyMap<string, ChainKind> = new Map([
  ['KUBE-SVC', 'cluster'],
  ['KUBE-EXT', 'external'],
  ['KUBE-SEP', 'endpoint'],
]);
const kindOf = (chain: string): ChainKind | undefined => kinds.get(chain.slice(0, 8));

const comparable = ({ leaves, steps, outline, unknown, assumed }: WalkResult): unknown => ({
  entered: [...enteredChains(kindOf, [{ outline }]).entered],
  // Of endpoints, those of a choice are left out.
  visited: [...visitedChains(kindOf, [{ outline }])]
    .filter(([chain]) => kindOf(chain) !== 'endpoint')
    .map(([chain, by]) => `${chain}: ${by.rule}`),
  leaves: leaves
    .map((leaf) => ({
      place: `${leaf.dnat?.address ?? ''} ${String(leaf.dnat?.port)}`,
      by: leaf.dnat?.by.rule,
      share: leaf.probability.toFixed(9),
      verdict: leaf.verdict,
      masquerade: leaf.masquerade,
      masqueradedBy: leaf.masqueradedBy?.rule,
      decidedBy: leaf.decidedBy ?? leaf.droppedByPolicyOf,
      connection: leaf.connection,
      assumed: (leaf.assumed ?? []).map(({ rule, holds }) => `${rule} ${String(holds)}`),
      path: leaf.path.map((step) => `${step.chain}: ${step.rule} (${effectText(step)})`),
    }))
    .map((leaf) => JSON.stringify(leaf))
    .sort(),
  steps: steps.map((step) => `${step.chain}: ${step.rule} (${effectText(step)})`),
  unknown,
  assumed,
});

describe('a choice among endpoints that packets share', () => {
  it('gives each packet what rules of iptables give it alone', () => {
    fc.assert(
      fc.property(dump, packets, fc.boolean(), (text, asked, followsUnknown) => {
        expect(iptablesAnswers(text, asked, true, followsUnknown)).toEqual(
          iptablesAnswers(text, asked, false, followsUnknown),
        );
      }),
      { numRuns: 120 },
    );
  });

  it('gives each packet what a map of nftables gives it alone', () => {
    const targets = fc.array(fc.constantFrom('10.244.0.2 . 8080', '10.244.0.3 . 8080', '10.244.0.4 . 80'), {
      minLength: 2,
      maxLength: 5,
    });
    const choice = targets.chain((places) =>
      fc
        .record({ modulus: fc.integer({ min: places.length - 1, max: places.length + 1 }), offset: fc.nat(1) })
        .map(
          ({ modulus, offset }) =>
            `dnat ip to numgen random mod ${String(modulus)} offset ${String(offset)} map { ${places.map((place, index) => `${String(index)} : ${place}`).join(', ')} }`,
        ),
    );
    const before = fc.subarray([
      'ip saddr != 10.244.0.0/16 meta mark set meta mark | 0x4000',
      'iifname "eth0" meta mark set 0x8000',
      'meta l4proto udp accept',
    ]);
    const after = fc.subarray([
      'ip daddr 10.244.0.2 drop',
      'ip saddr . ip daddr { 10.244.0.2 . 10.244.0.2, 10.244.0.3 . 10.244.0.3 } drop',
      'meta mark & 0x4000 != 0 accept',
    ]);
    const table = fc.tuple(before, choice, after).map(
      ([rules, chosen, forward]) => `table ip t {
 chain nat {
  type nat hook prerouting priority -100; policy accept;
  ${rules.join('\n  ')}
  ip daddr 10.96.0.7 ${chosen}
  th dport 30080 ${chosen}
 }
 chain own {
  type nat hook output priority -100; policy accept;
  goto nat2
 }
 chain nat2 {
  ${chosen}
 }
 chain forward {
  type filter hook forward priority 0; policy accept;
  ${forward.join('\n  ')}
 }
 chain masquerading {
  type nat hook postrouting priority 100; policy accept;
  meta mark & 0x4000 != 0 masquerade
 }
}
`,
    );
    fc.assert(
      fc.property(table, packets, fc.boolean(), (text, asked, followsUnknown) => {
        expect(nftAnswers(text, asked, true, followsUnknown)).toEqual(nftAnswers(text, asked, false, followsUnknown));
      }),
      { numRuns: 80 },
    );
  });

  it('is worked out once for packets that its rules treat alike', () => {
    const endpoints = Array.from({ length: 100 }, (_, index) => `10.244.7.${String(index)}`);
    const text = [
      '*nat',
      ':PREROUTING ACCEPT [0:0]',
      ':KUBE-SVC - [0:0]',
      ...endpoints.map((_, index) => `:KUBE-SEP-${String(index)} - [0:0]`),
      '-A PREROUTING -d 10.96.0.7/32 -j KUBE-SVC',
      ...endpoints.flatMap((address, index) => [
        `-A KUBE-SVC -m statistic --mode random --probability 0.01 -j KUBE-SEP-${String(index)}`,
        `-A KUBE-SEP-${String(index)} -s ${address}/32 -j MARK --set-xmark 0x4000/0x4000`,
        `-A KUBE-SEP-${String(index)} -p tcp -m tcp -j DNAT --to-destination ${address}:80`,
      ]),
      '-A KUBE-SVC -j KUBE-SEP-0',
      'COMMIT',
      '',
    ].join('\n');
    const tables = parseIptablesSave(text).result[0]?.tables;
    let lookups = 0;
    const lookup: ChainLookup = (table, chain) => {
      if (chain.startsWith('KUBE-SEP-')) lookups += 1;
      return tables?.get(table)?.get(chain)?.rules;
    };
    const lookupsOf = (source: string): number => {
      const before = lookups;
      const trail = new Trail();
      const packet: Packet = {
        source,
        destination: '10.96.0.7',
        destinationPort: 80,
        protocol: 'TCP',
        entersAt: 'PREROUTING',
      };
      const walk = new IptablesWalk(lookup, packet, machine, trail);
      const chain: HookedChain = {
        hook: 'prerouting',
        priority: priorities.destinationNat,
        isNat: true,
        isDropPolicy: false,
        run: (branches, at) => walk.chain('nat', 'PREROUTING', branches, at),
      };
      const { leaves } = walkHooks([chain], packet, machine, trail, apart());
      expect(leaves.length).toBe(101);
      return lookups - before;
    };
    expect(lookupsOf('192.0.2.1')).toBeGreaterThan(100);
    expect(lookupsOf('192.0.2.2')).toBe(0);
    // One of the endpoints meets another rule of its own chain.
    expect(lookupsOf('10.244.7.5')).toBeGreaterThan(100);
    expect(lookupsOf('10.0.0.1')).toBe(0);
  });
});

function nftAnswers(text: string, asked: readonly Packet[], shares: boolean, followsUnknown: boolean): unknown[] {
  const parser = new NftTextParser();
  parser.push(text);
  const { result, problems } = parser.end();
  expect(problems).toEqual([]);
  const classes = apart();
  for (const { chains, sets, maps } of result)
    for (const { rules } of chains.values())
      for (const { statements } of rules) classes.addNft(statements, (name) => sets.get(name) ?? maps.get(name));
  const [table]: readonly NftRulesetTable[] = result;
  if (table === undefined) throw new Error('there is no table');
  return asked.map((packet) => {
    const trail = new Trail(followsUnknown);
    return comparable(
      walkHooks(nftHooks(table, packet, machine, trail), packet, machine, trail, shares ? classes : undefined),
    );
  });
}
