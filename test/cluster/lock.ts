import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from './paths.ts';

/**
 * Runs work while no other process on this machine runs work under the same lock name.
 *
 * The kernel holds the lock for a child that ends when its input does, so the lock is released
 * when this process ends in any way, kill -9 included, and no stale lock can remain.
 * @param name part of the lock file's name
 * @param work what to run
 * @param options `signal` ends the waiting; `onWait` is called once when another process has the lock
 */
export async function withLock<T>(
  name: string,
  work: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; onWait?: () => void } = {},
): Promise<T> {
  const directory = join(cacheDirectory(), 'locks');
  mkdirSync(directory, { recursive: true });
  options.signal?.throwIfAborted();
  // A session of its own: an interrupt from the terminal must not release the lock before its owner has cleaned up.
  const holder = spawn('flock', [join(directory, `${name}.lock`), 'sh', '-c', 'echo held; exec cat'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(holder, 'exit');
  const waiting = setTimeout(() => options.onWait?.(), 300);
  try {
    const aborted = new Promise<never>((_, reject) => {
      options.signal?.addEventListener('abort', () => {
        holder.kill();
        const reason: unknown = options.signal?.reason;
        reject(reason instanceof Error ? reason : new Error('The waiting for a lock was ended.'));
      });
    });
    aborted.catch(() => undefined);
    const refused = ended.then(() => {
      throw new Error(`The lock "${name}" cannot be taken: flock ended with status ${String(holder.exitCode)}.`);
    });
    refused.catch(() => undefined);
    await Promise.race([once(holder.stdout, 'data'), refused, aborted]);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    holder.stdout.destroy();
    await ended.catch(() => undefined);
  }
}
