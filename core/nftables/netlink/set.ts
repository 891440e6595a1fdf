/** Sets and maps of nf_tables and their elements, from the kernel's attributes to JSON of libnftables-json(5). */
import { bigEndian, NetlinkAttributes, NetlinkError, zeroTerminated } from './message.ts';
import {
  intervalJson,
  lengthOf,
  lengthOfTypes,
  valueJson,
  valueTypesOf,
  verdictJson,
  type NftValueType,
} from './value.ts';

export interface NetlinkSet {
  readonly name: string;
  /** Of a rule, without a name of its own: `__map7`. */
  readonly isAnonymous: boolean;
  readonly hasIntervals: boolean;
  readonly key: readonly NftValueType[];
  /** Absent for a set. */
  readonly data?: readonly NftValueType[];
  /** Seconds after which an element goes, where the set says so for all of them. */
  readonly timeout?: number;
}

/** enum nft_set_flags */
const flag = { anonymous: 0x1, interval: 0x4, map: 0x8, objects: 0x40 } as const;

/** Of NFT_MSG_NEWSET. Throws NetlinkError for a type that is not known. */
export function parseNetlinkSet(attributes: NetlinkAttributes): NetlinkSet {
  const [name, keyType, keyLength, dataType] = [
    attributes.string(2),
    attributes.number(4),
    attributes.number(5),
    attributes.number(6),
  ];
  const flags = attributes.number(3) ?? 0;
  if (name === undefined || keyType === undefined) throw new NetlinkError('a set has no name or no type');
  if ((flags & flag.objects) !== 0) throw new NetlinkError(`the map ${name} holds objects, which are not read`);
  const key = valueTypesOf(keyType);
  if (keyLength !== (lengthOfTypes(key) ?? keyLength))
    throw new NetlinkError(`the keys of ${name} have ${String(keyLength)} bytes, which ${key.join(' . ')} has not`);
  const isMap = (flags & flag.map) !== 0;
  if (isMap !== (dataType !== undefined)) throw new NetlinkError(`of ${name} it is not known whether it is a map`);
  const timeout = attributes.number(11);
  return {
    name,
    isAnonymous: (flags & flag.anonymous) !== 0,
    hasIntervals: (flags & flag.interval) !== 0,
    key,
    ...(dataType === undefined ? {} : { data: valueTypesOf(dataType) }),
    ...(timeout === undefined ? {} : { timeout: seconds(timeout) }),
  };
}

/** NFTA_SET_ELEM_ */
const attribute = { key: 1, data: 2, flags: 3, timeout: 4, expiration: 5, userData: 6, padding: 8 } as const;
const intervalEnd = 0x1;

/** Elements of NFT_MSG_NEWSETELEM messages: a key for a set, [key, value] for a map. Throws NetlinkError for what is not known. */
export function netlinkElementsJson(set: NetlinkSet, messages: readonly NetlinkAttributes[]): unknown[] {
  const elements = messages
    .flatMap((message) => message.nested(3)?.all(1) ?? [])
    .map((bytes) => new NetlinkAttributes(bytes));
  // Counters, or the other end of an interval, are not read.
  for (const element of elements) element.requireOnly(Object.values(attribute));
  // The kernel gives them in the order of its hash table, which differs from node to node; nft sorts them too.
  return set.hasIntervals
    ? intervalsJson(set, elements)
    : elements.map((element) => elementJson(set, element)).sort(byKey);
}

function byKey(one: unknown, other: unknown): number {
  const [first, second] = [keyOfJson(one), keyOfJson(other)];
  if (typeof first === 'number' && typeof second === 'number') return first - second;
  const [text, otherText] = [JSON.stringify(first), JSON.stringify(second)];
  return text === otherText ? 0 : text < otherText ? -1 : 1;
}

/** Of an element of a set, or of [key, value] of a map. */
function keyOfJson(element: unknown): unknown {
  return Array.isArray(element) ? (element as readonly unknown[])[0] : element;
}

function elementJson(set: NetlinkSet, element: NetlinkAttributes): unknown {
  if ((element.number(attribute.flags) ?? 0) !== 0)
    throw new NetlinkError(`an element of ${set.name} has flags that are not known`);
  const key = valueJson(set.key, keyOf(element));
  const [timeout, expires, comment] = [
    element.number(attribute.timeout),
    element.number(attribute.expiration),
    commentOf(element.bytes(attribute.userData)),
  ];
  const fields = {
    ...(timeout === undefined ? {} : { timeout: seconds(timeout) }),
    ...(expires === undefined ? {} : { expires: seconds(expires) }),
    ...(comment === undefined ? {} : { comment }),
  };
  const left = Object.keys(fields).length === 0 ? key : { elem: { val: key, ...fields } };
  const data = element.nested(attribute.data);
  if ((data === undefined) !== (set.data === undefined))
    throw new NetlinkError(`an element of ${set.name} has ${data === undefined ? 'no' : 'a'} value`);
  return data === undefined || set.data === undefined ? left : [left, dataJson(set.data, data)];
}

function dataJson(types: readonly NftValueType[], data: NetlinkAttributes): unknown {
  data.requireOnly([1, 2]);
  const [value, verdict] = [data.bytes(1), data.nested(2)];
  if (types[0] === 'verdict' && verdict !== undefined) return verdictJson(verdict);
  if (value === undefined) throw new NetlinkError('an element of a map has no value of its type');
  return valueJson(types, value);
}

function keyOf(element: NetlinkAttributes): Uint8Array {
  const key = element.nested(attribute.key)?.bytes(1);
  if (key === undefined) throw new NetlinkError('an element has no key');
  return key;
}

/** The kernel has where each interval begins, and the first value after it. */
function intervalsJson({ name, key: types, data }: NetlinkSet, elements: readonly NetlinkAttributes[]): unknown[] {
  const [type] = types;
  const isRead =
    types.length === 1 &&
    data === undefined &&
    (type === 'ipv4_addr' || type === 'ipv6_addr' || type === 'inet_service');
  if (!isRead) throw new NetlinkError(`the intervals of ${name} are not read`);
  const length = lengthOf(type) ?? 0;
  const ends = elements.map((element) => {
    element.requireOnly([attribute.key, attribute.flags, attribute.userData, attribute.padding]);
    const flags = element.number(attribute.flags) ?? 0;
    const key = keyOf(element);
    if (
      (flags & ~intervalEnd) !== 0 ||
      key.length !== length ||
      commentOf(element.bytes(attribute.userData)) !== undefined
    )
      throw new NetlinkError(`an interval of ${name} is not read`);
    return { at: bigEndian(key), isEnd: flags === intervalEnd };
  });
  ends.sort((one, other) =>
    one.at === other.at ? Number(other.isEnd) - Number(one.isEnd) : one.at < other.at ? -1 : 1,
  );
  const found: unknown[] = [];
  let from: bigint | undefined;
  for (const { at, isEnd } of ends) {
    // Where one interval begins right behind another, its beginning may stand for the other's end.
    if (from !== undefined) found.push(intervalJson(type, from, at - 1n));
    from = isEnd ? undefined : at;
  }
  if (from !== undefined) found.push(intervalJson(type, from, (1n << BigInt(length * 8)) - 1n));
  return found;
}

/** What nft itself keeps with a rule or an element: entries of type, length and value; type 0 is the comment. Throws NetlinkError where one is cut off. */
export function commentOf(userData: Uint8Array | undefined): string | undefined {
  let comment: string | undefined;
  for (let at = 0; userData !== undefined && at < userData.length;) {
    const end = at + 2 + (userData[at + 1] ?? NaN);
    if (!(end <= userData.length)) throw new NetlinkError('what nft keeps with a rule or an element is cut off');
    if (userData[at] === 0) comment ??= zeroTerminated(userData.subarray(at + 2, end));
    at = end;
  }
  return comment;
}

/** The kernel counts milliseconds; nft prints whole seconds. */
function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
