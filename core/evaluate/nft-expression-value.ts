/** Expressions of nftables for one packet: their values with the share of each, and whether a match holds. */
import type { NftElement, NftExpression, NftStatement } from '../nftables/rule.ts';
import type { NftSet } from '../nftables/table.ts';
import { nftTypesOf } from '../nftables/types.ts';
import { absent, readPacket, unknownReading, type Place, type Reading, atomReading } from './nft-reading.ts';
import type { NftSetIndex } from './nft-set-index.ts';
import { holds, nftSetIndex } from './nft-set-index.ts';
import { rangesOf, type Atom, type AtomRange } from './nft-value.ts';
import type { Branch, Machine, Packet, RememberedElements } from './walk.ts';
import { oncePer } from '../lib/once-per.ts';

/** A value that an expression has in this share of all cases; a reading for each part of a concatenation. */
export interface Weighted {
  readonly share: number;
  readonly parts: readonly Reading[];
}

/** How a match falls out: the shares of yes, no and unknown sum to 1. */
export interface Answer {
  readonly yes: number;
  readonly no: number;
  readonly unknown: number;
}

/** A set or map of whose elements not all are known. */
export interface UnreadSet {
  readonly name: string;
  readonly problem: 'notRead' | 'notUnderstood';
}

/** What a lookup in a set or map gives. */
export type Found =
  | { readonly kind: 'element'; readonly element: NftElement }
  /** No element holds, or the packet has no such key. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'unknown';
      /** In words, where nothing at all is known of what is asked. */
      readonly why?: UnreadSet;
      /** Those that may hold, each for a key of its own, where they are all that may. */
      readonly possible?: readonly NftElement[];
      /** Whether none may hold as well. */
      readonly mayBeNone: boolean;
    };

export interface WeightedFound {
  readonly share: number;
  readonly found: Found;
}

/** What an evaluation may ask for. */
export interface PacketContext {
  readonly packet: Packet;
  readonly branch: Branch;
  readonly at: Place;
  readonly machine: Machine;
  /** A set or map of the table; undefined where it was not read. */
  set(name: string): NftSet | undefined;
}

const certainly = (parts: readonly Reading[]): readonly Weighted[] => [{ share: 1, parts }];
const yes: Answer = { yes: 1, no: 0, unknown: 0 };
const no: Answer = { yes: 0, no: 1, unknown: 0 };
const unknown: Answer = { yes: 0, no: 0, unknown: 1 };

/** @param types of the value that is wanted, where the expression is a constant */
export function valuesOf(
  expression: NftExpression,
  types: readonly string[],
  context: PacketContext,
): readonly Weighted[] {
  switch (expression.kind) {
    case 'concatenation': {
      let values: readonly Weighted[] = certainly([]);
      expression.parts.forEach((part, index) => {
        const next = valuesOf(part, [types[index] ?? ''], context);
        values = values.flatMap(({ share, parts }) =>
          next.map((each) => ({ share: share * each.share, parts: [...parts, ...each.parts] })),
        );
      });
      return values;
    }
    case 'map':
      return lookUp(expression.key, expression.data, context).flatMap(({ share, found }): readonly Weighted[] => {
        if (found.kind !== 'element' || found.element.value === undefined)
          return [{ share, parts: [found.kind === 'none' ? absent : unknownReading] }];
        return valuesOf(found.element.value, types, context).map((value) => ({
          share: share * value.share,
          parts: value.parts,
        }));
      });
    case 'binary':
      return binaryValues(expression.operator, expression.operands, types, context);
    default: {
      const reading = readPacket(expression, context.packet, context.branch, context.at, context.machine);
      if (reading !== undefined) return certainly([reading]);
      const ranges = rangesOf(expression, types);
      return certainly(
        ranges === undefined
          ? [unknownReading]
          : ranges.map(({ from, to }): Reading => (from === to ? { kind: 'atom', atom: from } : unknownReading)),
      );
    }
  }
}

function binaryValues(
  operator: string,
  operands: readonly NftExpression[],
  types: readonly string[],
  context: PacketContext,
): readonly Weighted[] {
  const own = operands.map(nftTypesOf).find(([type]) => type !== '' && type !== undefined) ?? types;
  let values: readonly Weighted[] | undefined;
  for (const operand of operands) {
    const next = valuesOf(operand, own, context);
    values =
      values?.flatMap((left) =>
        next.map((right) => ({
          share: left.share * right.share,
          parts: [combine(operator, left.parts[0] ?? unknownReading, right.parts[0] ?? unknownReading)],
        })),
      ) ?? next;
  }
  return values ?? certainly([unknownReading]);
}

function combine(operator: string, left: Reading, right: Reading): Reading {
  if (left.kind === 'absent' || right.kind === 'absent') return absent;
  const [one, other] = [bitsOf(left), bitsOf(right)];
  if (one === undefined || other === undefined) return combineWide(operator, left, right);
  switch (operator) {
    case '&':
      // A bit that is surely 0 on one side is 0, whatever the other is.
      return bitsReading(
        one.bits & other.bits,
        (one.unknown | other.unknown) & (one.bits | one.unknown) & (other.bits | other.unknown),
      );
    case '|': {
      const set = one.bits | other.bits;
      return bitsReading(set, (one.unknown | other.unknown) & ~set);
    }
    case '^':
      return bitsReading((one.bits ^ other.bits) & ~(one.unknown | other.unknown), one.unknown | other.unknown);
    default: {
      if (other.unknown !== 0 || other.bits > 31) return unknownReading;
      return operator === '<<'
        ? bitsReading(one.bits << other.bits, one.unknown << other.bits)
        : bitsReading(one.bits >>> other.bits, one.unknown >>> other.bits);
    }
  }
}

/** Of IPv6 addresses: they are wider than a number's bits. */
function combineWide(operator: string, left: Reading, right: Reading): Reading {
  if (left.kind !== 'atom' || right.kind !== 'atom' || typeof left.atom !== 'bigint' || typeof right.atom !== 'bigint')
    return unknownReading;
  if (operator === '&') return { kind: 'atom', atom: left.atom & right.atom };
  if (operator === '|') return { kind: 'atom', atom: left.atom | right.atom };
  return operator === '^' ? { kind: 'atom', atom: left.atom ^ right.atom } : unknownReading;
}

/** A value of 32 bits or less, with the bits that are not known; undefined for one of another kind. */
function bitsOf(reading: Reading): { readonly bits: number; readonly unknown: number } | undefined {
  switch (reading.kind) {
    case 'atom':
      return typeof reading.atom === 'number' ? { bits: reading.atom >>> 0, unknown: 0 } : undefined;
    case 'bits':
      return reading;
    case 'unknown':
    case 'uniform':
    case 'between':
      return { bits: 0, unknown: 0xffffffff };
    default:
      return undefined;
  }
}

function bitsReading(bits: number, unknownBits: number): Reading {
  return unknownBits === 0
    ? { kind: 'atom', atom: bits >>> 0 }
    : { kind: 'bits', bits: bits >>> 0, unknown: unknownBits >>> 0 };
}

/** What a set or map holds for the key. */
export function lookUp(key: NftExpression, data: NftExpression, context: PacketContext): readonly WeightedFound[] {
  const types = nftTypesOf(key);
  let elements: readonly NftElement[];
  let changed: RememberedElements | undefined;
  if (data.kind === 'set') {
    elements = data.elements;
  } else if (data.kind === 'setReference') {
    const set = context.set(data.name);
    if (set === undefined)
      return [{ share: 1, found: { kind: 'unknown', why: { name: data.name, problem: 'notRead' }, mayBeNone: true } }];
    if (set.unrecognized !== undefined)
      return [
        {
          share: 1,
          found: {
            kind: 'unknown',
            why: { name: data.name, problem: 'notUnderstood' },
            mayBeNone: true,
          },
        },
      ];
    elements = set.elements;
    changed = context.branch.remembered?.get(data.name);
  } else {
    return [{ share: 1, found: notKnown }];
  }
  const index = nftSetIndex(elements, types);
  const late = changed === undefined ? undefined : nftSetIndex(elementsOf(changed), types);
  return valuesOf(key, types, context).flatMap(({ share, parts }) => {
    const found = late === undefined ? [] : findIn(late, parts);
    const isFound = found.some((each) => each.found.kind !== 'none');
    if (!isFound && changed?.isUnknown === true) return [{ share, found: notKnown }];
    return (isFound ? found : findIn(index, parts)).map((each) => ({
      share: share * each.share,
      found: isGone(each.found, changed) ? { kind: 'none' } : each.found,
    }));
  });
}

/** The same list each time, so that it has one index. */
const elementsOf = oncePer(({ elements }: RememberedElements): readonly NftElement[] =>
  elements.map(({ element }) => element),
);

function isGone(found: Found, changed: RememberedElements | undefined): boolean {
  return (
    found.kind === 'element' &&
    changed?.elements.some((each) => each.element === found.element && each.isGone === true) === true
  );
}

function findIn(index: NftSetIndex, parts: readonly Reading[]): readonly WeightedFound[] {
  if (parts.some(({ kind }) => kind === 'absent')) return [{ share: 1, found: { kind: 'none' } }];
  const [first] = parts;
  if (first?.kind === 'uniform' && parts.length === 1 && !index.hasUnknown) {
    return index.shares(first.from, first.count).map(({ element, share }) => ({ share, found: foundOf(element) }));
  }
  const atoms: Atom[] = [];
  for (const part of parts) if (part.kind === 'atom') atoms.push(part.atom);
  if (atoms.length === parts.length) {
    const element = index.find(atoms);
    if (element === undefined && index.hasUnknown) return [{ share: 1, found: notKnown }];
    return [{ share: 1, found: foundOf(element ?? index.catchAll) }];
  }
  if (index.hasUnknown) return [{ share: 1, found: notKnown }];
  const possible = index.possible((part, range) => isPossible(parts[part] ?? unknownReading, range));
  if (possible.length === 0) return [{ share: 1, found: foundOf(index.catchAll) }];
  const all = index.catchAll === undefined ? possible : [...possible, index.catchAll];
  const isFollowed = all.length <= mostPossible && !all.some(({ statements }) => statements?.some(isStateful) === true);
  return [
    {
      share: 1,
      found: { kind: 'unknown', mayBeNone: index.catchAll === undefined, ...(isFollowed ? { possible: all } : {}) },
    },
  ];
}

const notKnown: Found = { kind: 'unknown', mayBeNone: true };

/** More elements than a firewall names interfaces or ports in one map are not followed one by one. */
const mostPossible = 64;

/** A set's element may have statements of its own, and they may break the rule (nft_set_elem_expr). */
function foundOf(element: NftElement | undefined): Found {
  if (element === undefined) return { kind: 'none' };
  return element.statements?.some(isStateful) === true ? notKnown : { kind: 'element', element };
}

/** Statements that end a rule or not for what came before this packet. */
export function isStateful(statement: NftStatement): boolean {
  return statement.kind !== 'counter' && statement.kind !== 'last';
}

function isPossible(reading: Reading, range: AtomRange): boolean {
  switch (reading.kind) {
    case 'atom':
      return holds(range, reading.atom);
    case 'absent':
      return false;
    case 'unknown':
      return range.from !== range.to || !reading.not.includes(range.from);
    case 'uniform':
      return (
        typeof range.from === 'number' &&
        typeof range.to === 'number' &&
        range.to >= reading.from &&
        range.from < reading.from + reading.count
      );
    case 'between':
      return typeof range.from === 'number' && typeof range.to === 'number'
        ? range.to >= reading.from && range.from <= reading.to
        : true;
    case 'bits':
      return (
        range.from !== range.to ||
        typeof range.from !== 'number' ||
        (range.from & ~reading.unknown) >>> 0 === reading.bits
      );
  }
}

/** Whether the match holds: three answers, with their shares where it asks a random number. */
export function answerOf(
  { operator, left, right }: Extract<NftStatement, { kind: 'match' }>,
  context: PacketContext,
): Answer {
  const isNegated = operator === '!=';
  if (right.kind === 'set' || right.kind === 'setReference') {
    if (operator !== '==' && operator !== 'in' && !isNegated) return unknown;
    return sum(
      lookUp(left, right, context).map(({ share, found }) => [
        share,
        found.kind === 'unknown' ? unknown : (found.kind === 'element') === isNegated ? no : yes,
      ]),
      left,
      context,
    );
  }
  const types = nftTypesOf(left);
  const ranges = rangesOf(right, types);
  return sum(
    valuesOf(left, types, context).flatMap(({ share, parts }): (readonly [number, Answer])[] => {
      if (parts.some(({ kind }) => kind === 'absent')) return [[share, no]];
      if (ranges !== undefined) return [[share, compareParts(operator, parts, ranges)]];
      // Both sides are read of the packet.
      return valuesOf(right, types, context).map((other): readonly [number, Answer] => {
        const exact = other.parts.map((part): AtomRange | undefined =>
          part.kind === 'atom' ? { from: part.atom, to: part.atom } : undefined,
        );
        const isKnown = exact.every((range) => range !== undefined);
        return [
          share * other.share,
          other.parts.some(({ kind }) => kind === 'absent')
            ? no
            : isKnown
              ? compareParts(operator, parts, exact)
              : unknown,
        ];
      });
    }),
  );
}

/** @param left of a match with a set: a key that the packet does not have breaks the rule, also for `!=` */
function sum(
  answers: readonly (readonly [share: number, answer: Answer])[],
  left?: NftExpression,
  context?: PacketContext,
): Answer {
  if (left !== undefined && context !== undefined && isAbsent(left, context)) return no;
  const total = { yes: 0, no: 0, unknown: 0 };
  for (const [share, answer] of answers) {
    total.yes += share * answer.yes;
    total.no += share * answer.no;
    total.unknown += share * answer.unknown;
  }
  return total;
}

function isAbsent(key: NftExpression, context: PacketContext): boolean {
  const parts = key.kind === 'concatenation' ? key.parts : [key];
  return parts.some(
    (part) => readPacket(part, context.packet, context.branch, context.at, context.machine)?.kind === 'absent',
  );
}

function compareParts(operator: string, parts: readonly Reading[], ranges: readonly AtomRange[]): Answer {
  if (operator === '==' || operator === '!=') {
    if (parts.length !== ranges.length) return unknown;
    const answers = parts.map((part, index) => isWithin(part, ranges[index]));
    const [only] = answers;
    if (answers.length === 1 && only !== undefined)
      return operator === '==' ? only : { yes: only.no, no: only.yes, unknown: only.unknown };
    const all = answers.some((answer) => answer.no === 1)
      ? no
      : answers.every((answer) => answer.yes === 1)
        ? yes
        : unknown;
    return operator === '==' ? all : { yes: all.no, no: all.yes, unknown: all.unknown };
  }
  const [part = unknownReading] = parts;
  const [range] = ranges;
  if (range === undefined || parts.length !== 1) return unknown;
  if (operator === 'in' || operator === '!') return hasFlags(part, range, operator === 'in');
  return isOrdered(part, operator, range.from);
}

function isWithin(reading: Reading, range: AtomRange | undefined): Answer {
  if (range === undefined) return unknown;
  if (reading.kind === 'atom') return holds(range, reading.atom) ? yes : no;
  if (reading.kind === 'uniform' && typeof range.from === 'number' && typeof range.to === 'number') {
    const slots = Math.max(
      0,
      Math.min(range.to, reading.from + reading.count - 1) - Math.max(range.from, reading.from) + 1,
    );
    return { yes: slots / reading.count, no: 1 - slots / reading.count, unknown: 0 };
  }
  if (reading.kind === 'between' && holds(range, reading.from) && holds(range, reading.to)) return yes;
  return isPossible(reading, range) ? unknown : no;
}

function hasFlags(reading: Reading, { from, to }: AtomRange, isAny: boolean): Answer {
  const bits = bitsOf(reading);
  if (bits === undefined || typeof from !== 'number' || from !== to) return unknown;
  if ((bits.bits & from) !== 0) return isAny ? yes : no;
  if ((bits.unknown & from) !== 0) return unknown;
  return isAny ? no : yes;
}

function isOrdered(reading: Reading, operator: string, limit: Atom): Answer {
  if (reading.kind === 'uniform' && typeof limit === 'number') {
    const { from, count } = reading;
    const below =
      Math.min(count, Math.max(0, (operator === '<' || operator === '>=' ? limit : limit + 1) - from)) / count;
    return operator === '<' || operator === '<='
      ? { yes: below, no: 1 - below, unknown: 0 }
      : { yes: 1 - below, no: below, unknown: 0 };
  }
  if (reading.kind === 'between') {
    const [least, most] = [reading.from, reading.to].map((end) => isOrdered(atomReading(end), operator, limit));
    return least?.yes === most?.yes && least !== undefined ? least : unknown;
  }
  if (reading.kind !== 'atom' || typeof reading.atom !== typeof limit) return unknown;
  const { atom } = reading;
  const isTrue =
    operator === '<'
      ? atom < limit
      : operator === '<='
        ? atom <= limit
        : operator === '>'
          ? atom > limit
          : atom >= limit;
  return isTrue ? yes : no;
}
