/** Nodes that hang hold up no other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { pauseAfter } from '../../engine/back-off.ts';
import { NodePlaces } from '../../engine/node-places.ts';

class SilenceError extends Error {}
const callbacks = { onSlow: () => undefined, isSilence: (error: unknown) => error instanceof SilenceError };
const hangFor = (milliseconds: number) => async (): Promise<never> => {
  await sleep(milliseconds);
  throw new SilenceError('did not answer');
};
const outcome = (running: Promise<unknown>): Promise<string> =>
  running.then(String, (error: unknown) => (error instanceof Error ? error.message : String(error)));

describe('places of nodes', () => {
  it('are given back by nodes that take long: as many that hang as there are places do not stall the others', async () => {
    const places = new NodePlaces({ places: 32, slowPlaces: 8, slowMilliseconds: 30 });
    const order: string[] = [];
    const hanging = Array.from({ length: 64 }, (_, index) =>
      outcome(places.run(`hangs-${String(index)}`, hangFor(1500), callbacks)).then(() => {
        order.push('hung');
      }),
    );
    const others = Array.from({ length: 100 }, (_, index) =>
      outcome(places.run(`node-${String(index)}`, async () => 'answer', callbacks)).then(() => {
        order.push('answered');
      }),
    );
    await Promise.all([...hanging, ...others]);
    expect(order.slice(0, 100)).toEqual(Array(100).fill('answered'));
  });

  it('hold no more at the same time than they may', async () => {
    const places = new NodePlaces({ places: 3, slowPlaces: 1, slowMilliseconds: 10_000 });
    let now = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        places.run(
          `node-${String(index)}`,
          async () => {
            now += 1;
            most = Math.max(most, now);
            await sleep(2);
            now -= 1;
          },
          callbacks,
        ),
      ),
    );
    expect(most).toBe(3);
  });

  it('are reported as slow once', async () => {
    const places = new NodePlaces({ places: 3, slowPlaces: 1, slowMilliseconds: 10 });
    let slow = 0;
    await outcome(
      places.run('node-a', hangFor(80), {
        ...callbacks,
        onSlow: () => {
          slow += 1;
        },
      }),
    );
    expect(slow).toBe(1);
  });

  it('let a silent node rest for a time that grows, and answer for it at once', async () => {
    let now = 0;
    const places = new NodePlaces({ places: 3, slowPlaces: 1, slowMilliseconds: 1000, now: () => now });
    const rests: number[] = [];
    for (let times = 0; times < 6; times += 1) {
      expect(await outcome(places.run('node-a', hangFor(1), callbacks))).toBe('did not answer');
      const words = await outcome(places.run('node-a', async () => 'asked', callbacks));
      rests.push(Number(/asked again in (\d+) s/.exec(words)?.[1]) * 1000);
      expect(words).toContain(
        times === 0 ? 'it did not answer the last time' : `it did not answer ${String(times + 1)} times in a row`,
      );
      now += 60_000;
    }
    for (const [index, rest] of rests.entries()) {
      const most = Math.min(5000 * 2 ** index, 60_000);
      expect(rest).toBeGreaterThanOrEqual(most / 2);
      expect(rest).toBeLessThanOrEqual(most);
    }
    expect(await outcome(places.run('node-a', async (isSuspect) => `suspect ${String(isSuspect)}`, callbacks))).toBe(
      'suspect true',
    );
    expect(await outcome(places.run('node-a', async (isSuspect) => `suspect ${String(isSuspect)}`, callbacks))).toBe(
      'suspect false',
    );
  });

  it('ask no more silent nodes at the same time than they may', async () => {
    let now = 0;
    const places = new NodePlaces({ places: 3, slowPlaces: 1, slowMilliseconds: 1000, now: () => now });
    await Promise.all(['a', 'b'].map((name) => outcome(places.run(name, hangFor(1), callbacks))));
    now += 60_000;
    const first = outcome(places.run('a', hangFor(20), callbacks));
    expect(await outcome(places.run('b', async () => 'asked', callbacks))).toContain(
      '1 such nodes are being asked already',
    );
    await first;
    expect(await outcome(places.run('b', async () => 'asked', callbacks))).toBe('asked');
  });
});

it('pauses grow, are never longer than the last, and differ', () => {
  const pause = (failures: number, chance: number): number =>
    pauseAfter(failures, { first: 500, last: 60_000 }, () => chance);
  expect([0, 1, 2, 3, 20, 2000].map((failures) => pause(failures, 1))).toEqual([500, 1000, 2000, 4000, 60_000, 60_000]);
  expect(pause(3, 0)).toBe(2000);
});
