import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ClusterUnavailableError } from './unavailable.ts';

/** A tool that the machine must have, what for, and the Debian package it is in. */
interface Tool {
  readonly name: string;
  readonly package: string;
  readonly why: string;
}

/** Where Debian keeps the network plugins of containers. */
const cniDirectories = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'] as const;

const tools: readonly Tool[] = [
  { name: 'xtables-nft-multi', package: 'iptables', why: "kube-proxy's iptables mode on nf_tables" },
  { name: 'xtables-legacy-multi', package: 'iptables', why: "kube-proxy's iptables mode on the legacy tables" },
  { name: 'nft', package: 'nftables', why: "kube-proxy's nftables mode" },
  { name: 'conntrack', package: 'conntrack', why: 'kube-proxy clears stale UDP entries with it, tests read entries' },
  { name: 'dumpcap', package: 'wireshark-common', why: 'the probe captures packets with it' },
  { name: 'perl', package: 'perl-base', why: "the probe reads kube-proxy's nftables mode through its netlink socket" },
  { name: 'ip', package: 'iproute2', why: 'joins the network namespaces' },
  { name: 'runc', package: 'runc', why: 'containerd runs containers with it' },
  { name: 'nsenter', package: 'util-linux', why: 'starts programs in the namespaces' },
  { name: 'unshare', package: 'util-linux', why: 'makes the namespaces' },
  { name: 'flock', package: 'util-linux', why: 'keeps two runs from building or starting the same thing' },
  { name: 'mount', package: 'mount', why: 'gives each node directories of its own' },
];

/** Directories that hold administrators' tools and are often missing in PATH. */
const administratorDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** PATH with the directories of administrators' tools. */
export function fullPath(): string {
  return [process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin', ...administratorDirectories].join(delimiter);
}

/** The full path of a program that PATH (or an administrators' directory) has, else undefined. */
export function findExecutable(name: string): string | undefined {
  for (const directory of fullPath().split(delimiter)) {
    if (!directory) continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** The directory with the CNI plugins that the nodes use, or undefined. */
export function findCniDirectory(): string | undefined {
  return cniDirectories.find(
    (directory) => existsSync(join(directory, 'ptp')) && existsSync(join(directory, 'host-local')),
  );
}

/** Debian packages that are not installed and needed, each with the reason. */
export function missingPackages(): { package: string; why: string }[] {
  const missing = tools
    .filter((tool) => findExecutable(tool.name) === undefined)
    .map((tool) => ({ package: tool.package, why: `${tool.name}: ${tool.why}` }));
  if (findCniDirectory() === undefined) {
    missing.push({ package: 'containernetworking-plugins', why: 'ptp and host-local: the network of the pods' });
  }
  return missing;
}

/** Whether namespaces and mounts can be made: CAP_SYS_ADMIN, bit 21 of the effective capabilities, allows it. */
function mayAdminister(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> 21n) & 1n) === 1n;
}

/**
 * What this machine lacks to run the cluster; looks only, changes nothing.
 * @returns `missing` holds one clause for each lack
 */
export function clusterRequirements(): { ok: boolean; missing: string[] } {
  if (process.platform !== 'linux') return { ok: false, missing: [`Linux (this is ${process.platform})`] };
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root (network namespaces and mounts are made)');
  else if (!mayAdminister()) missing.push('the capability CAP_SYS_ADMIN (network namespaces and mounts are made)');
  if (findExecutable('go') === undefined) missing.push('Go (Kubernetes is compiled from its Go modules)');
  for (const lack of missingPackages()) missing.push(`the package ${lack.package} (${lack.why})`);
  return { ok: missing.length === 0, missing };
}

/** @throws {ClusterUnavailableError} when clusterRequirements() finds something missing */
export function requireCluster(): void {
  const { ok, missing } = clusterRequirements();
  if (!ok)
    throw new ClusterUnavailableError(
      `The test cluster cannot run here, because this is missing: ${missing.join('; ')}.`,
    );
}
