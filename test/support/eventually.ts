/** For tests of what takes its time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again until `check` does not reject; the last error is thrown when it still does after `seconds`. */
export async function eventually<Value>(check: () => Promise<Value>, seconds = 60): Promise<Value> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(250);
    }
  }
}
