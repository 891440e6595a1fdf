/** Requests to an API server that may not answer. */
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * The API client has no time-out of its own, and the request goes on: its result is not waited for any more.
 * @throws what the request throws; Error where it took longer
 */
export async function withTimeout<Value>(request: Promise<Value>, milliseconds: number): Promise<Value> {
  const ended = new AbortController();
  const timeout = sleep(Math.max(1, milliseconds), undefined, { signal: ended.signal }).then(() => {
    throw new Error(`the API server did not answer within ${String(Math.ceil(milliseconds / 1000))} s`);
  });
  timeout.catch(() => undefined);
  try {
    return await Promise.race([request, timeout]);
  } finally {
    ended.abort();
  }
}
