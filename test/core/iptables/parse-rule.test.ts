import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IptablesMatch, IptablesRule, IptablesTarget } from '../../../core/iptables/rule.ts';
import { commentOf, portsOf } from '../../../core/iptables/rule.ts';
import { parseIptablesRule, sharingParser } from '../../../core/iptables/parse-rule.ts';
import { iptablesRuleText, printIptablesRule } from '../../../core/iptables/print.ts';
import { canonicalRules } from '../../support/iptables-canonical.ts';

function parse(text: string): IptablesRule {
  const rule = parseIptablesRule(`-A TEST ${text}`);
  if (rule === undefined) throw new Error(`no rule: ${text}`);
  return rule;
}

describe('parseIptablesRule', () => {
  const line =
    '-A KUBE-SERVICES -d 10.96.214.4/32 -p tcp -m comment --comment "default/auth-service:http cluster IP" -m tcp --dport 80 -c 30 1800 -j KUBE-SVC-FCQA5OQTFYIPVXUO';

  it('reads an entry rule with counters, as iptables -v -S prints it', () => {
    const rule = parseIptablesRule(line);
    expect(rule).toEqual({
      chain: 'KUBE-SERVICES',
      counters: { packets: 30, bytes: 1800 },
      destination: { prefix: '10.96.214.4/32', negated: false },
      protocol: { protocol: 'tcp', negated: false },
      matches: [
        {
          module: 'comment',
          options: [{ kind: 'comment', text: 'default/auth-service:http cluster IP', negated: false }],
        },
        { module: 'tcp', options: [{ kind: 'destinationPort', from: 80, to: 80, negated: false }] },
      ],
      target: { kind: 'jump', chain: 'KUBE-SVC-FCQA5OQTFYIPVXUO' },
    });
    expect(rule === undefined ? '' : printIptablesRule(rule)).toBe(line.replace(' -c 30 1800', ''));
    expect(rule === undefined ? '' : commentOf(rule)).toBe('default/auth-service:http cluster IP');
    expect(rule === undefined ? '' : portsOf(rule, 'destination')).toEqual({
      ranges: [{ from: 80, to: 80 }],
      negated: false,
    });
    expect(rule === undefined ? '' : portsOf(rule, 'source')).toBeUndefined();
  });

  it('reads the same rule wherever its counters are', () => {
    const rule = parseIptablesRule(line);
    expect(parseIptablesRule(`[30:1800] ${line.replace(' -c 30 1800', '')}`)).toEqual(rule);
    expect(parseIptablesRule(`${line.replace(' -c 30 1800', '')} -c 30 1800`)).toEqual(rule);
    expect(parseIptablesRule(line.replace(' -c ', ' --set-counters '))).toEqual(rule);
  });

  it('has no counters where none are printed', () => {
    expect(parseIptablesRule('-A KUBE-SERVICES -j KUBE-SVC-X')).not.toHaveProperty('counters');
  });

  const nextTo = (module: string, ...options: readonly object[]): { matches: readonly object[] } => ({
    matches: [{ module, options }],
  });
  /** What stands in the rule, and what it gives. */
  const parts: [string, object][] = [
    ['! -s 10.244.0.0/16', { source: { prefix: '10.244.0.0/16', negated: true } }],
    ['-s ! 10.0.0.0/255.0.0.0', { source: { prefix: '10.0.0.0/255.0.0.0', negated: true } }],
    [
      '-i cali+ ! -o eth0',
      { inInterface: { name: 'cali+', negated: false }, outInterface: { name: 'eth0', negated: true } },
    ],
    ['! -p UDP', { protocol: { protocol: 'udp', negated: true } }],
    ['! -f', { fragment: { negated: true } }],
    ['-p tcp --dport 22', nextTo('tcp', { kind: 'destinationPort', from: 22, to: 22, negated: false })],
    [
      '-p udp -m udp --sport :1023 ! --dport 1024:',
      nextTo(
        'udp',
        { kind: 'sourcePort', from: 0, to: 1023, negated: false },
        { kind: 'destinationPort', from: 1024, to: 65535, negated: true },
      ),
    ],
    ['-p tcp -m tcp --syn', nextTo('tcp', { kind: 'tcpFlags', mask: 0x17, set: 2, negated: false })],
    [
      '-p tcp -m multiport ! --dports 80,8000:8080',
      nextTo('multiport', {
        kind: 'multiport',
        end: 'destination',
        ranges: [
          { from: 80, to: 80 },
          { from: 8000, to: 8080 },
        ],
        negated: true,
      }),
    ],
    [
      '-m statistic --mode random --probability 0.33333333349',
      nextTo(
        'statistic',
        { kind: 'statisticMode', mode: 'random', negated: false },
        { kind: 'probability', of2To31: 715827883, negated: false },
      ),
    ],
    [
      '-m statistic --mode nth ! --every 3 --packet 1',
      nextTo(
        'statistic',
        { kind: 'statisticMode', mode: 'nth', negated: false },
        { kind: 'every', count: 3, negated: true },
        { kind: 'packet', number: 1, negated: false },
      ),
    ],
    ['-m mark ! --mark 0x4000/0x4000', nextTo('mark', { kind: 'mark', value: 0x4000, mask: 0x4000, negated: true })],
    ['-m connmark --mark 16384', nextTo('connmark', { kind: 'mark', value: 0x4000, mask: 0xffffffff, negated: false })],
    [
      '-m addrtype --dst-type LOCAL,BROADCAST --limit-iface-in',
      nextTo(
        'addrtype',
        { kind: 'addressType', end: 'destination', types: ['LOCAL', 'BROADCAST'], negated: false },
        { kind: 'limitInterface', side: 'in', negated: false },
      ),
    ],
    [
      '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT',
      nextTo('conntrack', { kind: 'connectionState', states: ['RELATED', 'ESTABLISHED', 'DNAT'], negated: true }),
    ],
    [
      '-m conntrack --ctorigdst 10.96.0.1/32 --ctorigdstport 443',
      nextTo(
        'conntrack',
        {
          kind: 'connectionAddress',
          direction: 'original',
          end: 'destination',
          prefix: '10.96.0.1/32',
          negated: false,
        },
        { kind: 'connectionPort', direction: 'original', end: 'destination', from: 443, to: 443, negated: false },
      ),
    ],
    [
      '-m set ! --match-set KUBE-CLUSTER-IP dst,dst',
      nextTo('set', { kind: 'matchSet', set: 'KUBE-CLUSTER-IP', flags: ['dst', 'dst'], negated: true }),
    ],
    [
      '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource',
      nextTo(
        'recent',
        { kind: 'recent', action: 'rcheck', negated: false },
        { kind: 'kept', name: '--seconds', values: ['10800'], negated: false },
        { kind: 'kept', name: '--reap', values: [], negated: false },
        { kind: 'recentList', name: 'KUBE-SEP-X', negated: false },
        { kind: 'kept', name: '--mask', values: ['255.255.255.255'], negated: false },
        { kind: 'kept', name: '--rsource', values: [], negated: false },
      ),
    ],
    [
      '-m iprange ! --src-range 10.0.0.1-10.0.0.9',
      nextTo('iprange', { kind: 'addressRange', end: 'source', from: '10.0.0.1', to: '10.0.0.9', negated: true }),
    ],
    [
      '-m policy --dir in --pol ipsec --proto esp',
      nextTo(
        'policy',
        { kind: 'kept', name: '--dir', values: ['in'], negated: false },
        { kind: 'kept', name: '--pol', values: ['ipsec'], negated: false },
        { kind: 'kept', name: '--proto', values: ['esp'], negated: false },
      ),
    ],
    [
      '-m string --string "--dport 80" --algo bm',
      nextTo(
        'string',
        { kind: 'kept', name: '--string', values: ['"--dport 80"'], negated: false },
        { kind: 'kept', name: '--algo', values: ['bm'], negated: false },
      ),
    ],
    [
      '-m bpf --bytecode "4,48 0 0 9"',
      nextTo('bpf', { kind: 'kept', name: '--bytecode', values: ['"4,48 0 0 9"'], negated: false }),
    ],
    [
      '-m frobnicate ! --deep 3 4 --wide',
      nextTo(
        'frobnicate',
        { kind: 'kept', name: '--deep', values: ['3', '4'], negated: true },
        { kind: 'kept', name: '--wide', values: [], negated: false },
      ),
    ],
    // An option of a known module that it cannot be, and words that belong to nothing.
    ['-m mark --mark huge', nextTo('mark', { kind: 'kept', name: '--mark', values: ['huge'], negated: false })],
    ['-m tcp --dport 80:70', nextTo('tcp', { kind: 'kept', name: '--dport', values: ['80:70'], negated: false })],
    [
      'stray words -s 1.2.3.4',
      {
        source: { prefix: '1.2.3.4', negated: false },
        ...nextTo('', { kind: 'kept', name: 'stray', values: ['words'], negated: false }),
      },
    ],
    [
      '-s 1.2.3.4 -s 1.2.3.5',
      {
        source: { prefix: '1.2.3.4', negated: false },
        ...nextTo('', { kind: 'kept', name: '-s', values: ['1.2.3.5'], negated: false }),
      },
    ],
    [
      '-j ACCEPT -m comment --comment "the end',
      {
        target: { kind: 'ACCEPT' },
        matches: [
          { module: '', options: [{ kind: 'truncated', text: '"the end' }] },
          { module: 'comment', options: [{ kind: 'kept', name: '--comment', values: [], negated: false }] },
        ],
      },
    ],
    [
      '-m comment --comment "say \\"no\\" -j DROP" -j ACCEPT',
      {
        target: { kind: 'ACCEPT' },
        ...nextTo('comment', { kind: 'comment', text: 'say "no" -j DROP', negated: false }),
      },
    ],
  ];
  it.each(parts)('understands %s', (text, expected) => {
    expect(parse(text)).toMatchObject(expected);
  });

  const range = (from: string, to = from): object => ({ addresses: { from, to } });
  const targets: [string, IptablesTarget | object][] = [
    ['-j RETURN', { kind: 'RETURN' }],
    ['-g cali-to-hep', { kind: 'goto', chain: 'cali-to-hep' }],
    ['-j REJECT --reject-with icmp-port-unreachable', { kind: 'REJECT', with: 'icmp-port-unreachable' }],
    ['-j DNAT --to-destination 10.0.0.1', { kind: 'DNAT', to: [range('10.0.0.1')], flags: [] }],
    [
      '-j DNAT --to-destination [fd00::1]:8080',
      { kind: 'DNAT', to: [{ ...range('fd00::1'), ports: { from: 8080, to: 8080 } }], flags: [] },
    ],
    ['-j DNAT --to-destination fd00::1', { kind: 'DNAT', to: [range('fd00::1')], flags: [] }],
    [
      '-j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90/8080 --random --persistent',
      {
        kind: 'DNAT',
        to: [{ ...range('10.0.0.1', '10.0.0.9'), ports: { from: 80, to: 90 }, base: 8080 }],
        flags: ['random', 'persistent'],
      },
    ],
    ['-j DNAT --to-destination :8080', { kind: 'DNAT', to: [{ ports: { from: 8080, to: 8080 } }], flags: [] }],
    ['-j SNAT --to-source 10.0.0.1 --random-fully', { kind: 'SNAT', to: [range('10.0.0.1')], flags: ['random-fully'] }],
    [
      '-j MASQUERADE --to-ports 1024-2048 --random-fully',
      { kind: 'MASQUERADE', ports: { from: 1024, to: 2048 }, flags: ['random-fully'] },
    ],
    ['-j REDIRECT --to-ports 15006', { kind: 'REDIRECT', ports: { from: 15006, to: 15006 }, flags: [] }],
    ['-j NETMAP --to 10.1.0.0/16', { kind: 'NETMAP', to: '10.1.0.0/16' }],
    ['-j MARK --set-xmark 0x4000/0x0', { kind: 'MARK', value: 0x4000, clear: 0 }],
    ['-j MARK --set-mark 0x1', { kind: 'MARK', value: 1, clear: 0xffffffff }],
    ['-j MARK --set-mark 0x4001/0x1', { kind: 'MARK', value: 0x4001, clear: 0x4001 }],
    ['-j MARK --or-mark 0x4000', { kind: 'MARK', value: 0x4000, clear: 0x4000 }],
    ['-j MARK --and-mark 0xffffbfff', { kind: 'MARK', value: 0, clear: 0x4000 }],
    ['-j MARK --xor-mark 0x4000', { kind: 'MARK', value: 0x4000, clear: 0 }],
    [
      '-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xf0',
      { kind: 'CONNMARK', action: 'save', nfmask: 0xff, ctmask: 0xf0 },
    ],
    ['-j CONNMARK --restore-mark --mask 0x40', { kind: 'CONNMARK', action: 'restore', nfmask: 0x40, ctmask: 0x40 }],
    ['-j CONNMARK --set-mark 0x1', { kind: 'CONNMARK', action: 'set', value: 1, clear: 0xffffffff }],
    ['-j CT --notrack', { kind: 'CT', notrack: true }],
    [
      '-j CT --zone 5',
      { kind: 'extension', name: 'CT', options: [{ kind: 'kept', name: '--zone', values: ['5'], negated: false }] },
    ],
    [
      '-j LOG --log-prefix "-j DROP "',
      {
        kind: 'extension',
        name: 'LOG',
        options: [{ kind: 'kept', name: '--log-prefix', values: ['"-j DROP "'], negated: false }],
      },
    ],
    ['-j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x200/0xffffffff', { kind: 'extension', name: 'TPROXY' }],
    [
      '-j DNAT --to-destination somewhere',
      {
        kind: 'extension',
        name: 'DNAT',
        options: [{ kind: 'kept', name: '--to-destination', values: ['somewhere'], negated: false }],
      },
    ],
    ['-j FULLCONENAT --to-source 10.0.0.1', { kind: 'extension', name: 'FULLCONENAT' }],
  ];
  it.each(targets)('understands %s', (text, expected) => {
    expect(parse(text)).toMatchObject({ matches: [], target: expected });
  });

  it.each([
    '',
    '# Generated by iptables-save',
    '*nat',
    ':KUBE-SVC-X - [0:0]',
    'COMMIT',
    '-N KUBE-SVC-X',
    '-P INPUT ACCEPT',
    '-A',
    '-A "torn',
    '[1:x] -A INPUT',
    '[99999999999999999999:1] -A INPUT',
  ])('takes %j for no rule', (text) => {
    expect(parseIptablesRule(text)).toBeUndefined();
  });
});

describe('printIptablesRule', () => {
  it.each(canonicalRules)('prints %s as iptables does', (text) => {
    const rule = parse(text);
    expect(printIptablesRule(rule)).toBe(`-A TEST ${text}`);
    expect(wordsWithoutMeaning(rule), 'options that the grammar does not know').toEqual([]);
  });

  const otherSpellings: [string, string][] = [
    ['-m tcp --dport 1 -p tcp', '-p tcp -m tcp --dport 1'],
    ['-j ACCEPT -p tcp --destination-port 80 --source 10.0.0.1', '-s 10.0.0.1 -p tcp -m tcp --dport 80 -j ACCEPT'],
    ['--in-interface ! lo --jump DROP', '! -i lo -j DROP'],
    ['-p tcp --syn', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN'],
    ['-p tcp -m tcp --tcp-flags ALL NONE', '-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE'],
    ['-m mark --mark 4294967295', '-m mark --mark 0xffffffff'],
    ['-m statistic --mode random --probability 0.5', '-m statistic --mode random --probability 0.50000000000'],
    ['-m comment --comment "plain"', '-m comment --comment plain'],
    ['-m comment --comment "it\'s"', '-m comment --comment "it\\\'s"'],
    ['-j CONNMARK --save-mark', '-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
    ['-j MARK --or-mark 1', '-j MARK --set-xmark 0x1/0x1'],
  ];
  it.each(otherSpellings)('prints %s in the one form', (text, printed) => {
    expect(printIptablesRule(parse(text))).toBe(`-A TEST ${printed}`);
    expect(parse(printed)).toEqual(parse(text));
  });

  it('never loses a word, whatever the words are', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '-m',
        '-j',
        '-s',
        '-p',
        '!',
        '-g',
        '-c',
        '-i',
        '-f',
        'tcp',
        'comment',
        'mark',
        '--comment',
        '--dport',
        '--mark',
        '80',
        '10.0.0.1',
        'ACCEPT',
        'LOG',
        '"a b"',
        '--to-destination',
        'DNAT',
      ),
      fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 6 }).filter((text) => !/[\s"]/.test(text)),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const rule = parse(words.join(' '));
        const printed = printIptablesRule(rule);
        const counted =
          rule.counters === undefined ? [] : ['-c', String(rule.counters.packets), String(rule.counters.bytes)];
        const expected = words.map((each) => each.replaceAll('"', ''));
        const left = [...printed.matchAll(/"(?:[^"\\]|\\.)*"|\S+/g)]
          .map(([each]) => (each.startsWith('"') ? each.slice(1, -1).replace(/\\(.)/g, '$1') : each))
          .concat(counted);
        // A port without -m gets its module, and numbers one form; everything else is there as it was.
        for (const each of expected) expect(left.map(plain), `${words.join(' ')} -> ${printed}`).toContain(plain(each));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('sharingParser', () => {
  const kept = fc.constantFrom(
    '-A KUBE-SEP-X -s 10.244.1.4/32 -m comment --comment "default/web:http"@ -j KUBE-MARK-MASQ',
    '-A KUBE-SEP-X -p tcp -m comment --comment "default/web:http" -m tcp@ -j DNAT --to-destination 10.244.1.4:8080',
    '-A KUBE-SVC-X -m statistic --mode random --probability 0.5@ -g KUBE-SEP-X',
    '-A KUBE-SVC-X -m comment --comment "a@ -j b"@ -j KUBE-SEP-X',
    '-A KUBE-SVC-X -m comment --comment "a \\" b"@ -j KUBE-SEP-X',
    '-A KUBE-SVC-X -m comment --comment "torn@ -j KUBE-SEP-X',
    '-A KUBE-SVC-X -j ACCEPT # because@ -j DROP',
    '-A KUBE-SVC-X@ -j ACCEPT@',
    '-A KUBE-SVC-X -m nobody --knows a@ b -j ACCEPT',
    '-A KUBE-SVC-X -j NOBODY --knows a@',
    '@-A KUBE-SVC-X',
    ':KUBE-SVC-X - [0:0]',
    '',
  );
  const counted = fc.constantFrom('', ' -c 0 0', ' -c 3 180', ' -c 3 99999999999999999999', ' -c 3', ' -c x y');
  const saved = fc.constantFrom('', '[0:0] ', '[3:180] ', '[x:0] ', '[');
  const lines = fc.array(
    fc.tuple(saved, kept, counted).map(([before, line, counters]) => `${before}${line.replaceAll('@', counters)}`),
    { minLength: 1, maxLength: 12 },
  );

  it('reads each line as the parser of one line reads it, and prints it as that', () => {
    fc.assert(
      fc.property(lines, (all) => {
        const parse = sharingParser();
        for (const line of all) {
          const [own, alone] = [parse(line), parseIptablesRule(line)];
          expect(own).toEqual(alone);
          if (own !== undefined && alone !== undefined) expect(iptablesRuleText(own)).toBe(printIptablesRule(alone));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [
      'behind the matches',
      '-A KUBE-SEP-X -p tcp -m tcp -c 3 180 -j ACCEPT',
      '-A KUBE-SEP-X -p tcp -m tcp -c 4 240 -j ACCEPT',
    ],
    [
      'before the rule',
      '[3:180] -A KUBE-SEP-X -p tcp -m tcp -j ACCEPT',
      '[4:240] -A KUBE-SEP-X -p tcp -m tcp -j ACCEPT',
    ],
    ['nowhere', '-A KUBE-SEP-X -p tcp -m tcp -j ACCEPT', '-A KUBE-SEP-X -p tcp -m tcp -j ACCEPT'],
  ])('gives each line a rule of its own, that shares all but its counters: %s', (_where, line, other) => {
    const parse = sharingParser();
    const [one, two] = [parse(line), parse(other)];
    expect(one).not.toBe(two);
    expect(one?.matches).toBe(two?.matches);
    expect(one?.target).toBe(two?.target);
  });
});

function plain(word: string): string {
  return /^(?:0x[0-9a-f]+|\d+)$/i.test(word) ? String(Number(word)) : word.toLowerCase();
}

/** Names of options that were kept though their module or target is known to have none of that name. */
function wordsWithoutMeaning({ matches }: IptablesRule): string[] {
  return matches
    .filter(({ module }: IptablesMatch) => module === '')
    .flatMap(({ options }) => options.map((option) => (option.kind === 'kept' ? option.name : option.kind)));
}
