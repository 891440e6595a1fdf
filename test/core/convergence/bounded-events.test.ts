import fc from 'fast-check';
import { expect, it } from 'vitest';
import { boundedEvents } from '../../../core/convergence/bounded-events.ts';
import type { ConnectionEvent } from '../../../core/convergence/connection-event.ts';

const anyEvent: fc.Arbitrary<ConnectionEvent> = fc.record({
  node: fc.constantFrom('node-a', 'node-b'),
  earliest: fc.integer({ min: 0, max: 100_000 }),
  latest: fc.integer({ min: 100_000, max: 300_000 }),
  kind: fc.constantFrom<ConnectionEvent['kind'][]>('New', 'Answered', 'Reset', 'Destroyed'),
  count: fc.integer({ min: 1, max: 5 }),
  protocol: fc.constant('TCP'),
  original: fc.record({
    source: fc.constantFrom('10.244.0.1', '10.244.0.2'),
    sourcePort: fc.nat(65535),
    destination: fc.constant('10.96.0.7'),
    destinationPort: fc.constant(80),
  }),
  reply: fc.record({ source: fc.constantFrom('10.244.1.7', '10.244.1.8'), sourcePort: fc.constant(8080) }),
  isAnswered: fc.boolean(),
  id: fc.nat(),
});

const sum = (counts: readonly number[]): number => counts.reduce((one, other) => one + other, 0);

it('counts every event once, in an event or in a gap of its node, and never has more than it may', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), fc.integer({ min: 2, max: 40 }), (events, most) => {
      const bounded = boundedEvents(events, most);
      expect(bounded.events.length).toBeLessThanOrEqual(Math.max(most, 0));
      for (const node of ['node-a', 'node-b']) {
        const of = (all: readonly ConnectionEvent[]) => all.filter((each) => each.node === node);
        const dropped = bounded.gaps.filter((gap) => gap.node === node).map((gap) => gap.dropped ?? NaN);
        expect(sum(of(bounded.events).map(({ count }) => count)) + sum(dropped)).toBe(
          sum(of(events).map(({ count }) => count)),
        );
      }
      // The newest are as they were, with their clients.
      const newest = events.slice(events.length - Math.floor(Math.min(most, events.length) / 2));
      expect(bounded.events.slice(bounded.events.length - newest.length)).toEqual(newest);
      for (const kind of ['New', 'Answered', 'Reset', 'Destroyed'] as const) {
        const of = (all: readonly ConnectionEvent[]) =>
          sum(all.filter((each) => each.kind === kind).map((each) => each.count));
        if (bounded.gaps.length === 0) expect(of(bounded.events)).toBe(of(events));
      }
    }),
  );
});
