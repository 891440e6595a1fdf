/** Sets and maps of nftables made ready for many questions: exact keys by hash, intervals by binary search. */
import type { NftElement } from '../nftables/rule.ts';
import { rangesOf, type Atom, type AtomRange } from './nft-value.ts';
import { oncePer } from '../lib/once-per.ts';

interface Entry {
  readonly element: NftElement;
  readonly ranges: readonly AtomRange[];
}

/** Entries of which the same parts are exact, by those parts. */
interface Group {
  /** The indexes of the parts that are exact. */
  readonly exact: readonly number[];
  readonly entries: Map<string, Entry[]>;
}

/** By the types of their keys. */
const indexesOf = oncePer((_elements: readonly NftElement[]) => new Map<string, NftSetIndex>());

/** The index of the elements for keys of these types; made once. */
export function nftSetIndex(elements: readonly NftElement[], types: readonly string[]): NftSetIndex {
  const known = indexesOf(elements);
  const key = types.join(' ');
  const index = known.get(key) ?? new NftSetIndex(elements, types);
  known.set(key, index);
  return index;
}

export class NftSetIndex {
  readonly size: number;
  /** `*`: holds for whatever no other element holds for. */
  readonly catchAll: NftElement | undefined;
  /** Whether elements are there that this version cannot compare with a packet. */
  readonly hasUnknown: boolean;
  readonly #exact = new Map<string, NftElement>();
  /** Of keys with one part, in order; they do not overlap (the kernel refuses it). */
  readonly #intervals: Entry[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #entries: Entry[] = [];

  constructor(elements: readonly NftElement[], types: readonly string[]) {
    let catchAll: NftElement | undefined;
    let hasUnknown = false;
    for (const element of elements) {
      if (element.key.kind === 'value' && element.key.value === '*') {
        catchAll = element;
        continue;
      }
      const ranges = rangesOf(element.key, types);
      if (ranges === undefined || ranges.length !== types.length) hasUnknown = true;
      else this.#add({ element, ranges });
    }
    this.#intervals.sort((one, other) => compare(one.ranges[0]?.from ?? 0, other.ranges[0]?.from ?? 0));
    this.size = elements.length;
    this.catchAll = catchAll;
    this.hasUnknown = hasUnknown;
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    const { ranges, element } = entry;
    if (ranges.every(({ from, to }) => from === to)) {
      const key = keyOf(ranges.map(({ from }) => from));
      if (!this.#exact.has(key)) this.#exact.set(key, element);
      return;
    }
    if (ranges.length === 1) {
      this.#intervals.push(entry);
      return;
    }
    const exact = ranges.flatMap(({ from, to }, index) => (from === to ? [index] : []));
    const name = exact.join();
    const group = this.#groups.get(name) ?? { exact, entries: new Map<string, Entry[]>() };
    this.#groups.set(name, group);
    const key = keyOf(exact.map((index) => ranges[index]?.from ?? 0));
    const entries = group.entries.get(key);
    if (entries === undefined) group.entries.set(key, [entry]);
    else entries.push(entry);
  }

  /** The element that holds for the key, `*` left aside. */
  find(atoms: readonly Atom[]): NftElement | undefined {
    const exact = this.#exact.get(keyOf(atoms));
    if (exact !== undefined) return exact;
    const [atom] = atoms;
    if (atoms.length === 1 && atom !== undefined) return this.#interval(atom)?.element;
    for (const { exact: parts, entries } of this.#groups.values()) {
      const candidates = entries.get(keyOf(parts.map((part) => atoms[part] ?? 0)));
      const found = candidates?.find(({ ranges }) => ranges.every((range, index) => holds(range, atoms[index])));
      if (found !== undefined) return found.element;
    }
    return undefined;
  }

  #interval(atom: Atom): Entry | undefined {
    let low = 0;
    let high = this.#intervals.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const entry = this.#intervals[middle];
      const [range] = entry?.ranges ?? [];
      if (entry === undefined || range === undefined) return undefined;
      if (holds(range, atom)) return entry;
      if (compare(atom, range.from) < 0) high = middle - 1;
      else low = middle + 1;
    }
    return undefined;
  }

  /** The elements that could hold for a key of which not all parts are known, `*` left aside. */
  possible(isPossible: (part: number, range: AtomRange) => boolean): NftElement[] {
    return this.#entries
      .filter(({ ranges }) => ranges.every((range, part) => isPossible(part, range)))
      .map(({ element }) => element);
  }

  /** How the numbers from..from + count - 1 fall on the elements: one part alone. */
  shares(from: number, count: number): { readonly element: NftElement | undefined; readonly share: number }[] {
    let rest = count;
    const shares: { element: NftElement | undefined; share: number }[] = [];
    for (const { element, ranges } of this.#entries) {
      const [range] = ranges;
      if (range === undefined || typeof range.from !== 'number' || typeof range.to !== 'number') continue;
      const slots = Math.min(range.to, from + count - 1) - Math.max(range.from, from) + 1;
      if (slots <= 0) continue;
      rest -= slots;
      shares.push({ element, share: slots / count });
    }
    if (rest > 0) shares.push({ element: this.catchAll, share: rest / count });
    return shares;
  }
}

export function holds({ from, to }: AtomRange, atom: Atom | undefined): boolean {
  return atom !== undefined && typeof atom === typeof from && compare(atom, from) >= 0 && compare(atom, to) <= 0;
}

function compare(one: Atom, other: Atom): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function keyOf(atoms: readonly Atom[]): string {
  return atoms.length === 1 ? String(atoms[0]) : atoms.join(' ');
}
