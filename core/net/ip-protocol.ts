/** IP protocol numbers and their names, as Debian's /etc/protocols has them, with the names of iptables and nft beside them. */
import type { Protocol } from './family.ts';

/** The first name of a number is the one that programs print; all of them are read. */
const namesByNumber: ReadonlyMap<number, readonly string[]> = new Map([
  [0, ['ip', 'hopopt']],
  [1, ['icmp']],
  [2, ['igmp']],
  [3, ['ggp']],
  [4, ['ipencap', 'ipv4']],
  [5, ['st']],
  [6, ['tcp']],
  [8, ['egp']],
  [9, ['igp']],
  [12, ['pup']],
  [17, ['udp']],
  [20, ['hmp']],
  [22, ['xns-idp']],
  [27, ['rdp']],
  [29, ['iso-tp4']],
  [33, ['dccp']],
  [36, ['xtp']],
  [37, ['ddp']],
  [38, ['idpr-cmtp']],
  [41, ['ipv6']],
  [43, ['ipv6-route']],
  [44, ['ipv6-frag']],
  [45, ['idrp']],
  [46, ['rsvp']],
  [47, ['gre']],
  [50, ['esp', 'ipv6-esp']],
  [51, ['ah', 'ipv6-auth']],
  [57, ['skip']],
  [58, ['ipv6-icmp', 'icmpv6']],
  [59, ['ipv6-nonxt']],
  [60, ['ipv6-opts']],
  [73, ['rspf']],
  [81, ['vmtp']],
  [88, ['eigrp']],
  [89, ['ospf']],
  [93, ['ax.25']],
  [94, ['ipip']],
  [97, ['etherip']],
  [98, ['encap']],
  [103, ['pim']],
  [108, ['ipcomp', 'comp']],
  [112, ['vrrp']],
  [115, ['l2tp']],
  [124, ['isis']],
  [132, ['sctp']],
  [133, ['fc']],
  [135, ['mobility-header', 'ipv6-mh', 'mh']],
  [136, ['udplite']],
  [137, ['mpls-in-ip']],
  [138, ['manet']],
  [139, ['hip']],
  [140, ['shim6']],
  [141, ['wesp']],
  [142, ['rohc']],
  [143, ['ethernet']],
]);

const numbersByName: ReadonlyMap<string, number> = new Map(
  [...namesByNumber].flatMap(([number, names]) => names.map((name) => [name, number] as const)),
);

/** Numbers of the protocols that a Service can have. */
export const serviceProtocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** The name that programs print for a number, in lower case; undefined for a number without one. */
export function ipProtocolName(number: number): string | undefined {
  return namesByNumber.get(number)?.[0];
}

/** The number of a protocol by its name in lower case or by itself, 0 to 255; undefined for any other word. */
export function ipProtocolNumber(word: string): number | undefined {
  if (!/^\d{1,3}$/.test(word)) return numbersByName.get(word);
  return Number(word) <= 255 ? Number(word) : undefined;
}

/** The protocol of Services that a number, or a word as ipProtocolNumber reads it, stands for. */
export function serviceProtocol(protocol: string | number): Protocol | undefined {
  const number = typeof protocol === 'number' ? protocol : ipProtocolNumber(protocol);
  return (['TCP', 'UDP', 'SCTP'] as const).find((each) => serviceProtocolNumbers[each] === number);
}
