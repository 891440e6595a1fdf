import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ClockBounds } from '../../../core/wire/clock-bounds.ts';

it('bounds a clock that is off and drifts, whatever the ways there and back take', () => {
  const trip = fc.record({ pause: fc.nat(20_000), there: fc.nat(3000), back: fc.nat(3000) });
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.integer({ min: -99, max: 99 }),
      fc.array(trip, { minLength: 1, maxLength: 30 }),
      fc.nat(100_000),
      (offset, partsInMillion, trips, later) => {
        const bounds = new ClockBounds();
        const begin = 1_796_000_000_000;
        const nodeClock = (at: number): number => at + offset + ((at - begin) * partsInMillion) / 1e6;
        let now = begin;
        for (const { pause, there, back } of trips) {
          const sent = now + pause;
          bounds.add({ sent, clock: Math.floor(nodeClock(sent + there)), received: sent + there + back });
          now = sent + there + back;
        }
        now += later;
        const known = bounds.offset(now) ?? expect.fail('nothing is known');
        expect(Math.abs(nodeClock(now) - now - known.milliseconds)).toBeLessThanOrEqual(known.uncertainty);
      },
    ),
  );
});

it('knows nothing before the first round trip, takes what all of them leave, and forgets what was before a clock was set', () => {
  const bounds = new ClockBounds();
  expect(bounds.offset(0)).toBeUndefined();
  bounds.add({ sent: 0, clock: 150, received: 100 });
  bounds.add({ sent: 200, clock: 301, received: 202 });
  bounds.add({ sent: 300, clock: 450, received: 400 });
  expect(bounds.offset(400)).toEqual({ milliseconds: 101, uncertainty: 3 });
  // One that was slow in one direction and one that was slow in the other leave less together than each alone.
  const together = new ClockBounds();
  together.add({ sent: 0, clock: 60, received: 61 });
  together.add({ sent: 100, clock: 101, received: 160 });
  expect(together.offset(160)).toEqual({ milliseconds: 0, uncertainty: 3 });
  bounds.add({ sent: 500, clock: 9000, received: 502 });
  expect(bounds.offset(502)?.milliseconds).toBe(8500);
  // Our own was set back.
  bounds.add({ sent: 600, clock: 1, received: 599 });
  expect(bounds.offset(502)?.milliseconds).toBe(8500);
});
