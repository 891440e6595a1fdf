/** The main process of a probe's pod: it waits, takes little memory for it, and ends when it is asked to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';

const main = fileURLToPath(new URL('../../probe/main.ts', import.meta.url));

it('waits as perl, and ends on SIGTERM', { timeout: 60_000 }, async ({ skip }) => {
  if (!existsSync('/proc/self/comm') || !existsSync('/usr/bin/perl')) return skip('there is no /proc, or no perl');
  const child = spawn(process.execPath, [main, 'wait'], { stdio: 'ignore' });
  try {
    await vi.waitFor(
      () => {
        expect(readFileSync(`/proc/${String(child.pid)}/comm`, 'utf8').trim()).toBe('perl');
      },
      { timeout: 50_000, interval: 50 },
    );
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await expect(ended).resolves.toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
