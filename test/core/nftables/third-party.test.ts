/** Rulesets of nftables that others than kube-proxy write, in both of nft's forms: one model, nothing of it unknown, and walked. */
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import type { Packet } from '../../../core/evaluate/walk.ts';
import type { NftRulesetTable } from '../../../core/nftables/table.ts';
import type { DumpParser } from '../../../core/dump/lines.ts';
import { NftJsonParser } from '../../../core/nftables/parse-json.ts';
import { NftTextParser } from '../../../core/nftables/parse-text.ts';
import { foreignNftDumps } from '../../fixtures/rulesets/foreign.ts';
import { comparableTable } from '../../support/comparable-table.ts';

function read(parser: DumpParser<NftRulesetTable[]>, listing: string): NftRulesetTable[] {
  parser.push(listing);
  const { result, problems } = parser.end();
  expect(problems).toEqual([]);
  return result;
}

describe('the ruleset of', () => {
  it.each(foreignNftDumps)('$program is one model in text and in JSON, with nothing unrecognized', ({ text, json }) => {
    const [ofText, ofJson] = [read(new NftTextParser(), text), read(new NftJsonParser(), json)];
    expect(ofText.map(comparableTable)).toEqual(ofJson.map(comparableTable));
    expect(
      JSON.stringify(
        [...ofText, ...ofJson].map(({ chains, sets, maps, unrecognized }) => [
          [...chains],
          [...sets],
          [...maps],
          unrecognized,
        ]),
      ),
    ).not.toContain('"kind":"unrecognized"');
  });

  const node = '172.30.0.12';
  const packet = (
    source: string,
    destination: string,
    destinationPort: number,
    more: Partial<Packet> = {},
  ): Packet => ({
    source,
    destination,
    destinationPort,
    protocol: 'TCP',
    entersAt: source === node ? 'OUTPUT' : 'PREROUTING',
    ...more,
  });
  const toPod = { inInterface: 'eth0', outInterface: 'cali1234abcd5e' };

  it.each([
    [
      'calico',
      'a client that the policy names',
      packet('10.244.7.4', '10.244.1.3', 8085, toPod),
      'ACCEPT',
      '',
      false,
      [],
    ],
    ['calico', 'a client that no policy names', packet('10.244.9.4', '10.244.1.3', 9000, toPod), 'DROP', '', false, []],
    [
      'calico',
      'the floating address of a pod',
      packet('192.0.2.7', '172.30.9.9', 8080, toPod),
      'DNAT',
      '10.244.1.3:8080',
      false,
      [],
    ],
    [
      'calico',
      'the world, from a pod',
      packet('10.244.1.3', '192.0.2.7', 443, { inInterface: 'cali1234abcd5e', outInterface: 'eth0' }),
      'UNKNOWN',
      '',
      false,
      ['fib saddr . mark . iif oif 0 drop comment "cali:wyDKZqn-CVUmvCZB;"'],
    ],
    [
      'docker',
      'a port published on loopback, from the node',
      packet('127.0.0.1', '127.0.0.1', 8080, { entersAt: 'OUTPUT', outInterface: 'br-dummy' }),
      'DNAT',
      '192.168.0.2:80',
      true,
      [],
    ],
    [
      'docker',
      'a container, past its published port',
      packet('192.0.2.3', '192.168.0.2', 80, { inInterface: 'eth0', outInterface: 'br-dummy' }),
      'DROP',
      '',
      false,
      [],
    ],
    [
      'docker',
      'a published port of IPv6',
      packet('2001:db8::7', 'fd00::12', 8080, { inInterface: 'eth0', outInterface: 'br-dummy' }),
      'DNAT',
      'fd49:efd7:54aa::1:80',
      false,
      [],
    ],
    ['fail2ban', 'ssh, from an address that is banned', packet('192.0.2.9', node, 22), 'REJECT', '', false, []],
    ['fail2ban', 'ssh, from another', packet('192.0.2.10', node, 22), 'NONE', '', false, []],
    [
      'firewalld',
      'a port that is forwarded',
      packet('192.0.2.3', node, 8080, { inInterface: 'eth1', outInterface: 'eth0' }),
      'DNAT',
      '10.244.1.3:80',
      false,
      [],
    ],
    [
      'firewalld',
      'a port that no service opens',
      packet('192.0.2.3', node, 9090, { inInterface: 'eth0' }),
      'REJECT',
      '',
      false,
      [],
    ],
    [
      'firewalld',
      'a service that is open',
      packet('192.0.2.3', node, 80, { inInterface: 'eth0' }),
      'ACCEPT',
      '',
      false,
      [],
    ],
    ['flannel', 'the world, from a pod', packet('10.244.1.9', '192.0.2.3', 443), 'ACCEPT', '', true, []],
    ['flannel', 'a pod of another node', packet('10.244.1.9', '10.244.2.9', 80), 'ACCEPT', '', false, []],
    [
      'istio',
      'a DNS server, from the node',
      packet(node, '10.96.0.10', 53, { outInterface: 'eth0', protocol: 'UDP' }),
      'DNAT',
      '127.0.0.1:15053',
      false,
      [
        'meta skuid 1337 return',
        'meta skgid 1337 return',
        'udp sport 53 meta mark & 0x00000fff != 0x00000539 ct zone set 1',
      ],
    ],
    [
      // Of two tables at one priority the newest is asked first, and this one asks who sent it.
      'istio',
      'a DNS server over TCP, from the node',
      packet(node, '10.96.0.10', 53, { outInterface: 'eth0' }),
      'UNKNOWN',
      '',
      false,
      ['meta skuid 1337 return', 'meta skgid 1337 return'],
    ],
    [
      'kube-router',
      'a pod, from a source of its policy',
      packet('10.244.3.7', '10.244.2.5', 8080),
      'ACCEPT',
      '',
      false,
      [],
    ],
    ['kube-router', 'a pod, from elsewhere', packet('10.244.4.7', '10.244.2.5', 8080), 'REJECT', '', false, []],
    [
      'libvirt',
      'a guest, from outside',
      packet('192.0.2.3', '192.168.122.10', 22, { inInterface: 'eth0', outInterface: 'virbr0' }),
      'REJECT',
      '',
      false,
      [],
    ],
    [
      'libvirt',
      'the world, from a guest',
      packet('192.168.122.10', '192.0.2.3', 443, { inInterface: 'virbr0', outInterface: 'eth0' }),
      'ACCEPT',
      '',
      true,
      [],
    ],
    [
      'netavark',
      'a published port',
      packet('192.0.2.3', node, 8080, { inInterface: 'eth0', outInterface: 'podman0' }),
      'DNAT',
      '10.88.0.5:80',
      false,
      [],
    ],
    [
      'netavark',
      'a published port, from a container of the network',
      packet('10.88.0.9', node, 8080, { inInterface: 'podman0', outInterface: 'podman0' }),
      'DNAT',
      '10.88.0.5:80',
      true,
      [],
    ],
    ['workstation', 'a port of the map', packet('203.0.113.3', node, 443), 'ACCEPT', '', false, []],
    [
      'workstation',
      'a port of the map, from an address of the block list',
      packet('192.0.2.3', node, 443),
      'DROP',
      '',
      false,
      [],
    ],
    [
      'workstation',
      'a port that is forwarded by the map',
      packet('203.0.113.3', node, 2222, { outInterface: 'eth0' }),
      'DNAT',
      '10.244.1.9:22',
      false,
      [],
    ],
  ] as const)('%s is walked by a packet to %s', (program, _name, sent, verdict, target, masquerade, unknown) => {
    const dump = foreignNftDumps.find((each) => each.program === program);
    const nftables = read(new NftTextParser(), dump?.text ?? '');
    const result = walkRuleset({ iptables: [], nftables, ipSets: [], virtualServers: [], problems: [] }, sent, [
      node,
      'fd00::12',
    ]);
    expect(
      result.leaves.map((leaf) => [
        leaf.verdict,
        leaf.dnat === undefined ? '' : `${leaf.dnat.address}:${String(leaf.dnat.port)}`,
        leaf.masquerade,
      ]),
    ).toEqual([[verdict, target, masquerade]]);
    expect(result.unknown).toEqual(unknown);
  });
});
