/** A network namespace for one test: made for one shell script, gone with its last process. */
import { accessSync, constants } from 'node:fs';
import { execa } from 'execa';
import { findExecutable, fullPath } from '../cluster/requirements.ts';

/** Why kernel tests cannot run here; undefined where they can. */
export function kernelUnavailable(tools: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return `the kernel tests need Linux (this is ${process.platform})`;
  if (process.getuid?.() !== 0) return 'the kernel tests need root, to make network namespaces';
  const missing = ['unshare', ...tools].filter((tool) => findExecutable(tool) === undefined);
  if (missing.length > 0)
    return `the kernel tests need ${missing.join(', ')} (npm run cluster -- packages installs them)`;
  try {
    accessSync('/proc/self/ns/net', constants.R_OK);
  } catch {
    return 'the kernel tests need network namespaces';
  }
  return undefined;
}

/** Runs a shell script in a network namespace of its own; the machine's own network is not touched. */
export async function inNamespace(script: string, input = '', timeout = 30_000): Promise<string> {
  const { stdout } = await execa('unshare', ['--net', '--mount', 'sh', '-euc', script], {
    input,
    env: { PATH: fullPath() },
    timeout,
  });
  return stdout;
}
