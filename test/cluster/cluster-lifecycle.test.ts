/** What the other tests and the demo rely on: a cluster comes up, is what it says, and leaves nothing behind however it ends. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLeftovers, type Leftovers } from './cleanup.ts';
import { attachCluster, startCluster, stopCluster, type Cluster } from './cluster.ts';
import { Components } from './components.ts';
import { buildImage } from './images.ts';
import { stateDirectory } from './paths.ts';
import { signalProcess } from './process-identity.ts';
import { clusterRequirements } from './requirements.ts';

const name = 'lifecycle';
const nothing: Leftovers = { processes: [], mounts: [], networkNamespaces: [], cgroups: [], directories: [] };
const { ok, missing } = clusterRequirements();

/** What the programs of a node make on a real one. */
const directoriesOfNodes = [
  '/etc/cni',
  '/opt/cni',
  '/opt/containerd',
  '/run/containerd',
  '/run/mount',
  '/run/svctrace',
  '/run/xtables.lock',
  '/usr/libexec/kubernetes',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/var/lib/kubelet',
  '/var/log/containers',
  '/var/log/pods',
];

/** Everything of this machine that a careless cluster would change. */
function machine(): string {
  const commands: [string, ...string[]][] = [
    ['ip', '-o', 'link'],
    ['ip', '-o', 'address'],
    ['ip', 'route', 'show', 'table', 'all'],
    ['iptables-nft-save'],
    ['nft', 'list', 'ruleset'],
    [
      'sysctl',
      'net.ipv4.ip_forward',
      'net.ipv6.conf.all.forwarding',
      'net.ipv4.conf.all.route_localnet',
      'net.ipv6.conf.default.accept_dad',
    ],
    ['sysctl', 'vm.overcommit_memory', 'vm.panic_on_oom', 'kernel.panic', 'kernel.panic_on_oops'],
    ['sh', '-c', `ls -d ${directoriesOfNodes.join(' ')} 2>/dev/null; true`],
    ['sh', '-c', 'cut -d" " -f5 /proc/self/mountinfo | grep -v ^/run/netns'],
  ];
  // The lifetimes of addresses count down by themselves.
  return commands
    .map(([program, ...args]) => execFileSync(program, args, { encoding: 'utf8' }).replaceAll(/valid_lft.*$/gm, ''))
    .join('\n');
}

/** Starts the command line's `up` and resolves as soon as it has started the nodes. */
async function startUp(): Promise<{ kill: (signal: NodeJS.Signals) => Promise<number | null> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cli.ts'), 'up', '--name', name], {
    stdio: 'ignore',
  });
  const components = new Components(name, stateDirectory(name));
  while (components.find('node-b.containerd') === undefined) {
    if (child.exitCode !== null) throw new Error(`"up" ended with status ${child.exitCode}.`);
    await sleep(20);
  }
  return {
    kill: async (signal) => {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}

describe.skipIf(!ok)(`a cluster's life${ok ? '' : ` (needs ${missing.join('; ')})`}`, () => {
  let before: string;
  let cluster: Cluster;

  beforeAll(async () => {
    await stopCluster(name);
    before = machine();
  });

  afterAll(async () => {
    await stopCluster(name);
  });

  it('leaves nothing when its start is interrupted', async () => {
    const up = await startUp();
    expect(await up.kill('SIGINT')).toBe(1);
    expect(findLeftovers(name)).toEqual(nothing);
  });

  it('comes up over the remains of a start that was killed', async () => {
    const up = await startUp();
    await up.kill('SIGKILL');
    expect(findLeftovers(name).processes).not.toEqual([]);
    await expect(attachCluster(name)).rejects.toThrow(/No cluster "lifecycle" runs here/);
    cluster = await startCluster({ name });
    const { stdout } = await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}']);
    expect(stdout).toBe('node-a node-b node-c');
  });

  it('is found running, and not started twice', async () => {
    const pids = new Components(name, stateDirectory(name)).list().map(({ pid }) => pid);
    const again = await startCluster({ name });
    expect(again.kubeconfigPath).toBe(cluster.kubeconfigPath);
    expect(new Components(name, stateDirectory(name)).list().map(({ pid }) => pid)).toEqual(pids);
  });

  it.each([
    { node: 'node-a', save: 'iptables-nft-save', mode: 'iptables', finds: 'nf_tables' },
    { node: 'node-b', save: 'nft list ruleset', mode: 'nftables', finds: 'nf_tables' },
    { node: 'node-c', save: 'iptables-legacy-save', mode: 'iptables', finds: 'legacy' },
  ])("$node has kube-proxy's rules in $save", async ({ node, save, mode, finds }) => {
    const { exec } = cluster.node(node);
    expect((await exec(['sh', '-c', save])).stdout).toContain('kube-system/kube-dns');
    expect((await exec(['iptables', '--version'])).stdout).toContain(`(${finds})`);
    expect((await exec(['hostname'])).stdout).toBe(node);
    expect(cluster.node(node).proxyMode).toBe(mode);
  });

  it('runs an image made of a text and a program of this machine', async () => {
    const tar = await buildImage({
      name: 'svctrace/lifecycle:test',
      files: [
        { path: '/testpod', from: cluster.programs.testpod, mode: 0o755 },
        { path: '/etc/greeting', content: 'hello\n' },
      ],
      symlinks: [{ path: '/also-testpod', target: 'testpod' }],
      entrypoint: ['/also-testpod'],
    });
    await cluster.loadImage(tar, ['node-b']);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'own-image' },
      spec: {
        nodeName: 'node-b',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: 'svctrace/lifecycle:test', imagePullPolicy: 'Never', args: ['sleep'] }],
      },
    };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) });
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/own-image', '--timeout=30s']);
    const { stdout } = await cluster.kubectl([
      'exec',
      'own-image',
      '--',
      '/also-testpod',
      'resolve',
      'kubernetes.default',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, addresses: ['10.96.0.1'] });
  });

  it('knows users who may do nothing', async () => {
    const { stderr, exitCode } = await cluster.kubectl(['get', 'pods'], { user: 'nobody', reject: false });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('User "nobody" cannot list resource "pods"');
  });

  it('stops, pauses and starts kube-proxy, and its rules stay', async () => {
    const node = cluster.node('node-a');
    const ask = `await fetch('http://127.0.0.1:10249/proxyMode', { signal: AbortSignal.timeout(1000) })`;
    const answers = async (): Promise<boolean> =>
      (await node.exec([process.execPath, '--input-type=module', '--eval', ask], { reject: false })).exitCode === 0;
    node.pauseKubeProxy();
    expect(await answers()).toBe(false);
    node.resumeKubeProxy();
    expect(await answers()).toBe(true);
    await node.stopKubeProxy();
    expect(await answers()).toBe(false);
    expect((await node.exec(['iptables-save', '-t', 'nat'])).stdout).toContain('kube-system/kube-dns');
    await (await attachCluster(name)).node('node-a').startKubeProxy();
    await expect.poll(answers, { timeout: 15_000 }).toBe(true);
  });

  it('is not taken for a whole one when a component was killed, and goes without a trace', async () => {
    const namespaces = findLeftovers(name).networkNamespaces;
    expect(namespaces.length).toBeGreaterThanOrEqual(4);
    const containerd = new Components(name, stateDirectory(name)).find('node-c.containerd');
    if (!containerd) throw new Error('There is no record of node-c.containerd.');
    signalProcess(containerd, 'SIGKILL');
    await expect
      .poll(async () =>
        attachCluster(name).then(
          () => 'whole',
          (error: Error) => error.message,
        ),
      )
      .toMatch(/Not all of/);
    await cluster.down();
    expect(findLeftovers(name)).toEqual(nothing);
    const inUse = execFileSync('sh', ['-c', 'readlink /proc/[0-9]*/ns/net; true'], { encoding: 'utf8' });
    for (const namespace of namespaces) expect(inUse).not.toContain(namespace);
    expect(existsSync(stateDirectory(name))).toBe(false);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(stateDirectory(name));
  });

  it('has changed nothing of the machine', () => {
    expect(machine()).toBe(before);
  });
});
