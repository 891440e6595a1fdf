/** What single rules do with the first packet of a connection. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { everyRule } from '../../../core/evaluate/iptables-index.ts';
import { IptablesWalk, type IptablesWalkOptions } from '../../../core/evaluate/walk-iptables.ts';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import {
  ChainLoopError,
  Trail,
  type At,
  type Branch,
  type ChainOutcome,
  type Packet,
} from '../../../core/evaluate/walk.ts';
import type { IpSet } from '../../../core/ipset/set.ts';
import type { IptablesRule } from '../../../core/iptables/rule.ts';
import { parseIptablesRule } from '../../../core/iptables/parse-rule.ts';
import { parseIptablesSave } from '../../../core/iptables/parse-save.ts';

const packet: Packet = {
  source: '10.244.1.77',
  sourcePort: 40000,
  destination: '10.96.0.10',
  destinationPort: 80,
  protocol: 'TCP',
  entersAt: 'PREROUTING',
  inInterface: 'veth1',
};
const nodeAddresses = ['172.30.0.11', '10.0.0.1'];
const prerouting: At = { hook: 'prerouting', inInterface: 'veth1', outInterface: '' };

interface Given {
  readonly packet?: Partial<Packet>;
  readonly addresses?: readonly string[];
  readonly at?: Partial<At>;
  readonly branch?: Partial<Branch>;
  readonly table?: string;
  readonly options?: IptablesWalkOptions;
}

function rulesOf(lines: readonly string[]): Map<string, IptablesRule[]> {
  const chains = new Map<string, IptablesRule[]>();
  for (const line of lines) {
    const rule = parseIptablesRule(`-A ${line}`);
    if (rule === undefined) throw new Error(line);
    chains.set(rule.chain, [...(chains.get(rule.chain) ?? []), rule]);
  }
  return chains;
}

function walk(
  lines: readonly string[],
  { packet: changes = {}, addresses = nodeAddresses, at = {}, branch = {}, table = 'mangle', options = {} }: Given = {},
): ChainOutcome & { readonly trail: Trail } {
  const chains = rulesOf(lines);
  const trail = new Trail();
  const set: IpSet = {
    name: 'known',
    type: 'hash:ip',
    family: 'IPv4',
    options: [],
    elements: [{ parts: [packet.source], isException: false, others: [] }],
  };
  const machine = { addresses, ipSets: new Map([['known', set]]) };
  const walked = new IptablesWalk(
    (_table, chain) => chains.get(chain),
    { ...packet, ...changes },
    machine,
    trail,
    options,
  ).chain(table, 'X', [{ probability: 1, mark: 0, ...branch }], { ...prerouting, ...at });
  return { ...walked, trail };
}

describe('a condition', () => {
  /** Words of a rule, whether they hold (undefined: unknown), and for what packet if another. */
  const cases: [string, boolean | number | undefined, Given?][] = [
    ['-s 10.244.0.0/16', true],
    ['! -s 10.244.0.0/255.255.0.0', false],
    ['-s 10.0.1.0/255.0.255.0', true],
    ['-s nonsense', undefined],
    ['-s fd00::/8', false],
    ['-s 10.244.0.0/16', undefined, { branch: { masqueradedBy: { table: 'nat', chain: 'P', rule: '', actions: [] } } }],
    ['-i veth+', true],
    ['! -i veth1', false],
    ['-i eth0', undefined, { at: { inInterface: undefined } }],
    ['-i lo', false, { at: { inInterface: undefined } }],
    ['! -o eth0', true],
    ['-p 6', true],
    ['! -p udp', true],
    ['-p all', true],
    ['-p esp', false],
    ['-p tcq', undefined],
    ['-f', false],
    ['! -f', true],
    ['-p tcp -m tcp --sport 1024:65535', true],
    ['-p tcp -m tcp --sport 1024:65535', undefined, { packet: { sourcePort: undefined as never } }],
    ['-p tcp -m tcp --sport 0:65535', true, { packet: { sourcePort: undefined as never } }],
    ['-p tcp -m tcp ! --dport 80', false],
    ['-m udp --dport 80', false],
    ['-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN', true],
    ['-p tcp -m tcp ! --tcp-flags SYN,ACK ACK', true],
    ['-p tcp -m tcp --tcp-option 2', undefined],
    ['-p tcp -m multiport --dports 22,80', true],
    ['-p tcp -m multiport --ports 22,40000', true],
    ['-p tcp -m multiport ! --sports 22', true],
    ['-p icmp -m icmp --icmp-type 8', false],
    ['-m statistic --mode random --probability 0.25', 0.25],
    ['-m statistic --mode random ! --probability 0.25', 0.75],
    ['-m statistic --mode nth --every 4 --packet 1', 0.25],
    ['-m statistic --mode nth', undefined],
    ['-m mark --mark 0x4000/0x4000', false],
    ['-m mark --mark 0x4000/0x4000', true, { branch: { mark: 0x14000 } }],
    ['-m connmark --mark 0x0', true],
    ['-m connmark ! --mark 0x1', false, { branch: { untracked: true } }],
    ['-m addrtype --dst-type LOCAL', false],
    ['-m addrtype --dst-type LOCAL', true, { packet: { destination: '172.30.0.11' } }],
    ['-m addrtype --dst-type LOCAL,UNICAST', true],
    ['-m addrtype --dst-type BROADCAST', undefined, { packet: { destination: '10.0.0.255' } }],
    ['-m addrtype --dst-type BROADCAST', true, { packet: { destination: '255.255.255.255' } }],
    ['-m addrtype --dst-type MULTICAST', true, { packet: { destination: '224.0.0.251' } }],
    ['-m addrtype --dst-type ANYCAST', undefined],
    ['-m addrtype --dst-type LOCAL --limit-iface-in', undefined, { packet: { destination: '172.30.0.11' } }],
    ['-m addrtype --dst-type LOCAL --limit-iface-in', false],
    ['-m conntrack --ctstate NEW', true],
    ['-m conntrack ! --ctstate RELATED,ESTABLISHED', true],
    ['-m conntrack --ctstate INVALID', true, { table: 'raw' }],
    ['-m conntrack --ctstate UNTRACKED', true, { branch: { untracked: true } }],
    ['-m conntrack --ctorigdst 10.96.0.10', false, { branch: { untracked: true } }],
    [
      '-m conntrack --ctstate DNAT',
      true,
      {
        branch: {
          dnat: { address: '10.244.2.2', port: 8080, by: { table: 'nat', chain: 'S', rule: '', actions: [] } },
        },
      },
    ],
    [
      '-m conntrack --ctorigdst 10.96.0.10 --ctorigdstport 80 --ctreplsrc 10.244.2.2',
      true,
      {
        branch: {
          dnat: { address: '10.244.2.2', port: 8080, by: { table: 'nat', chain: 'S', rule: '', actions: [] } },
        },
      },
    ],
    ['-m conntrack --ctstatus CONFIRMED', false],
    ['-m conntrack --ctdir REPLY', false],
    ['-m conntrack --ctexpire 1:9', undefined],
    ['-m state --state NEW', true],
    ['-m recent --rcheck --name A --rsource', false],
    ['-m recent ! --update --name A --rsource', true],
    ['-m recent --set --name A --rsource', true],
    ['-m limit --limit 1/hour', true],
    ['-m hashlimit --hashlimit-above 1/sec --hashlimit-name a', false],
    ['-m connlimit --connlimit-above 9', false],
    ['-m iprange --src-range 10.244.1.1-10.244.1.99', true],
    ['-m owner --uid-owner 1337', false],
    ['-m owner ! --uid-owner 1337', true],
    ['-m owner --uid-owner 1337', undefined, { packet: { entersAt: 'OUTPUT' } }],
    ['-m nfacct --nfacct-name  localhost_nps_accepted_pkts', true],
    ['-m nfacct --nfacct-name  with_a_quota', undefined],
    ['-m set --match-set known src', true],
    ['-m set --match-set known dst', false],
    ['-m set ! --match-set known src', false],
    ['-m set --match-set gone src', undefined],
    ['-m time --timestart 01:00:00', undefined],
    ['-m frobnicate', undefined],
    ['-m time --timestart 01:00:00 -p udp', false],
    ['-m comment --comment "torn', undefined],
  ];
  it.each(cases)('%s: %s', (words, expected, given = {}) => {
    const { ended, through, trail } = walk(
      [`X ${words.includes('"torn') ? '-j DROP ' : ''}${words}${words.includes('"torn') ? '' : ' -j DROP'}`],
      given,
    );
    const probability = expected === true ? 1 : expected === false || expected === undefined ? 0 : expected;
    expect(ended.reduce((sum, each) => sum + each.probability, 0)).toBeCloseTo(probability, 9);
    expect(through.reduce((sum, each) => sum + each.probability, 0)).toBeCloseTo(1 - probability, 9);
    expect(trail.unknown.size > 0, [...trail.unknown].join()).toBe(expected === undefined);
    expect(
      trail.steps.map(({ actions }) => actions.some(({ kind }) => kind === 'unknown')),
      'an unknown rule is a step',
    ).toEqual(expected === false ? [] : [expected === undefined]);
  });

  it('takes a client for known where a rule has just put it in the list', () => {
    const after = (hits: string): string[] =>
      walk([
        'X -m recent --set --name A --rsource',
        `X -m recent --update --seconds 60 ${hits} --name A --rsource -j DROP`,
      ]).ended.map(({ verdict }) => verdict);
    expect(after('')).toEqual(['DROP']);
    expect(after('--hitcount 1')).toEqual(['DROP']);
    expect(after('--hitcount 2')).toEqual([]);
  });

  it('on a set that a rule has changed is unknown', () => {
    const { trail } = walk(['X -j SET --add-set known src', 'X -m set --match-set known src -j DROP']);
    expect([...trail.unknown]).toHaveLength(1);
  });
});

describe('a target', () => {
  const to = (words: string, given: Given = {}): [string, number][] =>
    walk([`X ${words}`], given).ended.map(({ dnat, probability }) => [
      `${dnat?.address ?? ''} ${String(dnat?.port ?? '')}`,
      probability,
    ]);

  it('DNAT keeps the port, sets it, chooses in ranges and shifts it', () => {
    expect(to('-j DNAT --to-destination 10.0.0.5')).toEqual([['10.0.0.5 80', 1]]);
    expect(to('-j DNAT --to-destination :8080')).toEqual([['10.96.0.10 8080', 1]]);
    expect(to('-j DNAT --to-destination 10.0.0.5-10.0.0.6:90-91')).toEqual([
      ['10.0.0.5 90', 0.25],
      ['10.0.0.5 91', 0.25],
      ['10.0.0.6 90', 0.25],
      ['10.0.0.6 91', 0.25],
    ]);
    expect(to('-j DNAT --to-destination 10.0.0.5:70-90')).toEqual([['10.0.0.5 80', 1]]);
    expect(to('-j DNAT --to-destination 10.0.0.5:9000-9010/75')).toEqual([['10.0.0.5 9005', 1]]);
    expect([...walk(['X -j DNAT --to-destination 10.0.0.5-10.0.0.6']).trail.unknown]).toHaveLength(1);
    expect([...walk(['X -j DNAT --to-destination 10.0.0.5:90-91 --random']).trail.unknown]).toEqual([]);
    const tooMany = walk(['X -j DNAT --to-destination 10.0.0.0-10.0.255.255']);
    expect([tooMany.ended.length, tooMany.trail.unknown.size]).toEqual([0, 1]);
  });

  it('REDIRECT sends to the node itself, NETMAP to another network', () => {
    expect(to('-j REDIRECT --to-ports 15006', { addresses: ['172.30.0.11', 'fd00::1'] })).toEqual([
      ['172.30.0.11 15006', 1],
    ]);
    // Which of several addresses is the interface's is not known.
    expect(to('-j REDIRECT --to-ports 15006')).toEqual([
      ['172.30.0.11 15006', 0.5],
      ['10.0.0.1 15006', 0.5],
    ]);
    expect([...walk(['X -j REDIRECT --to-ports 15006']).trail.unknown]).toHaveLength(1);
    expect(to('-j REDIRECT', { at: { hook: 'output' } })).toEqual([['127.0.0.1 80', 1]]);
    expect(to('-j NETMAP --to 10.7.0.0/16')).toEqual([['10.7.0.10 80', 1]]);
  });

  it('changes marks as the kernel does', () => {
    const marked = (...lines: string[]): [number, number | undefined] => {
      const [branch] = walk(
        lines.map((line) => `X ${line}`),
        { branch: { mark: 0xf1 } },
      ).through;
      return [branch?.mark ?? -1, branch?.connectionMark];
    };
    expect(marked('-j MARK --set-xmark 0x4000/0xf0')).toEqual([0x4001, undefined]);
    expect(marked('-j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff')).toEqual([0xf1, 0xf0]);
    expect(marked('-j CONNMARK --set-mark 0x200', '-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00')).toEqual([
      0x200, 0x200,
    ]);
    expect(marked('-j CT --notrack', '-j CONNMARK --set-mark 0x200')).toEqual([0xf1, undefined]);
  });

  it('goes on behind what only writes or counts, and names what it cannot follow', () => {
    const { ended, trail } = walk([
      'X -j LOG --log-prefix "a b"',
      'X -j TCPMSS --clamp-mss-to-pmtu',
      'X -m comment --comment counted',
      'X -j NFQUEUE --queue-num 1',
      'X -j FULLCONENAT --wide',
      'X -j DROP',
    ]);
    expect(ended.map(({ verdict }) => verdict)).toEqual(['DROP']);
    expect([...trail.unknown]).toEqual(['-j NFQUEUE --queue-num 1', '-j FULLCONENAT --wide']);
  });
});

describe('chains', () => {
  it('return to the rule behind the jump, and after goto to the one behind that', () => {
    const verdicts = (lines: readonly string[]): string[] =>
      walk(lines).ended.map(({ verdict, chain }) => `${verdict} ${chain}`);
    expect(verdicts(['X -j A', 'X -j DROP', 'A -j RETURN', 'A -j ACCEPT'])).toEqual(['DROP X']);
    expect(verdicts(['X -j A', 'X -j DROP', 'A -g B', 'A -j ACCEPT', 'B -p udp -j ACCEPT'])).toEqual(['DROP X']);
  });

  it('that jump in a circle are refused with the circle', () => {
    expect(() => walk(['X -j A', 'A -j B', 'B -g A'])).toThrow(
      new ChainLoopError('chain A of table mangle jumps to itself: A -> B -> A'),
    );
  });

  it('that divide the way again and again come to an end, and say so', () => {
    const lines = [
      'X -j C0',
      ...Array.from({ length: 40 }, (_, each) => [
        `C${String(each)} -j C${String(each + 1)}`,
        `C${String(each)} -j C${String(each + 1)}`,
      ]).flat(),
      'C40 -p udp -j DROP',
    ];
    expect([...walk(lines).trail.unknown].join()).toContain('what follows in chain');
    const choices = Array.from(
      { length: 40 },
      (_, each) =>
        `X -m statistic --mode random --probability 0.5 -j MARK --set-xmark 0x${(1 << (each % 30)).toString(16)}/0x0`,
    );
    expect([...walk(choices).trail.unknown].join()).toContain('what follows in chain');
  }, 30_000);

  it('that are RETURNed from at a hook come to their policy', () => {
    const ruleset = (policy: string): ReturnType<typeof walkRuleset> =>
      walkRuleset(
        {
          iptables: parseIptablesSave(
            `*filter\n:FORWARD ${policy} [0:0]\n-A FORWARD -j RETURN\n-A FORWARD -j REJECT\nCOMMIT\n`,
          ).result,
          nftables: [],
          ipSets: [],
          virtualServers: [],
          problems: [],
        },
        packet,
        nodeAddresses,
      );
    expect(ruleset('DROP').leaves.map(({ verdict }) => verdict)).toEqual(['DROP']);
    expect(ruleset('ACCEPT').leaves.map(({ verdict }) => verdict)).toEqual(['NONE']);
  });
});

describe('the index', () => {
  it('gives what asking every rule gives', () => {
    const address = fc.constantFrom('10.96.0.10', '10.96.0.11', '10.96.0.0/16', '10.96.0.10/32', '0.0.0.0/0', 'odd');
    const line = fc
      .tuple(
        fc.constantFrom('X', 'X', 'X', 'A'),
        fc.oneof(
          fc.constant(''),
          fc.tuple(fc.constantFrom('', '! '), address).map(([not, prefix]) => `${not}-d ${prefix}`),
        ),
        fc.constantFrom(
          '',
          '-p tcp -m tcp --dport 80',
          '-p tcp -m tcp --dport 81',
          '-p tcp -m tcp ! --dport 81',
          '-p tcp -m multiport --dports 80,443',
          '-p udp -m udp --dport 80',
        ),
        fc.constantFrom('', '-m statistic --mode random --probability 0.5', '-m time --timestart 01:00:00', '-i eth0'),
        fc.constantFrom(
          '-j A',
          '-g A',
          '-j ACCEPT',
          '-j MARK --set-xmark 0x1/0x0',
          '-j DNAT --to-destination 10.0.0.5:8080',
          '-j RETURN',
          '-j LOG',
        ),
      )
      .map(
        ([chain, ...words]) =>
          `${chain} ${(chain === 'A' ? words.map((word) => word.replace(/-[jg] A$/, '-j DROP')) : words).join(' ')}`,
      );
    fc.assert(
      fc.property(fc.array(line, { minLength: 16, maxLength: 40 }), (lines) => {
        const shown = (options: IptablesWalkOptions): unknown => {
          const { through, ended, trail } = walk([...lines, 'A -j RETURN'], { options });
          return { through, ended, steps: trail.steps, unknown: [...trail.unknown] };
        };
        expect(shown({})).toEqual(shown({ selectRules: everyRule }));
      }),
      { numRuns: 300 },
    );
  });
});
