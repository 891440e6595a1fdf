import { describe, expect, it } from 'vitest';
import { connectionsPerTarget, implausible, PooledChiSquare, type Frequency } from './frequencies.ts';

/** Every target of equal probability, each with a count of its own. */
function equal(...counts: number[]): Frequency[] {
  return counts.map((count) => ({ probability: 1 / counts.length, count }));
}

describe('implausible', () => {
  it.each([
    { name: 'as many as expected', frequencies: equal(30, 30, 30), found: undefined },
    { name: 'the one target always', frequencies: equal(30), found: undefined },
    { name: 'what chance does within a million targets', frequencies: equal(30, 58, 12, 20), found: undefined },
    {
      name: 'a target of two that is never chosen',
      frequencies: equal(2 * connectionsPerTarget, 0),
      found: 2 * connectionsPerTarget,
    },
    {
      name: 'twelve targets, one of them never chosen',
      frequencies: equal(0, ...Array.from({ length: 11 }, () => 33)),
      found: 0,
    },
    { name: 'a target that takes far too much', frequencies: equal(95, 10, 8, 7), found: 95 },
  ])('$name', ({ frequencies, found }) => {
    expect(implausible(frequencies)?.count).toBe(found);
  });
});

describe('PooledChiSquare', () => {
  it('takes what is as spread as chance spreads it', () => {
    const pooled = new PooledChiSquare();
    for (let number = 0; number < 1000; number += 1)
      pooled.add(equal(30 + (number % 2 === 0 ? 4 : -4), 30 - (number % 2 === 0 ? 4 : -4)));
    expect(pooled.degrees).toBe(1000);
    expect(pooled.isImplausible).toBe(false);
  });

  it('notices a bias that no case shows alone', () => {
    const pooled = new PooledChiSquare();
    for (let number = 0; number < 1000; number += 1) {
      expect(implausible(equal(39, 21))).toBeUndefined();
      pooled.add(equal(39, 21));
    }
    expect(pooled.isImplausible).toBe(true);
  });
});
