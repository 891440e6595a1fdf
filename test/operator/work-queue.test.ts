import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { WorkQueue } from '../../operator/work-queue.ts';

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

it('works on a key once, however often it is added, and once more if it is added meanwhile', async () => {
  const worked: string[] = [];
  const { opened, open } = gate();
  const queue = new WorkQueue({
    concurrency: 2,
    work: async (key) => {
      worked.push(key);
      await opened;
      return {};
    },
    onFailure: () => undefined,
  });
  queue.add('a');
  queue.add('a');
  queue.add('a');
  expect(worked).toEqual(['a']);
  open();
  await sleep(5);
  expect(worked).toEqual(['a', 'a']);
});

it('works on no more keys at the same time than it may', async () => {
  let now = 0;
  let most = 0;
  const queue = new WorkQueue({
    concurrency: 2,
    work: async () => {
      now += 1;
      most = Math.max(most, now);
      await sleep(2);
      now -= 1;
      return {};
    },
    onFailure: () => undefined,
  });
  for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key);
  await sleep(40);
  expect(most).toBe(2);
  expect(now).toBe(0);
});

it('comes back when the work says so, and earlier where the key is added', async () => {
  let count = 0;
  const queue = new WorkQueue({
    concurrency: 1,
    work: async () => {
      count += 1;
      return count < 3 ? { again: 5 } : { again: 100_000 };
    },
    onFailure: () => undefined,
  });
  queue.add('a');
  await sleep(60);
  expect(count).toBe(3);
  queue.add('a');
  await sleep(5);
  expect(count).toBe(4);
  await queue.stop();
});

it('tries a failure again with growing pauses', async () => {
  const pauses: number[] = [];
  const queue = new WorkQueue({
    concurrency: 1,
    work: async () => {
      throw new Error('no');
    },
    onFailure: (_key, _error, pause) => {
      pauses.push(pause);
    },
  });
  for (let times = 0; times < 4; times += 1) {
    queue.add('a');
    await sleep(1);
  }
  for (const [index, pause] of pauses.entries()) {
    expect(pause).toBeGreaterThanOrEqual(250 * 2 ** index);
    expect(pause).toBeLessThanOrEqual(500 * 2 ** index);
  }
  expect(pauses).toHaveLength(4);
  await queue.stop();
});

it('ends after what it is working on', async () => {
  const { opened, open } = gate();
  let done = false;
  const queue = new WorkQueue({
    concurrency: 1,
    work: async () => {
      await opened;
      done = true;
      return {};
    },
    onFailure: () => undefined,
  });
  queue.add('a');
  const stopped = queue.stop();
  queue.add('b');
  open();
  await stopped;
  expect(done).toBe(true);
});

it('gives the groups turns, and in a group those that are asked for once turns with those that come back', async () => {
  const worked: string[] = [];
  const { opened, open } = gate();
  const queue = new WorkQueue({
    concurrency: 1,
    groupOf: (key) => key.split('/')[0] ?? '',
    isRecurring: (key) => key.includes('watch'),
    work: async (key) => {
      worked.push(key);
      await opened;
      return {};
    },
    onFailure: () => undefined,
  });
  for (const key of ['a/watch1', 'a/watch2', 'a/watch3', 'a/watch4', 'a/once1', 'a/once2', 'b/watch1', 'b/once1'])
    queue.add(key);
  open();
  await sleep(20);
  expect(worked).toEqual(['a/watch1', 'a/once1', 'b/once1', 'a/watch2', 'b/watch1', 'a/once2', 'a/watch3', 'a/watch4']);
});

it('works on another key where one only waits, and never twice on one', async () => {
  const worked: string[] = [];
  const { opened, open } = gate();
  const queue = new WorkQueue({
    concurrency: 1,
    work: async (key, giveUpPlace) => {
      worked.push(key);
      if (key === 'waits') {
        giveUpPlace();
        giveUpPlace();
        await opened;
      }
      return {};
    },
    onFailure: () => undefined,
  });
  queue.add('waits');
  queue.add('a');
  queue.add('waits');
  await sleep(5);
  expect(worked).toEqual(['waits', 'a']);
  open();
  await sleep(5);
  expect(worked).toEqual(['waits', 'a', 'waits']);
});

it('knows how much waits, and for how long', async () => {
  const { opened, open } = gate();
  const queue = new WorkQueue({
    concurrency: 1,
    work: async () => {
      await opened;
      return {};
    },
    onFailure: () => undefined,
  });
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  expect(queue.backlog()).toEqual({ keys: 0, milliseconds: 0 });
  for (const key of ['a', 'b', 'c']) queue.add(key);
  vi.setSystemTime(Date.now() + 15);
  expect(queue.backlog()).toEqual({ keys: 2, milliseconds: 15 });
  open();
  await queue.stop();
});
