import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findChainCycle, type Jump } from '../../../core/dump/chain-cycle.ts';

/** `A>B C>A`: jumps, in lines from 1. */
function find(text: string, starts: readonly string[]): string | undefined {
  const jumps = text.split(' ').map((word, index) => ({ from: word[0] ?? '', to: word[2] ?? '', line: index + 1 }));
  const cycle = findChainCycle(starts, (chain) => jumps.filter(({ from }) => from === chain));
  return cycle === undefined ? undefined : `${cycle.chains.join('')} ${String(cycle.line)}`;
}

describe('findChainCycle', () => {
  it.each([
    ['A>B B>C', ['A'], undefined],
    ['A>B A>C B>D C>D', ['A'], undefined],
    ['A>A', ['A'], 'AA 1'],
    ['A>B B>C C>B', ['A'], 'BCB 3'],
    ['A>B C>C', ['A'], undefined],
    ['A>B C>C', ['A', 'C'], 'CC 2'],
  ])('%s from %j', (text, starts, expected) => {
    expect(find(text, starts)).toBe(expected);
  });

  it('follows each jump once, however many paths reach it', () => {
    // Each chain jumps twice to the next: 2 to the 200 paths.
    let asked = 0;
    const jumpsOf = (chain: string): Jump[] => {
      asked += 1;
      return Number(chain) < 200 ? [1, 2].map((line) => ({ to: String(Number(chain) + 1), line })) : [];
    };
    expect(findChainCycle(['0'], jumpsOf)).toBeUndefined();
    expect(asked).toBeLessThan(1000);
  });

  it('finds one exactly where a depth-first walk comes back to its own way', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 })), { maxLength: 12 }), (edges) => {
        const comesBack = (chain: number, path: readonly number[]): boolean =>
          path.includes(chain) || edges.some(([from, to]) => from === chain && comesBack(to, [...path, chain]));
        const found = findChainCycle(['0'], (chain) =>
          edges.flatMap(([from, to], index) => (String(from) === chain ? [{ to: String(to), line: index + 1 }] : [])),
        );
        expect(found !== undefined).toBe(comesBack(0, []));
      }),
    );
  });
});
