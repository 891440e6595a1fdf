import { expect, it } from 'vitest';
import { countOf, parseCountOrPercent } from '../../../core/lib/count-or-percent.ts';

it.each([
  ['1', 1000, 1],
  ['200', 10, 200],
  ['10%', 1000, 100],
  ['10%', 15, 2],
  ['1%', 0, 1],
  ['100%', 7, 7],
])('%s of %d is %d', (text, total, count) => {
  const bound = parseCountOrPercent(text);
  expect(bound === undefined ? undefined : countOf(bound, total)).toBe(count);
});

it.each(['', '0', '0%', '101%', '-1', '1.5', '10 %', 'many', '%', '9999999999', '0x10', '1e3'])(
  'refuses %j',
  (text) => {
    expect(parseCountOrPercent(text)).toBeUndefined();
  },
);
