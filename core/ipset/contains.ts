/** Whether a packet is in an ipset, as netfilter's set match finds it. */
import ipaddr from 'ipaddr.js';
import type { IpSet, IpSetElement } from './set.ts';
import type { Protocol } from '../net/family.ts';
import { serviceProtocol } from '../net/ip-protocol.ts';
import { oncePer } from '../lib/once-per.ts';

/** What of a packet a set can hold. */
export interface IpSetPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  /** Absent where it is not known: a set that asks for it answers unknown. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** By which it came: '' for a packet of the node's own; absent where it is not known. */
  readonly inInterface?: string;
  /** By which it leaves: '' before that is decided; absent where it is not known. */
  readonly outInterface?: string;
}

/** Of `--match-set NAME dst,dst`: which side of the packet each part of an element is compared with. */
export type IpSetFlag = 'src' | 'dst';

export interface IpSetQuestion {
  /** The other sets, by name: what a list:set holds. */
  readonly sets?: ReadonlyMap<string, IpSet>;
  /** `--return-nomatch`: elements with nomatch match, and the others do not. */
  readonly returnNomatch?: boolean;
}

/**
 * Follows the kernel's search (ip_set_test in net/netfilter/ipset/ip_set_core.c, mtype_test_cidrs in
 * ip_set_hash_gen.h): of the networks that hold the packet, the most specific one decides, the first part of an
 * element before the second; an element with nomatch takes the packet out. A set of another family, or one with more
 * parts than flags, holds no packet.
 * @returns undefined where it depends on what is not known: a MAC address, a mark, an interface or a source port that is not known, a
 * set that is not there, or an element that is written as a name or a range
 */
export function ipSetContains(
  set: IpSet,
  flags: readonly IpSetFlag[],
  packet: IpSetPacket,
  question: IpSetQuestion = {},
): boolean | undefined {
  return set.type === 'list:set'
    ? listContains(set, flags, packet, question)
    : elementsContain(set, flags, packet, question.returnNomatch === true);
}

/** The first member that holds the packet decides. The kernel refuses a list within a list, so one in a dump is not followed. */
function listContains(
  list: IpSet,
  flags: readonly IpSetFlag[],
  packet: IpSetPacket,
  question: IpSetQuestion,
): boolean | undefined {
  let answer: boolean | undefined = false;
  for (const { parts } of list.elements) {
    const member = question.sets?.get(parts[0] ?? '');
    const contains =
      member === undefined || member.type === 'list:set'
        ? undefined
        : elementsContain(member, flags, packet, question.returnNomatch === true);
    if (contains === true) return true;
    if (contains === undefined) answer = undefined;
  }
  return answer;
}

function elementsContain(
  set: IpSet,
  flags: readonly IpSetFlag[],
  packet: IpSetPacket,
  returnNomatch: boolean,
): boolean | undefined {
  const index = indexOf(set);
  if (index === undefined) return undefined;
  if (flags.length < index.dimensions.length) return false;
  const source = readAddress(packet.source);
  const destination = readAddress(packet.destination);
  if (source === undefined || destination === undefined) return undefined;
  if (set.family !== undefined && set.family !== (source.bits === 32 ? 'IPv4' : 'IPv6')) return false;
  // ip_set_get_ip_port: SCTP has no port for a bitmap.
  if (index.dimensions.includes('bare port') && packet.protocol === 'SCTP') return false;
  const values = index.dimensions.map((dimension, position) =>
    valueOf(dimension, flags[position] === 'src', packet, source, destination, index.mask),
  );
  // hash_netiface4_kadt: a packet without an interface on that side is in no such set.
  if (index.dimensions.some((dimension, position) => dimension === 'interface' && values[position] === ''))
    return false;

  const found = values.includes(undefined) ? searchAll(index, values, packet.protocol) : search(index, values);
  // What an unreadable element holds is not known; among networks it may also be an exception.
  if (index.unreadable && (index.hasNetworks || found !== 'match')) return undefined;
  if (found === 'unknown') return undefined;
  return found === (returnNomatch ? 'nomatch' : 'match');
}

type Dimension = 'address' | 'port' | 'bare port' | 'interface' | 'other';

interface Address {
  readonly value: bigint;
  readonly bits: 32 | 128;
}

/** A packet's part, compared with an element's: an address, a port as readPort writes it, or the name of an interface; undefined where it is not known. */
type Value = Address | string | undefined;

interface Entry {
  /** Of each part: a network, or text to be equal. */
  readonly parts: readonly ({ readonly network: bigint; readonly length: number } | string)[];
  readonly isException: boolean;
  /** The name of the interface is a beginning. */
  readonly isWildcard: boolean;
}

/** The kernel's own index: elements by their masked parts, and the prefix lengths that occur. */
interface Index {
  readonly dimensions: readonly Dimension[];
  readonly entries: readonly Entry[];
  /** Several where they are for different interfaces: those are no part of the key (struct hash_netiface4_elem_hashed). */
  readonly byKey: ReadonlyMap<string, readonly Entry[]>;
  /** Combinations of prefix lengths, one length for each address part, the most specific first. */
  readonly lengths: readonly (readonly number[])[];
  /** Of the options netmask and bitmask: addresses are masked by it before they are looked up. */
  readonly mask: bigint | undefined;
  readonly hasNetworks: boolean;
  /** Some element could not be read. */
  readonly unreadable: boolean;
}

/** undefined for a type that is not known. A set is looked up once for each packet of a walk and is never changed. */
const indexOf = oncePer((set: IpSet): Index | undefined => {
  const dimensions = dimensionsOf(set.type);
  if (dimensions === undefined) return undefined;
  const mask = maskOf(set);
  if (mask === 'unreadable') return undefined;
  const entries: Entry[] = [];
  const byKey = new Map<string, Entry[]>();
  const lengths = new Map<string, readonly number[]>();
  let unreadable = false;
  for (const element of set.elements) {
    const entry = readElement(element, dimensions, mask);
    if (entry === 'unreadable') unreadable = true;
    else {
      entries.push(entry);
      const key = keyOf(entry.parts.map((part, position) => (dimensions[position] === 'interface' ? '' : part)));
      const same = byKey.get(key);
      if (same === undefined) byKey.set(key, [entry]);
      else same.push(entry);
      const combination = entry.parts.flatMap((part) => (typeof part === 'string' ? [] : [part.length]));
      lengths.set(combination.join(), combination);
    }
  }
  return {
    dimensions,
    entries,
    byKey,
    lengths: [...lengths.values()].sort(bySpecificity),
    mask,
    hasNetworks: /\bnet\b/.test(set.type),
    unreadable,
  };
});

/** What the elements of a set name. */
export interface IpSetContents {
  /** Addresses, whichever part of an element they are; both ends are included. */
  readonly ranges: readonly { readonly bits: 32 | 128; readonly from: bigint; readonly to: bigint }[];
  /** Addresses that an element names twice, and no other with them: `10.0.0.1,tcp:80,10.0.0.1`. */
  readonly loops: readonly Address[];
  readonly ports: readonly number[];
}

/** Undefined where the set cannot be read whole. */
export function ipSetContents(set: IpSet): IpSetContents | undefined {
  const index = indexOf(set);
  if (index === undefined || index.unreadable || index.mask !== undefined) return undefined;
  const bits = set.family === 'IPv6' ? 128 : 32;
  const ranges: { bits: 32 | 128; from: bigint; to: bigint }[] = [];
  const loops: Address[] = [];
  const ports = new Set<number>();
  for (const { parts } of index.entries) {
    const networks = parts.flatMap((part) => (typeof part === 'string' ? [] : [part]));
    const [first] = networks;
    if (
      first !== undefined &&
      networks.length > 1 &&
      networks.every(({ network, length }) => length === bits && network === first.network)
    )
      loops.push({ value: first.network, bits });
    else
      for (const { network, length } of networks)
        ranges.push({ bits, from: network, to: network | (prefixMask(bits, bits) ^ prefixMask(length, bits)) });
    for (const [position, part] of parts.entries())
      if (typeof part === 'string' && index.dimensions[position] !== 'interface' && /\d$/.test(part))
        ports.add(Number(part.slice(part.indexOf(':') + 1)));
  }
  return { ranges, loops, ports: [...ports] };
}

function bySpecificity(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((length, position) => length !== other[position]);
  return at < 0 ? 0 : (other[at] ?? 0) - (one[at] ?? 0);
}

/** bitmap:port has the number alone, and holds TCP and UDP ports only; the hash types have the protocol with it. */
function dimensionsOf(type: string): Dimension[] | undefined {
  const [method, parts] = type.split(':');
  if (parts === undefined || (method !== 'hash' && method !== 'bitmap')) return undefined;
  const dimensions = parts.split(',').map((part): Dimension | undefined => {
    if (part === 'ip' || part === 'net') return 'address';
    if (part === 'port') return method === 'bitmap' ? 'bare port' : 'port';
    if (part === 'iface') return 'interface';
    return part === 'mac' || part === 'mark' ? 'other' : undefined;
  });
  return dimensions.every((dimension) => dimension !== undefined) ? dimensions : undefined;
}

function maskOf({ options, family }: IpSet): bigint | undefined | 'unreadable' {
  const netmask = options.find((option) => option.startsWith('netmask '))?.slice('netmask '.length);
  const bitmask = options.find((option) => option.startsWith('bitmask '))?.slice('bitmask '.length);
  const bits = family === 'IPv6' ? 128 : 32;
  if (netmask !== undefined)
    return /^\d+$/.test(netmask) && Number(netmask) <= bits ? prefixMask(Number(netmask), bits) : 'unreadable';
  if (bitmask !== undefined) return readAddress(bitmask)?.value ?? 'unreadable';
  return undefined;
}

function readElement(
  { parts: texts, isException, others }: IpSetElement,
  dimensions: readonly Dimension[],
  mask: bigint | undefined,
): Entry | 'unreadable' {
  // bitmap:ip,mac may hold an address whose MAC is not yet known.
  if (texts.length > dimensions.length || (texts.length < dimensions.length && dimensions[texts.length] !== 'other'))
    return 'unreadable';
  const parts: Entry['parts'][number][] = [];
  for (const [position, dimension] of dimensions.entries()) {
    const part = readPart(texts[position] ?? '', dimension, mask);
    if (part === undefined) return 'unreadable';
    parts.push(part);
  }
  return { parts, isException, isWildcard: others.includes('wildcard') };
}

function readPart(text: string, dimension: Dimension, mask: bigint | undefined): Entry['parts'][number] | undefined {
  switch (dimension) {
    case 'address': {
      const [written = '', lengthText] = text.split('/');
      const address = readAddress(written);
      if (address === undefined) return undefined;
      const length = lengthText === undefined ? address.bits : Number(lengthText);
      if (!Number.isInteger(length) || length < 0 || length > address.bits) return undefined;
      return {
        network: address.value & prefixMask(length, address.bits) & (mask ?? prefixMask(address.bits, address.bits)),
        length,
      };
    }
    case 'port':
      return readPort(text);
    case 'bare port':
      return /^\d+$/.test(text) ? text : undefined;
    case 'interface':
      // Of a port of a bridge, which no packet here has.
      return text === '' || text.startsWith('physdev:') ? undefined : text;
    case 'other':
      return '';
  }
}

/** `tcp:80` as `TCP:80`; without a protocol it is TCP. What is of another protocol, such as icmp:echo-request, stays as it is. */
function readPort(text: string): string | undefined {
  const at = text.indexOf(':');
  const name = at < 0 ? 'tcp' : text.slice(0, at);
  const port = text.slice(at + 1);
  const protocol = serviceProtocol(name);
  if (protocol === undefined) return text;
  return /^\d+$/.test(port) ? `${protocol}:${port}` : undefined;
}

function valueOf(
  dimension: Dimension,
  isSource: boolean,
  packet: IpSetPacket,
  source: Address,
  destination: Address,
  mask: bigint | undefined,
): Value {
  const port = isSource ? packet.sourcePort : packet.destinationPort;
  switch (dimension) {
    case 'address': {
      const { value, bits } = isSource ? source : destination;
      return { value: mask === undefined ? value : value & mask, bits };
    }
    case 'port':
      return port === undefined ? undefined : `${packet.protocol}:${port}`;
    case 'bare port':
      return port === undefined ? undefined : String(port);
    case 'interface':
      return isSource ? packet.inInterface : packet.outInterface;
    case 'other':
      return undefined;
  }
}

function search(index: Index, values: readonly Value[]): 'match' | 'nomatch' | 'none' | 'unknown' {
  for (const lengths of index.lengths) {
    let address = 0;
    const found = index.byKey.get(
      keyOf(
        values.map((value, position) => {
          if (index.dimensions[position] === 'interface') return '';
          if (value === undefined || typeof value === 'string') return value ?? '';
          const length = lengths[address] ?? value.bits;
          address += 1;
          return { network: value.value & prefixMask(length, value.bits), length };
        }),
      ),
    );
    if (found === undefined) continue;
    // The most specific network decides, though it be for other interfaces alone: `multi` ends the kernel's search there.
    const fitting = found.filter((entry) => fitsInterface(index, entry, values));
    const [first] = fitting;
    if (first === undefined) return 'none';
    // Of a name and of its beginning, the one that the kernel meets first decides.
    if (fitting.some(({ isException }) => isException !== first.isException)) return 'unknown';
    return first.isException ? 'nomatch' : 'match';
  }
  return 'none';
}

/** hash_netiface4_data_equal; true for a set without interfaces. */
function fitsInterface({ dimensions }: Index, { parts, isWildcard }: Entry, values: readonly Value[]): boolean {
  const at = dimensions.indexOf('interface');
  const [name, actual] = [parts[at], values[at]];
  if (typeof name !== 'string' || typeof actual !== 'string') return true;
  return isWildcard ? actual.startsWith(name) : actual === name;
}

/** With a part that is not known: unknown where the others fit any element. */
function searchAll(index: Index, values: readonly Value[], protocol: Protocol): 'unknown' | 'none' {
  const fits = index.entries.some((entry) =>
    entry.parts.every((part, position) => {
      if (index.dimensions[position] === 'interface') return fitsInterface(index, entry, values);
      const value = values[position];
      if (value === undefined)
        return index.dimensions[position] !== 'port' || (typeof part === 'string' && part.startsWith(`${protocol}:`));
      if (typeof part === 'string' || typeof value === 'string') return part === value;
      return (value.value & prefixMask(part.length, value.bits)) === part.network;
    }),
  );
  return fits ? 'unknown' : 'none';
}

function keyOf(parts: Entry['parts']): string {
  return parts.map((part) => (typeof part === 'string' ? part : `${part.network.toString(36)}/${part.length}`)).join();
}

function readAddress(text: string): Address | undefined {
  if (!(ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text))) return undefined;
  const bytes = ipaddr.parse(text).toByteArray();
  return {
    value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n),
    bits: bytes.length === 4 ? 32 : 128,
  };
}

const masks = new Map<number, bigint>();

function prefixMask(length: number, bits: number): bigint {
  const key = bits * 1000 + length;
  let mask = masks.get(key);
  if (mask === undefined) {
    mask = ((1n << BigInt(length)) - 1n) << BigInt(bits - length);
    masks.set(key, mask);
  }
  return mask;
}
