import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { existingGroups, groupMembers, removeGroups } from './cgroups.ts';
import { Components } from './components.ts';
import { stateDirectory } from './paths.ts';
import { identify, isAlive, signalProcess } from './process-identity.ts';

/** What there is of a cluster on this machine; all empty when there is nothing. */
export interface Leftovers {
  /** `PID COMMAND` each. */
  readonly processes: readonly string[];
  /** Mount points in any mount namespace. */
  readonly mounts: readonly string[];
  /** Network namespaces, such as `net:[4026532345]`, that the processes are in and this process is not. */
  readonly networkNamespaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly directories: readonly string[];
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** A file or link of /proc/PID, or undefined when the process has ended meanwhile. */
function readProcess(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

const namespaceOf = (pid: number | 'self', kind: 'net' | 'mnt'): string | undefined =>
  readProcess(() => readlinkSync(`/proc/${String(pid)}/ns/${kind}`));

/** The processes of the cluster: members of its control groups, recorded ones, and any whose root or files are its own. */
function clusterProcesses(name: string): number[] {
  const found = new Set(groupMembers(name));
  for (const record of new Components(name, stateDirectory(name)).list()) if (isAlive(record)) found.add(record.pid);
  return [...found].filter((pid) => {
    const identity = identify(pid);
    return identity !== undefined && isAlive(identity);
  });
}

/** Mount points of, or from, the cluster's directory, in every mount namespace of the machine. */
function clusterMounts(name: string): string[] {
  const directory = stateDirectory(name);
  const seen = new Set<string>();
  const mounts = new Set<string>();
  for (const pid of allPids()) {
    const namespace = namespaceOf(pid, 'mnt');
    if (namespace === undefined || seen.has(namespace)) continue;
    seen.add(namespace);
    const table = readProcess(() => readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8')) ?? '';
    for (const line of table.split('\n')) {
      // Field 4 is the directory of the file system that is mounted, field 5 is where.
      const [, , , root = '', point = ''] = line.split(' ');
      if ([root, point].some((path) => path === directory || path.startsWith(`${directory}/`))) mounts.add(point);
    }
  }
  return [...mounts];
}

/**
 * Lists what there is of a cluster on this machine, whether it runs or was left behind.
 * @param name of the cluster
 */
export function findLeftovers(name: string): Leftovers {
  const pids = clusterProcesses(name);
  const own = namespaceOf('self', 'net');
  const namespaces = new Set(pids.map((pid) => namespaceOf(pid, 'net')).filter((namespace) => namespace !== undefined));
  const directory = stateDirectory(name);
  return {
    processes: pids.map((pid) => {
      const command = readProcess(() => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')) ?? '';
      return `${String(pid)} ${command.replaceAll('\0', ' ').trim()}`;
    }),
    mounts: clusterMounts(name),
    networkNamespaces: [...namespaces].filter((namespace) => namespace !== own),
    cgroups: existingGroups(name),
    directories: existsSync(directory) ? [directory] : [],
  };
}

/** Whether nothing is left. */
export function isNothing(leftovers: Leftovers): boolean {
  return [
    leftovers.processes,
    leftovers.mounts,
    leftovers.networkNamespaces,
    leftovers.cgroups,
    leftovers.directories,
  ].every((list) => list.length === 0);
}

/** Ends the cluster's processes, those that they start meanwhile too. */
async function killAll(name: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const pids = clusterProcesses(name);
    if (pids.length === 0) return;
    if (Date.now() > deadline) {
      throw new Error(`Processes of the cluster "${name}" do not end: ${pids.join(', ')}.`);
    }
    for (const pid of pids) {
      // Membership or record was just read, so the identity taken now is of the process that was meant.
      const identity = identify(pid);
      if (identity) signalProcess(identity, 'SIGKILL');
    }
    await sleep(20);
  }
}

/**
 * Ends and removes all that there is of a cluster, whatever state it is in. Namespaces, interfaces,
 * rules and mounts go with the last process that is in them.
 * @param name of the cluster
 * @throws {Error} when something does not go
 */
export async function removeCluster(name: string): Promise<void> {
  await killAll(name);
  await removeGroups(name);
  const directory = stateDirectory(name);
  const status = lstatSync(directory, { throwIfNoEntry: false });
  if (!status) return;
  if (!status.isDirectory() || status.uid !== process.getuid?.()) {
    throw new Error(
      `${directory} is not a directory of this user, so it is left alone; remove it, or use another name.`,
    );
  }
  // The kernel takes a dead namespace's mounts away on its own time.
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
