/** Rulesets of which nftables and iptables each hold a part: what one does to the packet, the other sees. */
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { summarize } from '../../../core/program/walk-packet.ts';
import { parseIptablesSave } from '../../../core/iptables/parse-save.ts';
import { parseIpvsadm } from '../../../core/ipvs/parse.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';

/** Marks by nftables at raw's priority but after conntrack, then iptables' filter. */
function walk(marking: string, filter: readonly string[]): { verdict: string; unknown: readonly string[] } {
  const nft = new NftTextParser();
  nft.push(
    `table ip t {\n\tchain c {\n\t\ttype filter hook prerouting priority -190; policy accept;\n\t\t${marking}\n\t}\n}\n`,
  );
  const iptables = parseIptablesSave(
    `*filter\n:FORWARD ACCEPT [0:0]\n${filter.map((rule) => `-A FORWARD ${rule}\n`).join('')}COMMIT\n`,
  ).result;
  const { verdict, unknown } = summarize(
    walkRuleset(
      { iptables, nftables: nft.end().result, ipSets: [], virtualServers: [], problems: [] },
      { source: '10.244.1.7', destination: '10.96.0.7', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
      [],
    ),
  );
  return { verdict, unknown };
}

const hashed = 'jhash ip saddr mod 4';

describe('a mark of nftables that is asked for by iptables', () => {
  it.each([
    ['is known where it is a constant', 'meta mark set 0x00000002', ['-m mark --mark 0x2 -j DROP'], 'DROP', 0],
    ['is unknown where it is a hash', `meta mark set ${hashed}`, ['-m mark --mark 0x2 -j DROP'], 'NONE', 1],
    ['is unknown for a negated match too', `meta mark set ${hashed}`, ['-m mark ! --mark 0x2 -j DROP'], 'NONE', 1],
    ['is not asked for by an empty mask', `meta mark set ${hashed}`, ['-m mark --mark 0x0/0x0 -j DROP'], 'DROP', 0],
    [
      'is known again once all of it is set',
      `meta mark set ${hashed}`,
      ['-j MARK --set-xmark 0x2/0xffffffff', '-m mark --mark 0x2 -j DROP'],
      'DROP',
      0,
    ],
    [
      'stays unknown where a part of it is set',
      `meta mark set ${hashed}`,
      ['-j MARK --set-xmark 0x2/0xf', '-m mark --mark 0x2 -j DROP'],
      'NONE',
      1,
    ],
    [
      "is as unknown once it is the connection's",
      `meta mark set ${hashed}`,
      ['-j CONNMARK --save-mark', '-m connmark --mark 0x2 -j DROP'],
      'NONE',
      1,
    ],
    ['is unknown of a connection', `ct mark set ${hashed}`, ['-m connmark --mark 0x2 -j DROP'], 'NONE', 1],
    [
      "is as unknown once it is the packet's",
      `ct mark set ${hashed}`,
      ['-j CONNMARK --restore-mark', '-m mark --mark 0x2 -j DROP'],
      'NONE',
      1,
    ],
    [
      'of a connection is known again once all of it is set',
      `ct mark set ${hashed}`,
      ['-j CONNMARK --set-xmark 0x2/0xffffffff', '-m connmark --mark 0x2 -j DROP'],
      'DROP',
      0,
    ],
  ])('%s', (_name, marking, filter, verdict, unknown) => {
    const walked = walk(marking, filter);
    expect(walked.unknown).toHaveLength(unknown);
    expect(walked.verdict === 'DROP').toBe(verdict === 'DROP');
  });
});

describe('a mark of nftables that a virtual server takes', () => {
  const walked = (mark: string): ReturnType<typeof walkRuleset> => {
    const nft = new NftTextParser();
    nft.push(
      `table ip x {\n\tchain c {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n\t\tmeta mark set ${mark}\n\t}\n}\n`,
    );
    const { virtualServers } = parseIpvsadm(
      '-A -f 5 -s rr\n-a -f 5 -r 10.244.1.2:80 -m -w 1\n-A -t 10.96.0.7:80 -s rr\n-a -t 10.96.0.7:80 -r 10.244.1.3:80 -m -w 1\n',
    ).result;
    return walkRuleset(
      { iptables: [], nftables: nft.end().result, ipSets: [], virtualServers, problems: [] },
      { source: '10.244.1.7', destination: '10.96.0.7', destinationPort: 80, protocol: 'TCP', entersAt: 'PREROUTING' },
      [],
    );
  };

  it.each([
    ['0x5', '10.244.1.2', []],
    ['0x6', '10.244.1.3', []],
    ['jhash ip saddr mod 8', undefined, ['FWM 5 rr: whether the packet has its mark']],
  ] as const)('set to %s sends the packet to %s', (mark, address, unknown) => {
    const { leaves, unknown: named } = walked(mark);
    expect(leaves.map(({ dnat }) => dnat?.address)).toEqual([address]);
    expect(named).toEqual(unknown);
  });
});
