import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { goDuration } from '../../../core/lib/go-duration.ts';

// Accepted and refused as by time.ParseDuration of Go 1.26.
it.each([
  ['0', 0],
  ['500ms', 500],
  ['1m30s', 90_000],
  ['2h', 7_200_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['1.s', 1000],
  ['-1m', -60_000],
  ['+1s', 1000],
  ['5us', 0.005],
  ['5µs', 0.005],
  ['5μs', 0.005],
  ['1ns', 0.000001],
  ['0s', 0],
])('%s is %d ms', (text, milliseconds) => {
  expect(goDuration(text)).toBe(milliseconds);
});

it.each(['', '30', '1d', 's', '1 s', ' 1s', '1s ', '.s', '1m-30s', '1,5s', 'soon'])(
  '"%s" is not a duration',
  (text) => {
    expect(goDuration(text)).toBeUndefined();
  },
);

it('reads what Go prints of whole milliseconds', () => {
  fc.assert(
    fc.property(fc.nat(99), fc.nat(59), fc.nat(59), fc.nat(999), (hours, minutes, seconds, thousandths) => {
      const text = `${String(hours)}h${String(minutes)}m${String(seconds)}.${String(thousandths).padStart(3, '0')}s`;
      expect(goDuration(text)).toBeCloseTo(((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths, 6);
    }),
  );
});
