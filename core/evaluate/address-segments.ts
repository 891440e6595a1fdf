/** Which addresses the rules distinguish: one of each kind is evaluated for all of them. */
import { addressNumber, parseNetwork } from '../net/address.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { Family } from '../net/family.ts';

/** Addresses between two of which no rule has a boundary. */
export class AddressSegments {
  readonly #family: Family;
  readonly #bits: 32 | 128;
  /** The first address of each segment but the first one, in order. */
  readonly #boundaries: readonly bigint[];
  readonly #known = new Map<string, string>();
  /** A rule compares some bits of addresses: any two may be different to it. */
  readonly #isDivided: boolean;

  private constructor(family: Family, boundaries: ReadonlySet<bigint>, isDivided: boolean) {
    this.#family = family;
    this.#bits = family === 'IPv4' ? 32 : 128;
    this.#boundaries = [...boundaries].sort((one, other) => (one < other ? -1 : 1));
    this.#isDivided = isDivided;
  }

  /**
   * @param objects of `nft -j`, whichever there are: every address, prefix and range in them counts
   */
  static of(family: Family, rules: readonly IptablesRule[], objects: readonly unknown[]): AddressSegments {
    const collector = new Collector(family === 'IPv4' ? 32 : 128);
    for (const rule of rules) collector.rule(rule);
    for (const object of objects) collector.json(object);
    return new AddressSegments(family, collector.boundaries, collector.isDivided);
  }

  /** No rule distinguishes two addresses with the same key. */
  keyOf(address: string): string {
    const known = this.#known.get(address) ?? this.#find(address);
    this.#known.set(address, known);
    return known;
  }

  #find(address: string): string {
    const number = addressNumber(address);
    if (number === undefined || number.bits !== this.#bits || this.#isDivided) return `${this.#family} ${address}`;
    let low = 0;
    let high = this.#boundaries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#boundaries[middle] ?? 0n) <= number.value) low = middle + 1;
      else high = middle;
    }
    return String(low);
  }
}

class Collector {
  readonly boundaries = new Set<bigint>();
  isDivided = false;
  readonly #bits: 32 | 128;

  constructor(bits: 32 | 128) {
    this.#bits = bits;
  }

  rule({ source, destination, matches }: IptablesRule): void {
    for (const end of [source, destination]) if (end !== undefined) this.#prefix(end.prefix);
    for (const option of matches.flatMap(({ options }) => options)) {
      if (option.kind === 'addressRange') this.#range(option.from, option.to);
      else if (option.kind === 'connectionAddress') this.#prefix(option.prefix);
    }
  }

  /** `{"prefix": {"addr": …, "len": …}}`, `{"range": [FIRST, LAST]}`, or an address alone; `{"&": …}` compares bits. */
  json(value: unknown): void {
    if (typeof value === 'string') {
      if (/^[\da-fA-F.:]+$/.test(value)) this.#prefix(value);
    } else if (Array.isArray(value)) {
      for (const each of value as readonly unknown[]) this.json(each);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value)) {
        if (key === 'prefix' && isPrefix(each)) this.#prefix(`${each.addr}/${String(each.len)}`);
        else if (key === 'range' && Array.isArray(each) && each.every((end) => typeof end === 'string'))
          this.#range(each[0] ?? '', each[1] ?? '');
        else {
          if (
            (key === '&' || key === '|' || key === '^') &&
            Array.isArray(each) &&
            each.some((part) => typeof part === 'string' && addressNumber(part) !== undefined)
          )
            this.isDivided = true;
          this.json(each);
        }
      }
    }
  }

  #prefix(text: string): void {
    const network = parseNetwork(text);
    if (network === undefined || network.bits !== this.#bits) return;
    const host = ((1n << BigInt(network.bits)) - 1n) ^ network.mask;
    // A mask with holes divides addresses as no range does.
    if ((host & (host + 1n)) !== 0n) this.isDivided = true;
    this.#between(network.network, network.network + host);
  }

  #range(first: string, last: string): void {
    const [from, to] = [addressNumber(first), addressNumber(last)];
    if (from?.bits === this.#bits && to?.bits === this.#bits) this.#between(from.value, to.value);
  }

  #between(first: bigint, last: bigint): void {
    this.boundaries.add(first);
    this.boundaries.add(last + 1n);
  }
}

function isPrefix(value: unknown): value is { readonly addr: string; readonly len: number } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'addr' in value &&
    'len' in value &&
    typeof value.addr === 'string' &&
    typeof value.len === 'number'
  );
}
