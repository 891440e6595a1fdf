import { statusInputOf } from '../../core/status/input.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { manyEndpoints } from '../../bench/many-endpoints.ts';
import type { StatusInput } from '../../core/status/input.ts';
import { judgeHere, statusThread } from '../../engine/status-thread.ts';

async function inputOf(endpoints: number): Promise<StatusInput> {
  return statusInputOf(await manyEndpoints('iptables', endpoints));
}

const statuses = statusThread();
afterAll(() => statuses.close());

describe('a status that is worked out in a thread of its own', () => {
  it('is the same as one that is worked out here', async () => {
    const input = await inputOf(60);
    expect(await statuses.judge(input)).toEqual(await judgeHere(input));
  });

  it('leaves its turn to other work meanwhile, and is not mixed up with another one', async () => {
    const [one, other] = await Promise.all([inputOf(60), inputOf(90)]);
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    const [first, second] = await Promise.all([statuses.judge(one), statuses.judge(other)]);
    isDone = true;
    expect([first.summary?.endpoints, second.summary?.endpoints]).toEqual(['60/60', '90/90']);
    // One turn for each answer that is handed over, and those of the wait; in this thread there would be none.
    expect(turns).toBeGreaterThan(6);
  });

  it('fails alone, and the next one is worked out', async () => {
    const input = await inputOf(60);
    const broken = {
      ...input,
      now: 1 as unknown as string,
      answers: input.answers.map((answer) => ({ ...answer, report: undefined as never })),
    };
    await expect(statuses.judge(broken)).rejects.toThrow(/TypeError/);
    expect((await statuses.judge(input)).summary?.endpoints).toBe('60/60');
  });
});
