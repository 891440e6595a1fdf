import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Every process of a cluster, the pods' included, lives below one control group of its own, so that
 * all of them are found and ended for sure, whoever started them and whatever was recorded.
 */
function clusterGroup(name: string): string {
  return `/svctrace-cluster-${name}`;
}

/** The group below which a node's kubelet keeps its pods. */
export function nodeGroup(name: string, node: string): string {
  return `${clusterGroup(name)}/${node}`;
}

interface Hierarchy {
  readonly mountPoint: string;
  readonly unified: boolean;
  /** Version 1 only: the controllers, such as `pids` or `name=systemd`. */
  readonly controllers: readonly string[];
}

/** The mounted cgroup hierarchies of the machine, both versions. */
function hierarchies(): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, mountPoint, type, options] = line.split(' ');
    if (mountPoint === undefined || options === undefined) continue;
    if (type === 'cgroup2') found.push({ mountPoint, unified: true, controllers: [] });
    if (type === 'cgroup') found.push({ mountPoint, unified: false, controllers: options.split(',') });
  }
  return found;
}

/** The hierarchy whose membership shows which processes are ours: it limits nothing, so joining it changes nothing else. */
function trackingHierarchy(): Hierarchy {
  const all = hierarchies();
  const versionOne = all.filter((hierarchy) => !hierarchy.unified);
  const chosen =
    versionOne.find((hierarchy) => hierarchy.controllers.includes('pids')) ??
    versionOne.find((hierarchy) => hierarchy.controllers.includes('freezer')) ??
    all.find((hierarchy) => hierarchy.unified);
  if (!chosen) throw new Error('No cgroup hierarchy is mounted that processes can be tracked in.');
  return chosen;
}

/** The file that a process of the cluster's own (not a pod's) writes its pid into to join. */
export function membershipFile(name: string): string {
  return join(trackingHierarchy().mountPoint, clusterGroup(name), 'system', 'cgroup.procs');
}

/** A new version 1 cpuset group is empty, and takes no process until it has what its parent has. */
function inheritCpuset(directory: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const path = join(directory, file);
    if (existsSync(path) && readFileSync(path, 'utf8').trim() === '') {
      writeFileSync(path, readFileSync(join(directory, '..', file), 'utf8').trim());
    }
  }
}

/** In version 2 the children have only the controllers that the parent hands on. */
function handOnControllers(directory: string): void {
  const wordsOf = (file: string): string[] => readFileSync(join(directory, file), 'utf8').trim().split(' ');
  const handedOn = wordsOf('cgroup.subtree_control');
  for (const controller of wordsOf('cgroup.controllers')) {
    if (controller && !handedOn.includes(controller))
      writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/**
 * What all pods of a cluster weigh together, in processes of the machine: a group has as much of the processors as one
 * process beside it, and probes would not answer in time beside a compiler.
 */
const weight = 16;

/** @param directory the cluster's group of one hierarchy */
function weigh(directory: string): void {
  const files = { 'cpu.shares': 1024 * weight, 'cpu.weight': 100 * weight };
  for (const [file, value] of Object.entries(files))
    if (existsSync(join(directory, file))) writeFileSync(join(directory, file), String(value));
}

/**
 * Makes the cluster's groups in every hierarchy.
 * @param name of the cluster
 * @param nodes names of its nodes
 */
export function createGroups(name: string, nodes: readonly string[]): void {
  const tracking = trackingHierarchy().mountPoint;
  for (const hierarchy of hierarchies()) {
    const root = join(hierarchy.mountPoint, clusterGroup(name));
    if (hierarchy.unified) handOnControllers(hierarchy.mountPoint);
    mkdirSync(root, { recursive: true });
    if (hierarchy.unified) handOnControllers(root);
    else inheritCpuset(root);
    weigh(root);
    for (const node of nodes) {
      const directory = join(root, node);
      mkdirSync(directory, { recursive: true });
      if (!hierarchy.unified) inheritCpuset(directory);
    }
    if (hierarchy.mountPoint === tracking) mkdirSync(join(root, 'system'), { recursive: true });
  }
}

/** A directory and all below it, the deepest first. */
function descendants(directory: string): string[] {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // It went away meanwhile, or was never there.
  }
  const below = entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => descendants(join(directory, entry.name)));
  return [...below, directory];
}

/** The cluster's cgroup directories that exist, in all hierarchies, the deepest first. */
export function existingGroups(name: string): string[] {
  return hierarchies().flatMap((hierarchy) => descendants(join(hierarchy.mountPoint, clusterGroup(name))));
}

/** The pids of all processes in the cluster's groups, those of its pods included. */
export function groupMembers(name: string): number[] {
  const members = new Set<number>();
  for (const directory of existingGroups(name)) {
    try {
      for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
        if (pid) members.add(Number(pid));
      }
    } catch {
      continue; // The group was removed between the listing and the reading.
    }
  }
  return [...members];
}

/**
 * Removes the cluster's groups; all their processes must have been killed.
 * @throws {Error} when one is still in use after ten seconds
 */
export async function removeGroups(name: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    let last: unknown;
    for (const directory of existingGroups(name)) {
      try {
        rmdirSync(directory);
      } catch (error) {
        last = error;
      }
    }
    const left = existingGroups(name);
    if (left.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(`The control group ${left[0] ?? ''} cannot be removed.`, { cause: last });
    await sleep(30);
  }
}
