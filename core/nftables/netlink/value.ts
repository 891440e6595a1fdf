/** Values of nf_tables' registers and elements, by their type: from the kernel's bytes to JSON of libnftables-json(5), and keys back. */
import { addressNumber, addressText } from '../../net/address.ts';
import {
  bigEndian,
  bigEndianBytes,
  isLittleEndian,
  NetlinkError,
  padded,
  zeroTerminated,
  type NetlinkAttributes,
} from './message.ts';
import { concatenatedKey } from './question.ts';
import { ipProtocolName, ipProtocolNumber } from '../../net/ip-protocol.ts';

/** Types of nft, by the numbers that it stores with a set (include/datatype.h of nftables, enum datatypes). */
const typesByNumber = new Map<number, NftValueType>([
  [4, 'integer'],
  [5, 'string'],
  [7, 'ipv4_addr'],
  [8, 'ipv6_addr'],
  [12, 'inet_proto'],
  [13, 'inet_service'],
  [19, 'mark'],
  [26, 'ct_state'],
  [28, 'ct_status'],
]);

export type NftValueType =
  | 'integer'
  | 'string'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ct_state'
  | 'ct_status'
  | 'fib_addrtype'
  | 'verdict';

/** NFT_DATA_VERDICT */
const verdictType = 0xffffff00;

/** Lengths in bytes; texts are as long as where they come from. */
const lengths = new Map<NftValueType, number>([
  ['integer', 4],
  ['ipv4_addr', 4],
  ['ipv6_addr', 16],
  ['inet_proto', 1],
  ['inet_service', 2],
  ['mark', 4],
  ['ct_state', 4],
  ['ct_status', 4],
  ['fib_addrtype', 4],
]);

/** The types of a set's key or data: six bits for each part of a concatenation. Throws NetlinkError for one that is not known here. */
export function valueTypesOf(number: number): readonly NftValueType[] {
  if (number === verdictType) return ['verdict'];
  const types: NftValueType[] = [];
  for (let rest = number; rest > 0; rest = Math.floor(rest / 64)) {
    const type = typesByNumber.get(rest % 64);
    if (type === undefined)
      throw new NetlinkError(`the type ${String(rest % 64)} of a set's key or value is not known`);
    types.unshift(type);
  }
  if (types.length === 0) throw new NetlinkError("a set's key or value has no type");
  return types;
}

/** In bytes; undefined for a text, or a verdict. */
export function lengthOf(type: NftValueType): number | undefined {
  return lengths.get(type);
}

/** Of one value, or of a concatenation, whose parts are padded; undefined where a part has no length of its own. */
export function lengthOfTypes(types: readonly NftValueType[]): number | undefined {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return lengthOf(only);
  let sum = 0;
  for (const type of types) {
    const length = lengthOf(type);
    if (length === undefined) return undefined;
    sum += padded(length);
  }
  return sum;
}

/** A value, or a concatenation of values. Throws NetlinkError where the length is another than the types'. */
export function valueJson(types: readonly NftValueType[], bytes: Uint8Array): unknown {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return singleValueJson(only, bytes);
  if (bytes.length !== lengthOfTypes(types))
    throw new NetlinkError(`a value of ${String(bytes.length)} bytes is not one of ${types.join(' . ')}`);
  let at = 0;
  const parts = types.map((type) => {
    const length = lengthOf(type) ?? 0;
    const part = singleValueJson(type, bytes.subarray(at, at + length));
    at += padded(length);
    return part;
  });
  return { concat: parts };
}

function singleValueJson(type: NftValueType, bytes: Uint8Array): unknown {
  const length = lengthOf(type);
  if (length !== undefined && bytes.length !== length)
    throw new NetlinkError(`a value of ${String(bytes.length)} bytes is no ${type}`);
  switch (type) {
    case 'ipv4_addr':
      return addressText(bigEndian(bytes), 32);
    case 'ipv6_addr':
      return addressText(bigEndian(bytes), 128);
    case 'inet_proto': {
      const number = bytes[0] ?? 0;
      return ipProtocolName(number) ?? number;
    }
    case 'inet_service':
      return Number(bigEndian(bytes));
    case 'integer':
    case 'mark':
      return Number(hostNumber(bytes));
    case 'ct_state':
    case 'ct_status':
      return flagsJson(type, Number(hostNumber(bytes)));
    case 'fib_addrtype':
      return addressTypes[Number(hostNumber(bytes))] ?? Number(hostNumber(bytes));
    case 'string':
      return zeroTerminated(bytes);
    case 'verdict':
      throw new NetlinkError('a verdict stands where a value was expected');
  }
}

/** A key of these types from its words, `['10.96.0.7', 'tcp', '80']`; undefined where no value of the types is meant by them. */
export function keyBytes(types: readonly NftValueType[], words: readonly string[]): Uint8Array | undefined {
  if (types.length !== words.length) return undefined;
  const fields: Uint8Array[] = [];
  for (const [index, type] of types.entries()) {
    const field = fieldBytes(type, words[index] ?? '');
    if (field === undefined) return undefined;
    fields.push(field);
  }
  return concatenatedKey(fields);
}

function fieldBytes(type: NftValueType, word: string): Uint8Array | undefined {
  switch (type) {
    case 'ipv4_addr':
    case 'ipv6_addr': {
      const address = addressNumber(word);
      return address?.bits === (type === 'ipv4_addr' ? 32 : 128)
        ? bigEndianBytes(address.value, address.bits / 8)
        : undefined;
    }
    case 'inet_proto': {
      const number = ipProtocolNumber(word);
      return number === undefined ? undefined : new Uint8Array([number]);
    }
    case 'inet_service':
      return /^\d{1,5}$/.test(word) && Number(word) <= 65535 ? bigEndianBytes(BigInt(word), 2) : undefined;
    default:
      return undefined;
  }
}

/** A number in the byte order of the host. */
export function hostNumber(bytes: Uint8Array): bigint {
  return bigEndian(isLittleEndian ? bytes.toReversed() : bytes);
}

/** linux/rtnetlink.h, RTN_ */
const addressTypes = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
];

/** Names by bit; NF_CT_STATE_BIT and enum ip_conntrack_status. */
const flagNames: Readonly<Record<'ct_state' | 'ct_status', readonly (readonly [number, string])[]>> = {
  ct_state: [
    [1, 'invalid'],
    [2, 'established'],
    [4, 'related'],
    [8, 'new'],
    [64, 'untracked'],
  ],
  ct_status: [
    [1, 'expected'],
    [2, 'seen-reply'],
    [4, 'assured'],
    [8, 'confirmed'],
    [16, 'snat'],
    [32, 'dnat'],
    [512, 'dying'],
  ],
};

/** One name or a list of names; the number where a bit has none. */
export function flagsJson(type: 'ct_state' | 'ct_status', value: number): unknown {
  const set = flagNames[type].filter(([bit]) => (value & bit) !== 0);
  if (set.length === 0 || set.reduce((sum, [bit]) => sum + bit, 0) !== value) return value;
  const names = set.map(([, name]) => name);
  return names.length === 1 ? names[0] : names;
}

/** enum nft_verdicts; negative numbers as they stand in 32 bits. */
const verdicts = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [0xffffffff, 'continue'],
  [0xfffffffd, 'jump'],
  [0xfffffffc, 'goto'],
  [0xfffffffb, 'return'],
]);

/** `{"goto": {"target": "services"}}` of NFTA_DATA_VERDICT. */
export function verdictJson(verdict: NetlinkAttributes): object {
  verdict.requireOnly([1, 2]);
  const code = verdict.number(1);
  const chain = verdict.string(2);
  const name = code === undefined ? undefined : verdicts.get(code);
  if (name === undefined) throw new NetlinkError(`the verdict ${String(code)} is not known`);
  const isJump = name === 'jump' || name === 'goto';
  if (isJump !== (chain !== undefined))
    throw new NetlinkError(`the verdict ${name} names ${chain === undefined ? 'no' : 'a'} chain`);
  return { [name]: isJump ? { target: chain } : null };
}

/** `10.0.0.0/8` from its first and last address, an address alone, or a range. */
export function intervalJson(type: 'ipv4_addr' | 'ipv6_addr' | 'inet_service', from: bigint, to: bigint): unknown {
  const bits = (lengthOf(type) ?? 0) * 8;
  const one = (value: bigint): unknown => singleValueJson(type, bigEndianBytes(value, bits / 8));
  if (from === to) return one(from);
  const size = to - from + 1n;
  const isPrefix = (size & (size - 1n)) === 0n && (from & (size - 1n)) === 0n;
  if (isPrefix && type !== 'inet_service')
    return { prefix: { addr: one(from), len: bits - (size.toString(2).length - 1) } };
  return { range: [one(from), one(to)] };
}
