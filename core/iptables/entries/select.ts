/** Which rules of a long chain may concern a Service, from their bytes: printing all of them is what a reading would cost. */
import { addressNumber } from '../../net/address.ts';
import type { Family } from '../../net/family.ts';
import { entryLayouts, extensionHeader, type Entries } from './entries.ts';
import { invertedBits, jumpPosition } from './print-entry.ts';

export interface WantedRules {
  /** Addresses that a packet is sent to; those of another family are none of the table's. */
  readonly destinations: readonly string[];
  /** Positions of first rules of chains. */
  readonly chains: readonly number[];
  /** Found in comments. */
  readonly texts: readonly string[];
  /** Of rules for every destination, or for all but some; `all` for each such rule. */
  readonly destinationPorts: readonly number[] | 'all';
}

/** Bytes as a table holds them. */
export interface NeededBytes {
  /** A rule for every destination, or for all but some, has one of these; `all`: none is needed. */
  readonly destinationPorts: readonly Buffer[] | 'all';
  /** Each other rule has one of these. */
  readonly others: readonly Buffer[];
}

/** What the rules that `selectRules` finds have; others may have it too. */
export function neededBytes(family: Family, wanted: WantedRules): NeededBytes {
  const { destinationPorts: ports } = wanted;
  return {
    destinationPorts: ports === 'all' ? ports : ports.map((port) => Buffer.from(new Uint16Array([port]).buffer)),
    others: [
      ...wanted.destinations.flatMap((address) => addressBytes(address, entryLayouts[family].address)),
      ...wanted.chains.map((position) => Buffer.from(new Uint32Array([position]).buffer)),
      ...wanted.texts.map((text) => Buffer.from(text)),
    ],
  };
}

/**
 * Those of the rules that have any of these, in their order; some of them may have it in another place than a rule's line.
 * @param rules positions, one behind the other
 */
export function selectRules(entries: Entries, rules: readonly number[], wanted: WantedRules): number[] {
  const { address: size, interfaces, inverted, length } = entryLayouts[entries.family];
  const destinations = new Set(
    wanted.destinations.flatMap((address) => addressBytes(address, size)).map((bytes) => bytes.toString('latin1')),
  );
  const chains = new Set(wanted.chains);
  const ports = wanted.destinationPorts === 'all' ? undefined : new Set(wanted.destinationPorts);
  const named = rulesWithText(entries, rules, wanted.texts);
  const isForManyDestinations = (at: number): boolean =>
    (entries.byte(at + inverted) & invertedBits.destination) !== 0 ||
    entries.slice(at + 3 * size, interfaces - 3 * size).every((byte) => byte === 0);
  const hasPort = (at: number): boolean => {
    if (ports === undefined) return true;
    const target = entries.targetOf(at);
    for (let match = at + length; match < target; match += Math.max(entries.number16(match), extensionHeader)) {
      const where = portOffsets.get(entries.extensionName(match));
      if (where !== undefined && ports.has(entries.number16(match + extensionHeader + where))) return true;
    }
    return false;
  };
  return rules.filter(
    (at) =>
      named.has(at) ||
      destinations.has(entries.slice(at + size, size).toString('latin1')) ||
      chains.has(jumpPosition(entries, at) ?? -1) ||
      (ports?.size !== 0 && isForManyDestinations(at) && hasPort(at)),
  );
}

/** Where the first destination port stands in xt_tcp, xt_udp and xt_sctp_info. */
const portOffsets: ReadonlyMap<string, number> = new Map([
  ['tcp', 4],
  ['udp', 4],
  ['sctp', 0],
]);

/** The bytes of an address of this size. */
function addressBytes(text: string, size: 4 | 16): Buffer[] {
  const address = addressNumber(text);
  if (address?.bits !== size * 8) return [];
  return [Buffer.from(address.value.toString(16).padStart(size * 2, '0'), 'hex')];
}

function rulesWithText(entries: Entries, rules: readonly number[], texts: readonly string[]): ReadonlySet<number> {
  const [first, last] = [rules[0], rules.at(-1)];
  if (first === undefined || last === undefined) return new Set();
  const end = entries.next(last) ?? entries.end;
  const found = texts.flatMap((text) => entries.find(text, first, end)).sort((one, other) => one - other);
  const named = new Set<number>();
  let index = 0;
  for (const [position, at] of rules.entries()) {
    const next = rules[position + 1] ?? end;
    for (; (found[index] ?? Infinity) < next; index += 1) named.add(at);
  }
  return named;
}
