import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembly, piecesOf, type Piece } from '../../engine/message-pieces.ts';

function together(pieces: Iterable<Piece>): unknown {
  const assembly = new Assembly();
  for (const piece of pieces) assembly.add(structuredClone(piece));
  return assembly.value;
}

describe('a value in pieces', () => {
  it('is the same value when it is put together', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 1, max: 30 }), (value, most) => {
        expect(together(piecesOf(value, most))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps keys that JavaScript has a meaning of its own for', () => {
    const value: unknown = JSON.parse(`{"a": {"__proto__": [${'1,'.repeat(50)}2], "b": [${'1,'.repeat(50)}2]}}`);
    expect(JSON.stringify(together(piecesOf(value, 10)))).toBe(JSON.stringify(value));
  });

  it('has no large piece, unless one text is large', () => {
    const value = {
      lines: Array.from({ length: 5000 }, (_, index) => `-A KUBE-SVC -j KUBE-SEP-${String(index)}`),
      slices: Array.from({ length: 50 }, () => ({ endpoints: Array.from({ length: 100 }, () => ({ ready: true })) })),
      wide: Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`key${String(index)}`, index])),
    };
    const pieces = [...piecesOf(value)];
    expect(Math.max(...pieces.map((piece) => JSON.stringify(piece).length))).toBeLessThan(200_000);
    expect(pieces.length).toBeGreaterThan(5);
    expect(together(pieces)).toEqual(value);
  });
});
