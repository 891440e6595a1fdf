/** The same question in iptables' words and in nftables': what one tool knows of a first packet, the other does. */
import { describe, expect, it } from 'vitest';
import { walkRuleset } from '../../../core/evaluate/walk-ruleset.ts';
import { summarize } from '../../../core/program/walk-packet.ts';
import type { Packet } from '../../../core/evaluate/walk.ts';
import { parseRulesetFile } from '../../../core/ruleset/read-dumps.ts';

const packet: Packet = {
  source: '10.244.1.7',
  sourcePort: 40000,
  destination: '10.96.0.7',
  destinationPort: 80,
  protocol: 'TCP',
  entersAt: 'PREROUTING',
  inInterface: 'eth0',
  outInterface: 'eth1',
};
const answers = { DROP: 'yes', NONE: 'no', UNKNOWN: 'unknown' } as const;

function ask(text: string): string {
  const { verdict } = summarize(walkRuleset(parseRulesetFile(text), packet, ['172.30.0.11']));
  return verdict in answers ? answers[verdict as keyof typeof answers] : verdict;
}

const iptables = (words: string): string =>
  ask(`*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${words} -j DROP\nCOMMIT\n`);
const nft = (words: string): string =>
  ask(
    `table ip t {\n\tchain c {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t${words} drop\n\t}\n}\n`,
  );

/** undefined where a tool has no such question. */
const rows: readonly (readonly [
  iptables: string | undefined,
  nft: string | undefined,
  answer: 'yes' | 'no' | 'unknown',
])[] = [
  ['-m limit --limit 10/min', 'limit rate 10/minute', 'yes'],
  [undefined, 'limit rate over 10/minute', 'no'],
  ['-m hashlimit --hashlimit-above 10/min --hashlimit-name x', 'limit rate over 10/minute', 'no'],
  ['-m connlimit --connlimit-above 20', 'ct count over 20', 'no'],
  ['-m connlimit --connlimit-upto 20', 'ct count 20', 'yes'],
  ['-m connlimit --connlimit-above 0', 'ct count over 0', 'yes'],
  ['-m connbytes --connbytes 2 --connbytes-mode packets --connbytes-dir both', 'ct packets >= 2', 'no'],
  ['-m connbytes --connbytes 1:5 --connbytes-mode packets --connbytes-dir original', 'ct original packets 1-5', 'yes'],
  ['-m connbytes --connbytes 1 --connbytes-mode packets --connbytes-dir reply', 'ct reply packets >= 1', 'no'],
  ['-m connbytes --connbytes 100000 --connbytes-mode bytes --connbytes-dir both', 'ct bytes >= 100000', 'no'],
  ['-m connbytes --connbytes 60 --connbytes-mode bytes --connbytes-dir both', 'ct bytes >= 60', 'unknown'],
  [undefined, 'ct packets 1', 'yes'],
  [undefined, 'ct packets != 1', 'no'],
  [undefined, 'ct original bytes < 100000', 'yes'],
  [undefined, 'ct original bytes 1-100000', 'yes'],
  [undefined, 'ct original bytes 100-200', 'unknown'],
  [undefined, 'ct bytes { 1, 20 }', 'no'],
  [undefined, 'ct bytes { 1, 200 }', 'unknown'],
  [undefined, 'ct reply bytes 0', 'yes'],
  [undefined, 'ct reply avgpkt > 0', 'no'],
  [undefined, 'ct avgpkt > 20', 'yes'],
  [undefined, 'ct avgpkt > 300', 'unknown'],
  ['-m helper --helper ftp', 'ct helper "ftp"', 'no'],
  ['-m conntrack --ctstatus DNAT', 'ct status dnat', 'no'],
  ['-m conntrack --ctstatus CONFIRMED', 'ct status confirmed', 'no'],
  ['-m addrtype --dst-type BROADCAST', 'fib daddr type broadcast', 'no'],
  ['-m addrtype --dst-type UNICAST', 'fib daddr type unicast', 'yes'],
  ['-m addrtype --dst-type LOCAL', 'fib daddr type local', 'no'],
  ['-m addrtype --dst-type MULTICAST', 'fib daddr type multicast', 'no'],
  ['-p ipv4', 'meta l4proto ipv4', 'no'],
  ['-p 4', 'meta l4proto 4', 'no'],
  ['-p tcp', 'meta l4proto tcp', 'yes'],
  ['-m pkttype --pkt-type broadcast', 'meta pkttype broadcast', 'no'],
  ['-m pkttype --pkt-type unicast', 'meta pkttype unicast', 'yes'],
  ['-m owner --uid-owner 0', 'meta skuid 0', 'no'],
  ['-m cgroup --cgroup 1', 'meta cgroup 1', 'no'],
  ['-i eth0 -o eth1', 'iifname "eth0" oifname "eth1"', 'yes'],
  // What neither can know of a packet that nobody has sent.
  ['-m length --length 60', 'meta length 60', 'unknown'],
  ['-m ttl --ttl-eq 64', 'ip ttl 64', 'unknown'],
  ['-m dscp --dscp 0x0a', 'ip dscp 10', 'unknown'],
  ['-m time --timestart 01:00:00', 'meta hour "01:00"', 'unknown'],
  ['-m mac --mac-source 02:00:00:00:00:01', 'ether saddr 02:00:00:00:00:01', 'unknown'],
  ['-m rpfilter --invert', 'fib saddr . iif oif missing', 'unknown'],
];

describe('the merged branches of a match', () => {
  it.each(rows)('%s and %s: %s', (one, other, answer) => {
    if (one !== undefined) expect(iptables(one)).toBe(answer);
    if (other !== undefined) expect(nft(other)).toBe(answer);
  });
});
