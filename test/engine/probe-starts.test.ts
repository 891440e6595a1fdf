import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProbeStarts } from '../../engine/probe-starts.ts';

const problem = { reason: 'ImagePullBackOff', message: 'its image cannot be pulled' };

describe('starts of probes', () => {
  it('are never more at once than may be, each has its turn, and in their order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 }),
        async (most, ticks) => {
          const starts = new ProbeStarts({ most: () => most });
          let running = 0;
          const begun: number[] = [];
          await Promise.all(
            ticks.map(async (count, index) => {
              const leave = await starts.turn();
              begun.push(index);
              running += 1;
              expect(running).toBeLessThanOrEqual(most);
              for (let tick = 0; tick < count; tick += 1) await Promise.resolve();
              running -= 1;
              leave();
              leave();
            }),
          );
          expect(begun).toEqual(ticks.map((_, index) => index));
          expect(starts.isFull).toBe(false);
        },
      ),
    );
  });

  it('follow a bound that grows with the cluster, and are one at least', async () => {
    let most = 0;
    const starts = new ProbeStarts({ most: () => most });
    const leave = await starts.turn();
    const done: string[] = [];
    void starts.turn().then(() => done.push('second'));
    void starts.turn().then(() => done.push('third'));
    await Promise.resolve();
    expect(done).toEqual([]);
    most = 2;
    leave();
    await new Promise(setImmediate);
    expect(done).toEqual(['second', 'third']);
    expect(starts.isFull).toBe(true);
  });

  it('are tried again on a node after pauses that grow up to five minutes, with the reason of the last time', () => {
    let now = 0;
    const starts = new ProbeStarts({ most: () => 1, now: () => now, random: () => 1 });
    expect(starts.refusal('node-a')).toBeUndefined();
    const pauses: number[] = [];
    for (let times = 0; times < 8; times += 1) {
      starts.failed('node-a', problem);
      const before = now;
      while (starts.refusal('node-a') !== undefined) now += 1000;
      pauses.push((now - before) / 1000);
    }
    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    starts.failed('node-a', problem);
    expect(starts.refusal('node-a')).toEqual({
      reason: 'ImagePullBackOff',
      message: 'its image cannot be pulled; 9 times in a row, tried again in 300 s',
    });
    expect(starts.refusal('node-b')).toBeUndefined();
    starts.forget('node-a');
    expect(starts.refusal('node-a')).toBeUndefined();
    starts.failed('node-a', problem);
    expect(starts.refusal('node-a')?.message).toBe('its image cannot be pulled; tried again in 5 s');
  });
});
