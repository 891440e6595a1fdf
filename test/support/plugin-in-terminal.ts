/** The bundled plugin in a real terminal, without a cluster. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, type TestContext } from 'vitest';
import { findExecutable, fullPath } from '../cluster/requirements.ts';
import { openTerminal, type Terminal } from './terminal.ts';

/** Skips the test where there is no tmux, and says so. */
export function needTmux({ skip }: Pick<TestContext, 'skip'>): void {
  if (process.platform === 'win32' || findExecutable('tmux') === undefined) skip('the terminal tests need tmux');
}

/**
 * Runs `kubectl-svctrace ARGS` in a terminal; the shell says its exit status after it.
 * @param env beside the test's own
 */
export async function openPlugin(
  args: string,
  size: { readonly columns: number; readonly rows: number },
  env: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
  const home = mkdtempSync(join(tmpdir(), 'svctrace-home-'));
  const terminal = await openTerminal(
    `${process.execPath} ${join(inject('plugin'), 'kubectl-svctrace.mjs')} ${args}; echo "status $?"`,
    { ...size, env: { HOME: home, KUBECONFIG: '', PATH: fullPath(), NO_COLOR: '', ...env } },
  );
  return {
    ...terminal,
    async close() {
      await terminal.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
