import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AuthorizerBusyError, requestAuthorizer, type Reviews } from '../../operator/request-authorizer.ts';

let asked: string[];
let reviews: Reviews;
let decide: ReturnType<typeof requestAuthorizer>;
let may: boolean;
let failure: Error | undefined;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  asked = [];
  may = true;
  failure = undefined;
  reviews = {
    userOf: async (token) => {
      asked.push(`whose ${token}`);
      if (failure !== undefined) throw failure;
      return token.startsWith('good') ? { username: token } : undefined;
    },
    mayGet: async ({ username }, path) => {
      asked.push(`may ${username ?? ''} ${path}`);
      return may;
    },
  };
  decide = requestAuthorizer(reviews, '/metrics');
});
afterEach(() => {
  vi.useRealTimers();
});

it('lets those in alone whom both reviews let in, and asks again after a minute', async () => {
  expect(await decide('good')).toBe('allowed');
  expect(await decide('good')).toBe('allowed');
  expect(asked).toEqual(['whose good', 'may good /metrics']);
  may = false;
  vi.advanceTimersByTime(59_000);
  expect(await decide('good')).toBe('allowed');
  vi.advanceTimersByTime(2000);
  expect(await decide('good')).toBe('forbidden');
});

it('asks again soon about those who may not', async () => {
  may = false;
  expect(await decide('good')).toBe('forbidden');
  expect(await decide('bad')).toBe('unauthenticated');
  expect(await decide('bad')).toBe('unauthenticated');
  expect(asked).toEqual(['whose good', 'may good /metrics', 'whose bad']);
  vi.advanceTimersByTime(11_000);
  may = true;
  expect(await decide('good')).toBe('allowed');
});

it('lets nobody in where the API server does not say so, and does not remember that', async () => {
  failure = new Error('the API server did not answer');
  await expect(decide('good')).rejects.toThrow('did not answer');
  failure = undefined;
  expect(await decide('good')).toBe('allowed');
});

it('asks once for those who come at the same time, and a bounded number at a time', async () => {
  expect(await Promise.all([decide('good'), decide('good'), decide('good')])).toEqual([
    'allowed',
    'allowed',
    'allowed',
  ]);
  expect(asked).toHaveLength(2);
  const results = await Promise.allSettled(Array.from({ length: 100 }, (_, index) => decide(`bad-${String(index)}`)));
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused.length).toBe(80);
  for (const { reason } of refused) expect(reason).toBeInstanceOf(AuthorizerBusyError);
});

it('forgets the oldest of many, so that a flood of tokens takes no memory', async () => {
  await decide('good');
  for (let index = 0; index < 200; index += 1) await decide(`bad-${String(index)}`);
  asked = [];
  await decide('bad-199');
  expect(asked).toEqual([]);
  await decide('good');
  expect(asked).toHaveLength(2);
});
