/**
 * Entries of a legacy table as getsockopt(IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES) gives them: struct ipt_getinfo, and struct
 * ipt_entry or ip6t_entry of all rules, one behind the other, in the byte order of the machine
 * (include/uapi/linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h). Chains are stretches of it: those of hooks begin
 * and end where the info says, others begin behind an entry whose target ERROR has their name, and end before the next one.
 */
import type { Family } from '../../net/family.ts';

/** The bytes are no table, or hold what is not known here: then the tool's own text has to be read. */
export class LegacyTableError extends Error {
  override readonly name = 'LegacyTableError';
}

/** sizeof(struct ipt_getinfo), the same for IPv6. */
export const infoLength = 84;

const hooks = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;

/** Where the fields of an entry stand. */
export const entryLayouts = {
  IPv4: { address: 4, interfaces: 16, protocol: 80, flags: 82, inverted: 83, offsets: 88, counters: 96, length: 112 },
  IPv6: {
    address: 16,
    interfaces: 64,
    protocol: 128,
    flags: 131,
    inverted: 132,
    offsets: 140,
    counters: 152,
    length: 168,
  },
} as const;

/** Length, name and revision of an extension, before its data: struct xt_entry_match, struct xt_entry_target. */
export const extensionHeader = 32;
const nameLength = 29;
/** sizeof(struct xt_error_target): the name of a chain has 30 bytes. */
const errorTargetLength = 64;

/** Bytes from the begin of the entry that names a chain to its first rule. */
export function headLength(family: Family): number {
  return entryLayouts[family].length + errorTargetLength;
}

export interface HookedChain {
  readonly name: string;
  /** Position of the first rule. */
  readonly start: number;
  /** Position of the entry behind the last rule: the chain's policy. */
  readonly end: number;
}

export interface TableInfo {
  /** Bytes of all entries. */
  readonly size: number;
  readonly chains: readonly HookedChain[];
}

/** @throws LegacyTableError */
export function readInfo(info: Buffer): TableInfo {
  if (info.length !== infoLength) throw new LegacyTableError('the info of the table is cut off');
  const [valid, size] = [read32(info, 32), read32(info, 80)];
  const chains = hooks.flatMap((name, hook): HookedChain[] => {
    if ((valid & (1 << hook)) === 0) return [];
    const [start, end] = [read32(info, 36 + 4 * hook), read32(info, 56 + 4 * hook)];
    if (start > end || end >= size) throw new LegacyTableError(`chain ${name} does not stand in the table`);
    return [{ name, start, end }];
  });
  return { size, chains };
}

/** A stretch of a table; positions are those of the table. */
export class Entries {
  readonly family: Family;
  readonly #bytes: Buffer;
  readonly #base: number;

  /** @param base position of the first of the bytes */
  constructor(family: Family, base: number, bytes: Buffer) {
    this.family = family;
    this.#base = base;
    this.#bytes = bytes;
  }

  /** Position behind the last byte. */
  get end(): number {
    return this.#base + this.#bytes.length;
  }

  /** @throws LegacyTableError where these bytes are not in the stretch */
  slice(at: number, length: number): Buffer {
    if (at < this.#base || at + length > this.end) throw new LegacyTableError(`nothing was read at byte ${String(at)}`);
    return this.#bytes.subarray(at - this.#base, at - this.#base + length);
  }

  byte(at: number): number {
    return this.#bytes.readUInt8(at - this.#base);
  }

  number16(at: number): number {
    return read16(this.#bytes, at - this.#base);
  }

  number32(at: number): number {
    return read32(this.#bytes, at - this.#base);
  }

  number64(at: number): bigint {
    return read64(this.#bytes, at - this.#base);
  }

  /** Positions at which the text stands, between two others. */
  find(text: string, from: number, to: number): number[] {
    const found: number[] = [];
    const stretch = this.slice(from, to - from);
    for (let at = stretch.indexOf(text); at >= 0; at = stretch.indexOf(text, at + 1)) found.push(from + at);
    return found;
  }

  /** Position of the next entry; undefined where this one is not wholly in the stretch. @throws LegacyTableError for what is not an entry */
  next(at: number): number | undefined {
    const { offsets, length } = entryLayouts[this.family];
    if (at < this.#base || at + length > this.end) return undefined;
    const [target, next] = [this.number16(at + offsets), this.number16(at + offsets + 2)];
    if (target < length || next < target + extensionHeader)
      throw new LegacyTableError(`what stands at byte ${String(at)} is not an entry`);
    return at + next > this.end ? undefined : at + next;
  }

  /** Position of the entry's target. */
  targetOf(at: number): number {
    return at + this.number16(at + entryLayouts[this.family].offsets);
  }

  /** The name of a match or target. */
  extensionName(at: number): string {
    const field = this.slice(at + 2, nameLength);
    const end = field.indexOf(0);
    if (end < 0) throw new LegacyTableError('the name of an extension has no end');
    return field.toString('latin1', 0, end);
  }

  /** The chain that the entry names; undefined for a rule. */
  chainNamedBy(at: number): string | undefined {
    const target = this.targetOf(at);
    // Its first letter, so that a chain of many rules is walked fast.
    if (this.byte(target + 2) !== 0x45 || this.extensionName(target) !== 'ERROR') return undefined;
    const name = this.slice(target + extensionHeader, errorTargetLength - extensionHeader);
    const end = name.indexOf(0);
    if (end < 0) throw new LegacyTableError('the name of a chain has no end');
    return name.toString('utf8', 0, end);
  }
}

/** Positions of the rules from one on to another position, which is the end of a rule. @throws LegacyTableError */
export function rulesBetween(entries: Entries, from: number, to: number): number[] {
  const rules: number[] = [];
  for (let at = from; at !== to;) {
    rules.push(at);
    const next = entries.next(at);
    if (next === undefined || next > to)
      throw new LegacyTableError(`the rules from byte ${String(from)} on are cut off`);
    at = next;
  }
  return rules;
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Numbers are in the byte order of the machine, but for ports and addresses. */
export function read16(bytes: Buffer, at: number): number {
  return isLittleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at);
}

export function read32(bytes: Buffer, at: number): number {
  return isLittleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
}

function read64(bytes: Buffer, at: number): bigint {
  return isLittleEndian ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
}
