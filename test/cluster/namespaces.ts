import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { enterCommand, type Components } from './components.ts';
import { network, nodePlans, type NodePlan } from './topology.ts';

/*
 * A node is a network namespace, a mount namespace and a host name, kept by one process that sleeps.
 * No namespace has a name in the file system: when the processes of a cluster are gone, the kernel
 * takes the namespaces, the interfaces, the rules and every mount away with them.
 */

/** Where a node finds its programs and its configuration: below its own /run. */
export const nodeConfigDirectory = '/run/svctrace';

/**
 * Values that a kubelet wants the kernel to have. They are the machine's, not the namespace's, so a
 * node is shown files of its own in their place: kubelet finds what it wants and changes nothing.
 */
const kubeletSysctls = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
} as const;

/** A program that a node has in its own directory of programs. */
export interface NodeProgram {
  readonly name: string;
  readonly path: string;
}

/** Directory on the machine that holds what a node has below /run, /var/lib and /var/log. */
export function nodeDisk(stateDirectory: string, node: string): string {
  return join(stateDirectory, node);
}

/** Path on the machine of a file of the node's configuration. */
export function nodeConfigPath(stateDirectory: string, node: string, file: string): string {
  return join(nodeDisk(stateDirectory, node), 'run/svctrace', file);
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The shell commands with which a node's mounts are made, run inside its new namespaces. */
function nodeSetup(plan: NodePlan, disk: string, programs: readonly NodeProgram[]): string {
  // Without -n, mount keeps notes in /run/mount, which is the machine's until /run is the node's own.
  const bind = (from: string, to: string): string => `mount -n --bind ${quote(from)} ${quote(to)}`;
  return [
    'set -e',
    // Nothing of ours reaches the machine's mounts, but a pod's may reach the node's.
    'mount -n --make-rprivate /',
    'mount -n --make-rshared /',
    `hostname ${plan.name}`,
    ...Object.keys(kubeletSysctls).map((key) =>
      bind(join(disk, 'sysctl', key.replaceAll('/', '.')), `/proc/sys/${key}`),
    ),
    ...programs.map(({ name, path }) => bind(path, join(disk, 'run/svctrace/bin', name))),
    bind(join(disk, 'var-log'), '/var/log'),
    bind(join(disk, 'var-lib'), '/var/lib'),
    // Recursively: the programs are mounted inside.
    `mount -n --rbind ${quote(join(disk, 'run'))} /run`,
    ': > /run/svctrace/ready',
    'exec sleep infinity',
  ].join('\n');
}

/** Makes the directories and files that the node's mounts need. */
function createDisk(plan: NodePlan, disk: string, programs: readonly NodeProgram[]): void {
  for (const directory of ['run/svctrace/bin', 'run/lock', 'var-lib', 'var-log', 'sysctl']) {
    mkdirSync(join(disk, directory), { recursive: true });
  }
  for (const [key, value] of Object.entries(kubeletSysctls))
    writeFileSync(join(disk, 'sysctl', key.replaceAll('/', '.')), `${value}\n`);
  for (const { name } of programs) writeFileSync(join(disk, 'run/svctrace/bin', name), '', { mode: 0o755 });
}

/** Runs a shell script in a process's network namespace; an error of any command ends it. */
export async function runInNetwork(pid: number, lines: readonly string[]): Promise<void> {
  const [program = '', ...args] = enterCommand(pid, false, ['sh', '-ec', lines.join('\n')]);
  await execa(program, args);
}

/** Duplicate address detection would delay every IPv6 address by a second or more, for nothing: nobody else is here. */
export const noAddressDetection = 'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0';

/**
 * Every rejected connection gets an ICMP error: with the kernel's limits, some would be timeouts. icmp_ratelimit is the limit for
 * each destination. The namespace's limit for all of them together (icmp_msgs_burst, 50) has no switch of its own, but no
 * message counts that no mask names.
 */
const noIcmpLimit =
  "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratemask=''";

/** Starts the process that keeps the control plane's network namespace; returns its pid. */
export async function createControlPlaneNamespace(components: Components): Promise<number> {
  const { pid } = await components.start({ name: 'control-plane', command: ['unshare', '--net', 'sleep', 'infinity'] });
  await components.waitUntil('the network namespace of the control plane', () => differsFromOwn(pid), {
    timeout: 10_000,
    interval: 5,
  });
  await runInNetwork(pid, [
    noAddressDetection,
    noIcmpLimit,
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
    'ip link set lo up',
    'ip link add fabric type bridge',
    'ip link set fabric up',
    `ip address add ${network.controlPlaneIp}/${String(network.nodePrefixLength)} dev fabric`,
    `ip address add ${network.controlPlaneIpv6}/${String(network.nodePrefixLengthIpv6)} dev fabric nodad`,
    ...nodePlans.flatMap(routesTo),
  ]);
  return pid;
}

/** Whether the process has left the network namespace that this process is in. */
export async function differsFromOwn(pid: number): Promise<boolean> {
  const { stdout } = await execa('readlink', ['/proc/self/ns/net', `/proc/${String(pid)}/ns/net`]);
  const [own, other] = stdout.split('\n');
  return own !== other;
}

/** How others reach the pods of a node. */
function routesTo(plan: NodePlan): string[] {
  return [`ip route add ${plan.podCIDRs[0]} via ${plan.ip}`, `ip -6 route add ${plan.podCIDRs[1]} via ${plan.ipv6}`];
}

/**
 * Starts the process that keeps a node's namespaces and joins the node to the control plane's bridge.
 * @returns its pid
 */
export async function createNodeNamespace(
  components: Components,
  plan: NodePlan,
  stateDirectory: string,
  controlPlanePid: number,
  programs: readonly NodeProgram[],
): Promise<number> {
  const disk = nodeDisk(stateDirectory, plan.name);
  createDisk(plan, disk, programs);
  const { pid } = await components.start({
    name: `${plan.name}.namespaces`,
    command: ['unshare', '--net', '--mount', '--uts', 'sh', '-c', nodeSetup(plan, disk, programs)],
  });
  const ready = join(disk, 'run/svctrace/ready');
  await components.waitUntil(`the mounts of ${plan.name}`, () => existsSync(ready), { timeout: 10_000, interval: 10 });
  await runInNetwork(controlPlanePid, [
    `ip link add ${plan.name} type veth peer name eth0 netns ${String(pid)}`,
    `ip link set ${plan.name} master fabric up`,
  ]);
  await runInNetwork(pid, [
    noAddressDetection,
    noIcmpLimit,
    // What kubelet's documentation asks of a node.
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
    'ip link set lo up',
    'ip link set eth0 up',
    `ip address add ${plan.ip}/${String(network.nodePrefixLength)} dev eth0`,
    `ip address add ${plan.ipv6}/${String(network.nodePrefixLengthIpv6)} dev eth0 nodad`,
    // Like any node's: what is not in the cluster is beyond the router (which leads nowhere).
    `ip route add default via ${network.controlPlaneIp}`,
    `ip -6 route add default via ${network.controlPlaneIpv6}`,
    ...nodePlans.filter((other) => other.name !== plan.name).flatMap(routesTo),
  ]);
  return pid;
}
