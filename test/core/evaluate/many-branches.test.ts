/** A Service of many endpoints has many branches, of which nothing is assumed: they do not use up what may be assumed. */
import { describe, expect, it } from 'vitest';
import { IptablesWalk } from '../../../core/evaluate/walk-iptables.ts';
import { NftWalk } from '../../../core/evaluate/walk-nftables.ts';
import { Trail, type Branch, type Packet } from '../../../core/evaluate/walk.ts';
import { parseIptablesRule } from '../../../core/iptables/parse-rule.ts';
import { parseNftRuleText } from '../../../core/nftables/parse-statement.ts';

const packet: Packet = {
  source: '10.244.1.7',
  destination: '10.96.0.7',
  destinationPort: 80,
  protocol: 'TCP',
  entersAt: 'PREROUTING',
};
const machine = { addresses: ['172.30.0.11'], ipSets: new Map() };
const at = { hook: 'forward', inInterface: undefined, outInterface: undefined } as const;
const endpoints = (count: number): Branch[] =>
  Array.from({ length: count }, (_, index) => ({
    probability: 1 / count,
    mark: 0,
    dnat: {
      address: `10.244.${String(index >> 8)}.${String(index & 255)}`,
      port: 8080,
      by: { table: 'kube-proxy', chain: 'endpoint', rule: 'dnat', actions: [] },
    },
  }));

describe('300 endpoints', () => {
  it('are followed through a rule of nftables whose condition is not known', () => {
    const rules = ['iifname "docker0" counter accept', 'ct count over 20 drop', 'iifname "virbr0" drop'].map((text) =>
      parseNftRuleText(text, 'f', 'inet'),
    );
    const trail = new Trail(true);
    const { through, ended } = new NftWalk(
      { name: 'fw', chain: () => ({ rules }), map: () => undefined, set: () => undefined },
      packet,
      machine,
      trail,
    ).chain('f', endpoints(300), at);
    expect([...trail.unknown]).toEqual([]);
    expect(new Set([...through, ...ended].map(({ dnat }) => dnat?.address)).size).toBe(300);
    expect(ended.some(({ verdict, assumed }) => verdict === 'DROP' && assumed !== undefined)).toBe(true);
  });

  it('are followed through a rule of iptables whose condition is not known', () => {
    const rules = ['-A FORWARD -i docker0 -j ACCEPT', '-A FORWARD -i virbr0 -j DROP'].flatMap(
      (line) => parseIptablesRule(line) ?? [],
    );
    const trail = new Trail(true);
    const { through, ended } = new IptablesWalk(() => rules, packet, machine, trail).chain(
      'filter',
      'FORWARD',
      endpoints(300),
      at,
    );
    expect([...trail.unknown]).toEqual([]);
    expect(new Set([...through, ...ended].map(({ dnat }) => dnat?.address)).size).toBe(300);
    expect(ended.filter(({ verdict, assumed }) => verdict === 'DROP' && assumed !== undefined)).toHaveLength(300);
  });
});
