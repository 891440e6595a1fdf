import { describe, expect, it } from 'vitest';
import { Dice, fuzzTargets } from './targets.ts';

/** `npm run fuzz` runs a million of them. */
const cases = 5_000;

describe('altered dumps', () => {
  it.each(fuzzTargets.map((target) => [target.name, target] as const))(
    'of %s are read or refused, and never guessed',
    (_name, target) => {
      for (let number = 0; number < cases; number += 1)
        expect(
          () => {
            target.run(new Dice(1, number));
          },
          `case ${String(number)}`,
        ).not.toThrow();
    },
    120_000,
  );
});
