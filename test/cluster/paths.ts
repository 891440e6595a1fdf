import { createHash } from 'node:crypto';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** The cluster that is meant when no name is given. */
export const defaultName = 'svctrace';

/**
 * Where what survives a cluster is kept: compiled programs, image layers, locks.
 * @returns `SVCTRACE_CACHE`, or `kubectl-svctrace` in the user's cache directory
 */
export function cacheDirectory(): string {
  const own = process.env['SVCTRACE_CACHE'];
  if (own) return own;
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kubectl-svctrace');
}

/**
 * Where everything of one running cluster is: logs, keys, records of its processes, its nodes' disks.
 * It is in the directory for temporary files and not in the one for runtime files, because the nodes'
 * disks hold hundreds of megabytes that do not belong in memory, and because another shell of the
 * same user, with another environment, must find it as well.
 * @param name of the cluster
 * @throws {Error} when the name would not do as a part of a path and of a cgroup's name
 */
export function stateDirectory(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `"${name}" cannot be a cluster's name: use at most 32 lower case letters, digits and inner dashes.`,
    );
  }
  return join(tmpdir(), `svctrace-cluster-${name}`);
}

/** The first 16 hexadecimal digits of the SHA-256 of some strings, each separated from the next. */
export function shortHash(parts: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${String(Buffer.byteLength(part))}:${part}`);
  return hash.digest('hex').slice(0, 16);
}
