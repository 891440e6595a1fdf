/** Rules in plain words: everything that kube-proxy writes is known, and what is not known is named. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { chainPurpose } from '../../../core/explain/chain-purpose.ts';
import { explainIptablesRule } from '../../../core/explain/explain-iptables.ts';
import { explainVirtualServer } from '../../../core/explain/explain-ipvs.ts';
import { explainNftRule } from '../../../core/explain/explain-nft.ts';
import type { Explained, Names } from '../../../core/explain/explained.ts';
import { printNftRule } from '../../../core/nftables/print.ts';
import { parseNftRuleText } from '../../../core/nftables/parse-statement.ts';
import { parseIptablesRule } from '../../../core/iptables/parse-rule.ts';
import { printIptablesRule } from '../../../core/iptables/print.ts';
import { parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';
import type { Ruleset } from '../../../core/ruleset/ruleset.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const read = (file: string): Ruleset => parseRulesetFile(readFileSync(fixtures + file, 'utf8'));

function namesOf({ nftables, ipSets }: Ruleset): Names {
  return {
    chain: (name) =>
      chainPurpose(
        name,
        () => undefined,
        () => undefined,
      ),
    pod: () => undefined,
    set: (name) => nftables.map(({ maps, sets }) => maps.get(name) ?? sets.get(name)).find((set) => set !== undefined),
    ipSet: (name) => ipSets.find((set) => set.name === name),
  };
}

/** Every rule of a dump with its explanation. */
function explainAll(ruleset: Ruleset): { text: string; explained: Explained }[] {
  const names = namesOf(ruleset);
  return [
    ...ruleset.iptables.flatMap(({ tables }) =>
      [...tables].flatMap(([table, chains]) =>
        [...chains.values()].flatMap(({ rules }) =>
          rules.map((rule, index) => ({
            text: printIptablesRule(rule),
            explained: explainIptablesRule(rule, names, {
              noun: table === 'nat' ? 'connections' : 'packets',
              isFirst: index === 0,
            }),
          })),
        ),
      ),
    ),
    ...ruleset.nftables.flatMap(({ chains }) =>
      [...chains.values()].flatMap(({ rules }) =>
        rules.map((rule, index) => ({
          text: printNftRule(rule),
          explained: explainNftRule(rule, names, { noun: 'packets', isFirst: index === 0 }),
        })),
      ),
    ),
  ];
}

describe('what kube-proxy writes', () => {
  const releases = readdirSync(`${fixtures}kube-proxy`).filter((name) => name.startsWith('v'));

  it('is there of nine releases', () => {
    expect(releases).toHaveLength(9);
  });

  it.each(
    releases.flatMap((release) => readdirSync(`${fixtures}kube-proxy/${release}`).map((file) => `${release}/${file}`)),
  )('%s is known rule by rule', (file) => {
    const all = explainAll(read(`kube-proxy/${file}`));
    expect(all.length).toBeGreaterThan(100);
    expect(
      all
        .filter(
          ({ explained: { unknown, sentence } }) => unknown.length > 0 || /not known|undefined|\[object/.test(sentence),
        )
        .map(({ text }) => text),
    ).toEqual([]);
    // A sentence begins with a capital and ends with a full stop; a share begins with its number.
    for (const {
      explained: { sentence },
    } of all)
      expect(sentence).toMatch(/^[A-Z0-9].*\.$/);
  });

  it('of the IPVS mode too', () => {
    const [rules, sets] = ['iptables-save.txt', 'ipset-save.txt'].map((file) => read(`rulesets/ipvs/${file}`));
    if (rules === undefined || sets === undefined) throw new Error('no dumps');
    expect(explainAll({ ...rules, ipSets: sets.ipSets }).flatMap(({ explained }) => explained.unknown)).toEqual([]);
  });
});

const sentences: readonly (readonly [rule: string, sentence: string])[] = [
  [
    '-A KUBE-SERVICES -d 10.96.2.60/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A',
    'TCP connections to 10.96.2.60 port 80 go to chain KUBE-SVC-A, which chooses an endpoint.',
  ],
  [
    '-A KUBE-SVC-A ! -s 10.244.0.0/16 -d 10.96.2.60/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ',
    'TCP connections from outside of 10.244.0.0/16 to 10.96.2.60 port 80 go to chain KUBE-MARK-MASQ, which marks them for masquerading.',
  ],
  [
    '-A KUBE-SVC-A -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-B',
    '33.3 % (drawn at random) of the connections that come this far go to chain KUBE-SEP-B, which is the chain of one endpoint.',
  ],
  [
    '-A KUBE-SVC-A -j KUBE-SEP-B',
    'All connections that come this far go to chain KUBE-SEP-B, which is the chain of one endpoint.',
  ],
  [
    '-A KUBE-SVC-A -m recent --rcheck --seconds 300 --reap --name KUBE-SEP-B --mask 255.255.255.255 --rsource -j KUBE-SEP-B',
    'Connections whose client is in the list KUBE-SEP-B within the last 300 seconds go to chain KUBE-SEP-B, which is the chain of one endpoint.',
  ],
  [
    '-A KUBE-SEP-B -p tcp -m recent --set --name KUBE-SEP-B --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.244.1.4:8080',
    'TCP connections have their client remembered in the list KUBE-SEP-B, then get another destination (DNAT): 10.244.1.4:8080.',
  ],
  [
    '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    'Connections without the mark 0x4000 go back to the chain that they came from.',
  ],
  [
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    'All connections that come this far get the address of the interface by which they leave as their source (masquerade), with a random port.',
  ],
  [
    '-A X ! -i lo -p tcp -m multiport --dports 80,8000:8010 -m conntrack ! --ctstate RELATED,ESTABLISHED -j REJECT --reject-with tcp-reset',
    'TCP connections that do not come in by interface lo and whose destination port is one of 80, 8000 to 8010 and whose connection is not related to another one or established are refused: the client gets tcp-reset.',
  ],
  [
    '-A X -m addrtype --dst-type LOCAL -p udp -m udp --dport 53 -j DROP',
    'UDP connections to an address of this node at port 53 are dropped: the client gets no answer.',
  ],
  [
    '-A X -m u32 --u32 0x0>>0x16 -j ACCEPT',
    'Connections that fulfil a condition (not known: -m u32 --u32 0x0>>0x16) are left as they are: no further rule of this table is evaluated.',
  ],
  [
    '-A X -j SOMETHING --with this',
    'All connections that come this far are given to a target (not known: -j SOMETHING --with this).',
  ],
];

const names = namesOf({ iptables: [], nftables: [], ipSets: [], virtualServers: [], problems: [] });

describe('iptables', () => {
  it.each(sentences)('%s', (text, sentence) => {
    const rule = parseIptablesRule(text);
    if (rule === undefined) throw new Error(`not a rule: ${text}`);
    const explained = explainIptablesRule(rule, names, { noun: 'connections', isFirst: false });
    expect(explained.sentence).toBe(sentence);
    expect(explained.unknown.length > 0).toBe(sentence.includes('not known'));
  });

  it('names what it does not know of firewalls of others, and nothing of theirs is silent', () => {
    const all = readdirSync(`${fixtures}rulesets/foreign`)
      .filter((file) => file.endsWith('.txt'))
      .flatMap((file) => explainAll(read(`rulesets/foreign/${file}`)));
    expect(all.length).toBeGreaterThan(150);
    for (const {
      explained: { unknown, sentence },
    } of all)
      for (const part of unknown) expect(sentence).toContain(`not known: ${part}`);
  });
});

describe('nftables', () => {
  it('every kind of statement is put into words, or named', () => {
    const lines = readFileSync(`${fixtures}nft/statements.txt`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.length).toBeGreaterThan(50);
    for (const line of lines) {
      const text = line.slice(line.indexOf(':') + 1).trim();
      const { sentence, unknown } = explainNftRule(parseNftRuleText(text, 'pre', 'ip'), names, {
        noun: 'packets',
        isFirst: true,
      });
      expect(sentence, text).toMatch(/^[A-Z0-9].*\.$/s);
      expect(sentence, text).not.toMatch(/undefined|\[object/);
      for (const part of unknown) expect(sentence).toContain(`not known: ${part}`);
    }
  });

  it('a choice has a line for each endpoint, with its share', () => {
    const { nftables } = read('kube-proxy/v1.37.2/nftables.json');
    const all = explainAll({ iptables: [], nftables, ipSets: [], virtualServers: [], problems: [] });
    const choices = all.filter(({ text }) => text.includes('numgen random mod 3'));
    expect(choices.length).toBeGreaterThan(5);
    for (const {
      explained: { lines },
    } of choices)
      expect(lines.map(({ share }) => share)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });
});

describe('IPVS', () => {
  it('says of a virtual server who gets its connections, and of a draining real server that it gets none', () => {
    const { virtualServers } = read('rulesets/ipvs/ipvsadm-Sn.txt');
    const server = virtualServers.find(({ address, port }) => address === '10.96.0.7' && port === 80);
    if (server === undefined) throw new Error('no virtual server');
    const { sentence, lines, unknown } = explainVirtualServer(server, names, ({ weight }) => (weight === 0 ? 0 : 0.5));
    expect(unknown).toEqual([]);
    expect(sentence).toBe(
      'TCP connections to 10.96.0.7 port 80 are taken by IPVS, and get one of its 3 real servers as their destination: rr, in turn.',
    );
    expect(lines.map((line) => line.sentence)).toContain(
      '50.0 %: to 10.244.1.2:8080, by rewriting the destination (DNAT), weight 1.',
    );
    expect(lines.filter(({ share }) => share === 0).map((line) => line.sentence)[0]).toMatch(
      /gets no new connection \(weight 0, it drains\)/,
    );
    expect(virtualServers.flatMap((each) => explainVirtualServer(each, names, () => undefined).unknown)).toEqual([]);
  });
});
