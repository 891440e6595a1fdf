import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { missingPackages } from './requirements.ts';

/** Whether Debian packages can be installed here: by root, with apt-get. */
export function canInstallPackages(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/**
 * Installs the Debian packages that are missing, after it has printed which and why.
 * @param others packages that are missing besides those of the cluster
 * @throws {Error} when apt-get fails
 */
export function installPackages(others: readonly { readonly package: string; readonly why: string }[] = []): void {
  const missing = [...missingPackages(), ...others];
  if (missing.length === 0) {
    process.stderr.write('Every package that is needed is installed.\n');
    return;
  }
  const names = [...new Set(missing.map((lack) => lack.package))];
  process.stderr.write('These Debian packages are missing, and will be installed with apt-get:\n');
  for (const lack of missing) process.stderr.write(`  ${lack.package}: for ${lack.why}\n`);
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...names]]) {
    const { status, error } = spawnSync('apt-get', args, {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (error) throw error;
    if (status !== 0) throw new Error(`apt-get ${args.join(' ')} ended with status ${String(status)}.`);
  }
}
