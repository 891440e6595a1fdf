/** Sets of addresses as ranges of numbers: whether two lists of prefixes mean the same. */
import { addressNumber, addressText, parseNetwork } from './address.ts';
import type { Family } from './family.ts';

/** Both ends are included. */
interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * The addresses that either list has and the other one lacks, as texts `192.0.2.0-192.0.2.255`.
 * @param one and other: addresses, prefixes or ranges (`10.0.0.1-10.0.0.9`) of one family; others are left out
 */
export function rangeDifference(
  family: Family,
  one: readonly string[],
  other: readonly string[],
): { readonly onlyOne: string[]; readonly onlyOther: string[] } {
  const bits = family === 'IPv4' ? 32 : 128;
  const [first, second] = [rangesOf(one, bits), rangesOf(other, bits)];
  const text = ({ from, to }: Range): string =>
    from === to ? addressText(from, bits) : `${addressText(from, bits)}-${addressText(to, bits)}`;
  return { onlyOne: without(first, second).map(text), onlyOther: without(second, first).map(text) };
}

/** Sorted, and none touches another. */
function rangesOf(texts: readonly string[], bits: 32 | 128): Range[] {
  const ranges = texts.flatMap((text): Range[] => {
    const [low = '', high] = text.split('-');
    if (high !== undefined) {
      const [from, to] = [addressNumber(low), addressNumber(high)];
      return from?.bits === bits && to?.bits === bits ? [{ from: from.value, to: to.value }] : [];
    }
    const network = parseNetwork(text);
    return network?.bits === bits
      ? [{ from: network.network, to: network.network | (((1n << BigInt(bits)) - 1n) ^ network.mask) }]
      : [];
  });
  ranges.sort((one, other) => (one.from < other.from ? -1 : one.from > other.from ? 1 : 0));
  const merged: Range[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to + 1n) merged.push(range);
    else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
  }
  return merged;
}

function without(ranges: readonly Range[], taken: readonly Range[]): Range[] {
  return ranges.flatMap(({ from, to }) => {
    const left: Range[] = [];
    let at = from;
    for (const each of taken) {
      if (each.to < at || each.from > to) continue;
      if (each.from > at) left.push({ from: at, to: each.from - 1n });
      at = each.to + 1n;
    }
    if (at <= to) left.push({ from: at, to });
    return left;
  });
}
