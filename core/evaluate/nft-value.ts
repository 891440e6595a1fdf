/** Constants of nftables as the kernel compares them: numbers, and the names of interfaces. */
import ipaddr from 'ipaddr.js';
import { ipProtocolNumber } from '../net/ip-protocol.ts';
import type { NftExpression } from '../nftables/rule.ts';

/** A bigint for an IPv6 address; text for an interface's name. */
export type Atom = number | bigint | string;

/** Both ends belong to it. */
export interface AtomRange {
  readonly from: Atom;
  readonly to: Atom;
}

/**
 * What a constant of these types means, a range for each part of a concatenation.
 * @returns undefined where it is not a constant, or one that this version does not know
 */
export function rangesOf(expression: NftExpression, types: readonly string[]): readonly AtomRange[] | undefined {
  if (expression.kind === 'concatenation') {
    const ranges = expression.parts.map((part, index) => rangeOf(part, types[index] ?? ''));
    return ranges.every((range) => range !== undefined) ? ranges : undefined;
  }
  const range = rangeOf(expression, types[0] ?? '');
  return range === undefined ? undefined : [range];
}

function rangeOf(expression: NftExpression, type: string): AtomRange | undefined {
  switch (expression.kind) {
    case 'value': {
      if (type === 'ifname' && typeof expression.value === 'string' && expression.value.endsWith('*')) {
        const stem = expression.value.slice(0, -1);
        return { from: stem, to: `${stem}\u{10ffff}` };
      }
      return single(atomOf(expression.value, type));
    }
    case 'range': {
      const [from, to] = [rangeOf(expression.from, type), rangeOf(expression.to, type)];
      return from === undefined || to === undefined ? undefined : { from: from.from, to: to.to };
    }
    case 'prefix': {
      const base = rangeOf(expression.address, type)?.from;
      return base === undefined ? undefined : prefixRange(base, expression.length);
    }
    case 'list':
    case 'binary': {
      if (expression.kind === 'binary' && expression.operator !== '|') return undefined;
      let bits = 0;
      for (const item of expression.kind === 'list' ? expression.items : expression.operands) {
        const range = rangeOf(item, type);
        if (range === undefined || typeof range.from !== 'number' || range.from !== range.to) return undefined;
        bits = (bits | range.from) >>> 0;
      }
      return single(bits);
    }
    default:
      return undefined;
  }
}

function single(atom: Atom | undefined): AtomRange | undefined {
  return atom === undefined ? undefined : { from: atom, to: atom };
}

function prefixRange(base: Atom, length: number): AtomRange | undefined {
  if (typeof base === 'bigint') {
    if (length > 128) return undefined;
    const host = (1n << BigInt(128 - length)) - 1n;
    return { from: base & ~host, to: base | host };
  }
  if (typeof base !== 'number' || length > 32) return undefined;
  const host = length === 0 ? 0xffffffff : 2 ** (32 - length) - 1;
  const from = length === 0 ? 0 : (base & ~host) >>> 0;
  return { from, to: from + host };
}

function atomOf(value: string | number | boolean, type: string): Atom | undefined {
  if (typeof value === 'boolean') return value ? 1 : 0;
  switch (type) {
    case 'ipv4_addr':
      return typeof value === 'string' ? ipv4Of(value) : undefined;
    case 'ipv6_addr':
      return typeof value === 'string' ? ipv6Of(value) : undefined;
    case 'ifname':
      return String(value);
    case 'iface_index':
      // A number is the index of an interface whose name the listing does not have.
      return typeof value === 'string' && !/^\d+$/.test(value) ? value : undefined;
    case 'inet_proto':
      return typeof value === 'number' ? value : ipProtocolNumber(value);
    default: {
      if (typeof value === 'number') return value;
      const named = names.get(type);
      if (named !== undefined && Object.hasOwn(named, value)) return named[value];
      return /^(?:\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : undefined;
    }
  }
}

export function ipv4Of(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (let index = 1; index <= 4; index += 1) {
    const byte = Number(match[index]);
    if (byte > 255) return undefined;
    address = address * 256 + byte;
  }
  return address;
}

export function ipv6Of(text: string): bigint | undefined {
  if (!ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text)
    .toByteArray()
    .reduce((address, byte) => (address << 8n) | BigInt(byte), 0n);
}

/** The address as text, in its canonical form. */
export function addressText(atom: Atom): string | undefined {
  if (typeof atom === 'number') return [24, 16, 8, 0].map((shift) => String((atom >>> shift) & 255)).join('.');
  if (typeof atom !== 'bigint') return undefined;
  return new ipaddr.IPv6(
    Array.from({ length: 16 }, (_, index) => Number((atom >> BigInt(8 * (15 - index))) & 255n)),
  ).toString();
}

/** Symbols of nft, by type (nft describe; include/linux/netfilter/nf_conntrack_common.h, linux/rtnetlink.h). */
const names: ReadonlyMap<string, Readonly<Record<string, number>>> = new Map(
  Object.entries<Readonly<Record<string, number>>>({
    ct_state: { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
    ct_status: { expected: 1, 'seen-reply': 2, assured: 4, confirmed: 8, snat: 16, dnat: 32, dying: 512 },
    ct_dir: { original: 0, reply: 1 },
    fib_addrtype: {
      unspec: 0,
      unicast: 1,
      local: 2,
      broadcast: 3,
      anycast: 4,
      multicast: 5,
      blackhole: 6,
      unreachable: 7,
      prohibit: 8,
    },
    nf_proto: { ipv4: 2, ipv6: 10 },
    ether_type: { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, vlan: 0x8100, '8021q': 0x8100, '8021ad': 0x88a8 },
    pkt_type: { host: 0, unicast: 0, broadcast: 1, multicast: 2, other: 3, otherhost: 3 },
    tcp_flag: { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 },
  }),
);
