/** What nftables' expressions read of a packet, as far as it is known: the first packet of a connection, at a hook. */
import type { NftExpression } from '../nftables/rule.ts';
import { familyOf } from '../net/family.ts';
import { addressTypesOf } from './address-type.ts';
import { isOwnAddress } from './walk-hooks.ts';
import { destinationOf, destinationPortOf, packetBytes, sourceOf, sourcePortOf, trackedAs } from './packet-ends.ts';
import type { At, Branch, Machine, Packet } from './walk.ts';
import { ipv4Of, ipv6Of, type Atom } from './nft-value.ts';
import { serviceProtocolNumbers } from '../net/ip-protocol.ts';

export type Reading =
  | { readonly kind: 'atom'; readonly atom: Atom }
  /** The packet has no such thing: the rule does not match, whatever it compares it with (NFT_BREAK). */
  | { readonly kind: 'absent' }
  /** It has one that is not known; it is none of these. */
  | { readonly kind: 'unknown'; readonly not: readonly Atom[] }
  /** Each of these numbers, as likely as any other. */
  | { readonly kind: 'uniform'; readonly from: number; readonly count: number }
  /** One of these numbers, both ends included; which is not known. */
  | { readonly kind: 'between'; readonly from: number; readonly to: number }
  /** Flags, some of which are not known. */
  | { readonly kind: 'bits'; readonly bits: number; readonly unknown: number };

export const absent: Reading = { kind: 'absent' };
export const unknownReading: Reading = { kind: 'unknown', not: [] };

export function atomReading(atom: Atom | undefined): Reading {
  return atom === undefined ? unknownReading : { kind: 'atom', atom };
}

/** Where a rule is met: beside the hook, whether conntrack has seen the packet (its own priority is -200). */
export interface Place extends At {
  readonly isBeforeTracking: boolean;
}

/** Reads one expression that asks the packet itself; undefined for one of another kind. */
export function readPacket(
  expression: NftExpression,
  packet: Packet,
  branch: Branch,
  at: Place,
  machine: Machine,
): Reading | undefined {
  switch (expression.kind) {
    case 'payload':
      return readPayload(expression.protocol, expression.field, packet, branch);
    case 'meta':
      return readMeta(expression.key, packet, branch, at);
    case 'ct':
      return readConnection(expression.key, expression.direction, packet, branch, at);
    case 'fib':
      return readRoute(expression.result, expression.flags, packet, branch, machine);
    case 'numgen':
      return { kind: 'uniform', from: expression.offset, count: expression.modulus };
    case 'rawPayload':
      if (expression.base !== 'th' || expression.length !== 16) return unknownReading;
      return expression.offset === 0 || expression.offset === 16
        ? readPayload('th', expression.offset === 0 ? 'sport' : 'dport', packet, branch)
        : unknownReading;
    case 'header':
    case 'rawTcpOption':
    case 'rt':
    case 'socket':
    case 'osf':
    case 'ipsec':
    case 'tunnel':
    case 'jhash':
    case 'symhash':
    case 'unrecognized':
      return unknownReading;
    default:
      return undefined;
  }
}

const isIPv4 = (packet: Packet): boolean => familyOf(packet.destination) === 'IPv4';

export function addressAtom(address: string): Atom | undefined {
  return ipv4Of(address) ?? ipv6Of(address);
}

function readPayload(protocol: string, field: string, packet: Packet, branch: Branch): Reading {
  switch (protocol) {
    case 'ip':
    case 'ip6': {
      if (isIPv4(packet) !== (protocol === 'ip')) return absent;
      if (field === 'daddr') return atomReading(addressAtom(destinationOf(packet, branch)));
      // The address that masquerading gives is not known.
      if (field === 'saddr') return addressReading(sourceOf(packet, branch));
      if (field === 'protocol' || field === 'nexthdr') return atomReading(serviceProtocolNumbers[packet.protocol]);
      return field === 'version' ? atomReading(protocol === 'ip' ? 4 : 6) : unknownReading;
    }
    case 'th':
    case 'tcp':
    case 'udp':
    case 'sctp': {
      if (protocol !== 'th' && packet.protocol.toLowerCase() !== protocol) return absent;
      if (field === 'dport') return atomReading(destinationPortOf(packet, branch));
      if (field === 'sport') return atomReading(sourcePortOf(packet, branch));
      // A connection begins with SYN, and its answer is SYN and ACK; ECN's flags may be asked for with them (RFC 3168).
      if (field === 'flags') return { kind: 'bits', bits: packet.answers === undefined ? 2 : 0x12, unknown: 0xc0 };
      return unknownReading;
    }
    case 'ether':
    case 'vlan':
      return unknownReading;
    default:
      // icmp, esp, arp and the like: another protocol than the packet's.
      return absent;
  }
}

function addressReading(address: string | undefined): Reading {
  return address === undefined ? unknownReading : atomReading(addressAtom(address));
}

function readMeta(key: string, packet: Packet, branch: Branch, at: Place): Reading {
  switch (key) {
    case 'mark':
      return branch.isMarkUnknown === true ? unknownReading : atomReading(branch.mark);
    case 'l4proto':
      return atomReading(serviceProtocolNumbers[packet.protocol]);
    case 'nfproto':
      return atomReading(isIPv4(packet) ? 2 : 10);
    case 'protocol':
      return atomReading(isIPv4(packet) ? 0x0800 : 0x86dd);
    case 'iif':
    case 'iifname':
      return interfaceReading(at.inInterface);
    case 'oif':
    case 'oifname':
      return interfaceReading(at.outInterface);
    case 'pkttype':
      // ip_rcv drops what is for another host before the hooks; a packet of the node itself is PACKET_HOST too.
      return isMulticast(packet.destination) || packet.destination === '255.255.255.255'
        ? unknownReading
        : atomReading(0);
    case 'skuid':
    case 'skgid':
    case 'cgroup':
      return packet.entersAt === 'OUTPUT' && (at.hook === 'output' || at.hook === 'postrouting')
        ? unknownReading
        : absent;
    case 'random':
      return { kind: 'uniform', from: 0, count: 2 ** 32 };
    default:
      return unknownReading;
  }
}

function interfaceReading(name: string | undefined): Reading {
  return name === undefined ? { kind: 'unknown', not: ['lo', ''] } : atomReading(name);
}

/** nft_ct.c, nft_ct_get_eval: without a connection, only the state has a value. */
function readConnection(
  key: string,
  direction: string | undefined,
  packet: Packet,
  branch: Branch,
  at: Place,
): Reading {
  const tracked = at.isBeforeTracking && branch.untracked !== true ? 'invalid' : trackedAs(packet, branch);
  if (key === 'state') return atomReading(stateBits[tracked]);
  if (tracked === 'invalid' || tracked === 'untracked') return absent;
  const isIPv4Packet = isIPv4(packet);
  const connection = tracked === 'answer' ? packet.answers?.connection : undefined;
  const { original = packet } = connection ?? {};
  // The answer comes from where the packet goes to, and goes to where it comes from.
  const answer =
    connection === undefined
      ? {
          source: branch.dnat?.address ?? packet.destination,
          sourcePort: branch.dnat?.port ?? packet.destinationPort,
          destination: sourceOf(packet, branch),
          destinationPort: sourcePortOf(packet, branch),
        }
      : {
          source: packet.source,
          sourcePort: packet.sourcePort,
          destination: packet.destination,
          destinationPort: destinationPortOf(packet, { ...branch, turned: {} }),
        };
  switch (key) {
    case 'status': {
      const isTranslated = answer.source !== original.destination || answer.sourcePort !== original.destinationPort;
      // Confirmed once it has left the first time: as it comes back by lo; SEEN_REPLY from its answer on.
      const confirmed = connection === undefined ? (at.inInterface === 'lo' ? 8 : 0) : 8 | 2;
      // A rule of nat has asked about it; where none did, that there are rules of nat at the hook is enough (nf_nat_core.c).
      const asked = connection === undefined && branch.dnat !== undefined ? destinationAsked : 0;
      // Whether masquerading changed anything depends on the address that the kernel chose.
      const source = connection === undefined ? (branch.masqueradedBy === undefined ? 0 : 16) : 0;
      return {
        kind: 'bits',
        bits: (isTranslated ? 32 : 0) | (connection?.isMasqueraded === true ? 16 : 0) | confirmed | asked,
        unknown: ((destinationAsked | sourceAsked | helped) & ~asked) | source,
      };
    }
    case 'direction':
      return atomReading(connection === undefined ? 0 : 1);
    case 'mark':
      return branch.isConnectionMarkUnknown === true ? unknownReading : atomReading(branch.connectionMark ?? 0);
    case 'l3proto':
      return atomReading(isIPv4Packet ? 2 : 10);
    case 'protocol':
      return atomReading(serviceProtocolNumbers[packet.protocol]);
    case 'helper':
      return absent;
    case 'packets':
    case 'bytes':
    case 'avgpkt':
      // What went before an answer is not known.
      return connection === undefined ? countReading(key, direction) : unknownReading;
    case 'ip saddr':
    case 'ip6 saddr':
    case 'ip daddr':
    case 'ip6 daddr':
    case 'saddr':
    case 'daddr': {
      if (key.startsWith('ip ') && !isIPv4Packet) return absent;
      if (key.startsWith('ip6 ') && isIPv4Packet) return absent;
      const ends = direction === 'reply' ? answer : original;
      return addressReading(key.endsWith('daddr') ? ends.destination : ends.source);
    }
    case 'proto-src':
    case 'proto-dst': {
      const ends = direction === 'reply' ? answer : original;
      return atomReading(key === 'proto-dst' ? ends.destinationPort : ends.sourcePort);
    }
    default:
      return unknownReading;
  }
}

/** nft_ct_get_eval: of a connection's first packet, it alone is counted, in its own direction. */
function countReading(key: 'packets' | 'bytes' | 'avgpkt', direction: string | undefined): Reading {
  if (direction === 'reply') return atomReading(0);
  return key === 'packets' ? atomReading(1) : { kind: 'between', ...packetBytes };
}

/** IPS_DST_NAT_DONE, IPS_SRC_NAT_DONE and IPS_HELPER of linux/netfilter/nf_conntrack_common.h, which nft has no words for. */
const [destinationAsked, sourceAsked, helped] = [0x100, 0x80, 0x2000];

/** NF_CT_STATE_BIT of linux/netfilter/nf_conntrack_common.h, and NF_CT_STATE_INVALID_BIT and _UNTRACKED_BIT. */
const stateBits = { new: 8, answer: 2, invalid: 1, untracked: 64 } as const;

/** Types of addresses: RTN_LOCAL 2, RTN_MULTICAST 5 (linux/rtnetlink.h). */
function readRoute(
  result: string,
  flags: readonly string[],
  packet: Packet,
  branch: Branch,
  machine: Machine,
): Reading {
  if (result !== 'type') return unknownReading;
  const address = flags.includes('saddr') ? sourceOf(packet, branch) : destinationOf(packet, branch);
  if (address === undefined) return unknownReading;
  const isBound = flags.includes('iif') || flags.includes('oif');
  // With an interface it asks whether that one has the address, which is not known of an address of the node.
  if (isOwnAddress(machine, address)) return isBound ? unknownReading : atomReading(2);
  if (isMulticast(address)) return atomReading(5);
  // Of IPv6, whether there is a route decides (nft_fib_ipv6.c); none is a broadcast.
  if (address.includes(':')) return { kind: 'unknown', not: [2, 3, 5] };
  const [type, more] = addressTypesOf(machine, address);
  if (more !== undefined) return { kind: 'unknown', not: [2, 5] };
  return type === 'BROADCAST' ? atomReading(3) : type === 'UNICAST' ? atomReading(1) : { kind: 'unknown', not: [2, 5] };
}

function isMulticast(address: string): boolean {
  const first = Number(/^(\d+)\./.exec(address)?.[1]);
  return /^ff/i.test(address) || (first >= 224 && first <= 239);
}
