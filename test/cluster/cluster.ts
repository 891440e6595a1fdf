import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import * as z from 'zod';
import { ApiClient } from './api-client.ts';
import { createCertificates } from './certificates.ts';
import { createGroups } from './cgroups.ts';
import { findLeftovers, isNothing, removeCluster } from './cleanup.ts';
import { ComponentFailedError, Components, enterCommand } from './components.ts';
import { pkiDirectory, startApiServer, startControllers, startEtcd, userKubeconfig } from './control-plane.ts';
import { buildCorednsImage, buildTestpodImage, importImage } from './images.ts';
import { withLock } from './lock.ts';
import { createControlPlaneNamespace, createNodeNamespace } from './namespaces.ts';
import {
  containerdSocket,
  installCredentials,
  kubeProxyName,
  nodePath,
  nodePrograms,
  startContainerd,
  startKubelet,
  startKubeProxy,
  type NodeOptions,
} from './node-components.ts';
import { cacheDirectory, defaultName, stateDirectory } from './paths.ts';
import { isAlive, isStopped, signalProcess, waitForEnd } from './process-identity.ts';
import { buildPrograms, type Programs } from './programs.ts';
import { fullPath, requireCluster } from './requirements.ts';
import { network, nodePlans, users, type NodePlan, type UserName } from './topology.ts';

/** What a command has printed and how it ended. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** How a command is run. */
export interface CommandOptions {
  /** Text for its standard input; without it there is none. */
  readonly input?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it is killed; 60,000 if not given. */
  readonly timeout?: number;
  /** Whether a status other than 0 is an error (it is, if not given). */
  readonly reject?: boolean;
  readonly signal?: AbortSignal;
}

/** How kubectl is run. */
export interface KubectlOptions extends CommandOptions {
  /** Who runs it; admin, if not given. */
  readonly user?: UserName;
  /** Directories searched before PATH, where kubectl finds plugins. */
  readonly pluginDirectories?: readonly string[];
}

/** A node of a running cluster. */
export interface ClusterNode extends NodePlan {
  /** Path of the node's network namespace, for `nsenter --net=`. */
  readonly netns: string;
  /** The process that keeps the node's namespaces. */
  readonly pid: number;
  readonly containerdSocket: string;
  /**
   * Runs a program of this machine as on the node: in its network and mount namespaces, with its iptables.
   * @throws {Error} when it ends with a status other than 0, unless `reject` is false
   */
  exec(argv: readonly [string, ...string[]], options?: CommandOptions): Promise<CommandResult>;
  /** Stops kube-proxy where it is (SIGSTOP): the node's rules go stale. */
  pauseKubeProxy(): void;
  /** Lets a paused kube-proxy go on. */
  resumeKubeProxy(): void;
  /** Ends kube-proxy; its rules stay. */
  stopKubeProxy(): Promise<void>;
  /** Has kube-proxy run, whether it was stopped, paused, killed, or never was. */
  startKubeProxy(): Promise<void>;
}

/** A running cluster. */
export interface Cluster {
  readonly name: string;
  /** Path of admin's kubeconfig; the address in it is on this machine's loopback interface. */
  readonly kubeconfigPath: string;
  readonly nodes: readonly ClusterNode[];
  /** Where the API server is; a client outside the cluster, for NodePorts and the like. */
  readonly controlPlane: {
    readonly netns: string;
    readonly ip: string;
    readonly ipv6: string;
    exec(argv: readonly [string, ...string[]], options?: CommandOptions): Promise<CommandResult>;
  };
  /** The programs that the cluster runs. */
  readonly programs: Programs;
  /** Directory with all logs, one file for each component. */
  readonly logs: string;
  /** Path of a user's kubeconfig. */
  kubeconfigFor(user: UserName): string;
  /** A node by its name; throws when there is none. */
  node(name: string): ClusterNode;
  /** Runs kubectl of the cluster's own version. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** Loads an image that buildImage() made into all nodes, or some. */
  loadImage(tar: string, nodes?: readonly string[]): Promise<void>;
  /** Ends the cluster and removes all of it. */
  down(): Promise<void>;
}

/** How a cluster is started. */
export interface StartOptions {
  /** `svctrace`, if not given. */
  readonly name?: string;
  /** Gets a line of text whenever there is progress to show to people who wait. */
  readonly onProgress?: (line: string) => void;
  /** Ends the start; what was made is removed. */
  readonly signal?: AbortSignal;
}

/** Written last, so its presence says that the cluster has been ready. */
const stateSchema = z.object({
  programs: z.object({
    testpod: z.string(),
    hosttool: z.string(),
    etcd: z.string(),
    containerd: z.string(),
    shim: z.string(),
    ctr: z.string(),
    coredns: z.string(),
    kubernetes: z.string(),
    kubernetesDirectory: z.string(),
  }),
  controlPlanePid: z.int(),
  nodePids: z.record(z.string(), z.int()),
});

type State = z.infer<typeof stateSchema>;

const stateFile = (name: string): string => join(stateDirectory(name), 'state.json');

function readState(name: string): State | undefined {
  if (!existsSync(stateFile(name))) return undefined;
  return stateSchema.parse(JSON.parse(readFileSync(stateFile(name), 'utf8')));
}

async function run(
  argv: readonly string[],
  options: CommandOptions & { cwd?: string; path?: string },
): Promise<CommandResult> {
  const [program = '', ...args] = argv;
  const result = await execa(program, args, {
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    env: { PATH: options.path ?? fullPath(), ...options.env },
    timeout: options.timeout ?? 60_000,
    reject: options.reject ?? true,
    maxBuffer: 512 * 1024 * 1024,
    ...(options.signal && { cancelSignal: options.signal }),
  });
  return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode ?? -1 };
}

function describeNode(name: string, plan: NodePlan, pid: number): ClusterNode {
  const components = new Components(name, stateDirectory(name));
  const options: NodeOptions = { name, plan, components, stateDirectory: stateDirectory(name), namespacePid: pid };
  const proxy = kubeProxyName(plan.name);
  const signal = (sent: NodeJS.Signals): void => {
    const record = components.find(proxy);
    if (!record || !signalProcess(record, sent)) throw new Error(`kube-proxy does not run on ${plan.name}.`);
  };
  return {
    ...plan,
    pid,
    netns: `/proc/${String(pid)}/ns/net`,
    containerdSocket: containerdSocket(pid),
    exec: async (argv, commandOptions = {}) =>
      run(enterCommand(pid, true, argv), { ...commandOptions, path: nodePath() }),
    pauseKubeProxy: () => {
      signal('SIGSTOP');
    },
    resumeKubeProxy: () => {
      signal('SIGCONT');
    },
    stopKubeProxy: async () => {
      const record = components.find(proxy);
      components.forget(proxy);
      if (!record || !signalProcess(record, 'SIGTERM')) return;
      // A paused one gets its SIGTERM when it goes on.
      signalProcess(record, 'SIGCONT');
      if (await waitForEnd(record, 5000)) return;
      signalProcess(record, 'SIGKILL');
      await waitForEnd(record, 5000);
    },
    startKubeProxy: async () => {
      const record = components.find(proxy);
      if (!record || !isAlive(record)) await startKubeProxy(options);
      else if (isStopped(record)) signalProcess(record, 'SIGCONT');
    },
  };
}

function describeCluster(name: string, state: State): Cluster {
  const directory = stateDirectory(name);
  const nodes = nodePlans.map((plan) => {
    const pid = state.nodePids[plan.name];
    if (pid === undefined) throw new Error(`The state of the cluster "${name}" has no ${plan.name}.`);
    return describeNode(name, plan, pid);
  });
  const node = (wanted: string): ClusterNode => {
    const found = nodes.find((candidate) => candidate.name === wanted);
    if (!found) throw new Error(`The cluster has no node "${wanted}".`);
    return found;
  };
  return {
    name,
    kubeconfigPath: userKubeconfig(directory, 'admin'),
    nodes,
    node,
    programs: state.programs,
    logs: join(directory, 'logs'),
    controlPlane: {
      netns: `/proc/${String(state.controlPlanePid)}/ns/net`,
      ip: network.controlPlaneIp,
      ipv6: network.controlPlaneIpv6,
      exec: async (argv, options = {}) => run(enterCommand(state.controlPlanePid, false, argv), options),
    },
    kubeconfigFor: (user) => userKubeconfig(directory, user),
    kubectl: async (args, { user = 'admin', pluginDirectories = [], ...options } = {}) =>
      run(['kubectl', ...args], {
        ...options,
        path: [...pluginDirectories, state.programs.kubernetesDirectory, fullPath()].join(delimiter),
        // Discovery is cached by address, and each start has another: the user's own cache would only grow.
        env: {
          KUBECONFIG: userKubeconfig(directory, user),
          KUBECACHEDIR: join(directory, 'kubectl-cache'),
          ...options.env,
        },
      }),
    loadImage: async (tar, names) => {
      const chosen = names?.map(node) ?? nodes;
      await Promise.all(chosen.map(async (one) => importImage(state.programs.ctr, one.containerdSocket, tar)));
    },
    down: async () => stopCluster(name),
  };
}

/**
 * Whether a cluster that was ready once still runs, and its API server answers. Its kube-proxies need
 * not: tests stop them, and they end by themselves when their Node is deleted.
 */
async function isHealthy(name: string): Promise<boolean> {
  if (!readState(name)) return false;
  const proxies = nodePlans.map((plan) => kubeProxyName(plan.name));
  const records = new Components(name, stateDirectory(name)).list().filter((record) => !proxies.includes(record.name));
  if (!records.every(isAlive)) return false;
  try {
    return await new ApiClient(userKubeconfig(stateDirectory(name), 'admin')).isReady();
  } catch {
    return false;
  }
}

/**
 * A cluster that an earlier start has left running.
 * @param name `svctrace`, if not given
 * @throws {Error} when it does not run, or not all of it
 */
export async function attachCluster(name = defaultName): Promise<Cluster> {
  const state = readState(name);
  if (!state)
    throw new Error(`No cluster "${name}" runs here; start it with: node test/cluster/cli.ts up --name ${name}`);
  if (!(await isHealthy(name))) {
    throw new Error(
      `Not all of the cluster "${name}" runs; start it again with: node test/cluster/cli.ts up --name ${name}`,
    );
  }
  return describeCluster(name, state);
}

const lockName = (name: string): string => `cluster-${name}`;

/**
 * Ends a cluster and removes all of it, in whatever state it is; nothing happens when there is none.
 * @param name `svctrace`, if not given
 */
export async function stopCluster(name = defaultName): Promise<void> {
  await withLock(lockName(name), async () => removeCluster(name));
}

/**
 * Makes the cluster from nothing; the caller has the lock and removes what was made if this fails.
 * @param background gets what is still going on when this fails, and must have ended before the removal
 */
async function create(
  name: string,
  programs: Programs,
  components: Components,
  background: Promise<unknown>[],
  { onProgress, signal }: StartOptions,
): Promise<Cluster> {
  const started = Date.now();
  const log = (line: string): void =>
    onProgress?.(`${((Date.now() - started) / 1000).toFixed(1).padStart(5)} s  ${line}`);
  const directory = stateDirectory(name);
  mkdirSync(directory, { mode: 0o700 });
  createGroups(
    name,
    nodePlans.map((plan) => plan.name),
  );
  // Awaited only where its result is needed; an error until then is not an unhandled one.
  const inBackground = <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => undefined);
    background.push(work);
    return work;
  };
  const images = inBackground(Promise.all([buildTestpodImage(programs.testpod), buildCorednsImage(programs.coredns)]));
  const certificates = inBackground(createCertificates(programs.hosttool, pkiDirectory(directory)));

  const controlPlanePid = await createControlPlaneNamespace(components);
  const controlPlane = { name, components, programs, stateDirectory: directory, namespacePid: controlPlanePid, signal };
  await startEtcd(controlPlane);
  await certificates;
  await startApiServer(controlPlane);
  log('etcd and the API server are starting');

  const prepareNode = async (plan: NodePlan): Promise<NodeOptions> => {
    const namespacePid = await createNodeNamespace(
      components,
      plan,
      directory,
      controlPlanePid,
      nodePrograms(programs),
    );
    const options: NodeOptions = { name, plan, components, stateDirectory: directory, namespacePid };
    await startContainerd(options);
    installCredentials(options);
    return options;
  };
  const nodes = await Promise.all(nodePlans.map((plan) => inBackground(prepareNode(plan))));
  log('the nodes and their containerd are starting');

  const loadImages = async ({ plan, namespacePid }: NodeOptions): Promise<void> => {
    const socket = containerdSocket(namespacePid);
    await components.waitUntil(`containerd on ${plan.name}`, () => existsSync(socket), {
      timeout: 30_000,
      signal,
      blame: `${plan.name}.containerd`,
    });
    // One after the other: the nodes share the disk and the processors already.
    for (const tar of await images) await importImage(programs.ctr, socket, tar);
    log(`${plan.name} has the images`);
  };
  const imagesLoaded = nodes.map((node) => inBackground(loadImages(node)));

  const api = new ApiClient(userKubeconfig(directory, 'admin'));
  await components.waitUntil('the API server', async () => api.isReady(), {
    timeout: 60_000,
    signal,
    blame: 'kube-apiserver',
  });
  log('the API server is ready');
  await startControllers(controlPlane);
  for (const node of nodes) {
    await startKubelet(node);
    await startKubeProxy(node);
  }
  const state: State = {
    programs,
    controlPlanePid,
    nodePids: Object.fromEntries(nodes.map(({ plan, namespacePid }) => [plan.name, namespacePid])),
  };
  const cluster = describeCluster(name, state);
  await Promise.all(imagesLoaded);
  const seen = new Set<string>();
  await components.waitUntil(
    'all nodes to be Ready',
    async () => {
      for (const node of await api.readyNodes()) {
        if (!seen.has(node)) log(`${node} is Ready`);
        seen.add(node);
      }
      return seen.size === nodePlans.length;
    },
    {
      timeout: 60_000,
      signal,
      interval: 200,
      blame: () => `${nodePlans.find((plan) => !seen.has(plan.name))?.name ?? 'node-a'}.kubelet`,
    },
  );
  // Not before: its pods would all go to the node that is Ready first.
  await cluster.kubectl(['apply', '--validate=false', '-f', join(import.meta.dirname, 'coredns.yaml')], {
    ...(signal && { signal }),
  });
  await components.waitUntil(
    'CoreDNS to be available',
    async () => {
      const { wanted, available } = await api.replicas('kube-system', 'coredns');
      return available === wanted && (await api.exists('/api/v1/namespaces/default/serviceaccounts/default'));
    },
    { timeout: 60_000, signal, interval: 200, blame: 'node-a.kubelet' },
  );
  writeFileSync(`${stateFile(name)}.part`, JSON.stringify(state));
  renameSync(`${stateFile(name)}.part`, stateFile(name));
  log('DNS is available');
  return cluster;
}

/** Copies the logs of a start that failed to where the removal of the cluster leaves them; returns the directory. */
function keepLogs(name: string): string | undefined {
  const logs = join(stateDirectory(name), 'logs');
  if (!existsSync(logs)) return undefined;
  const kept = join(cacheDirectory(), 'failed-starts', name);
  rmSync(kept, { recursive: true, force: true });
  cpSync(logs, kept, { recursive: true });
  return kept;
}

/**
 * Starts a cluster, or finds it running. Its processes go on when this process ends, until down().
 * Remains of a cluster of the same name that has crashed are removed first. When the start fails or
 * is ended by the signal, all that was made is removed, but for a copy of the logs in the cache.
 * @throws {ClusterUnavailableError} when this machine cannot run it
 * @throws {ComponentFailedError} when a component does not start
 */
export async function startCluster(options: StartOptions = {}): Promise<Cluster> {
  const { name = defaultName, onProgress, signal } = options;
  requireCluster();
  stateDirectory(name); // A bad name is reported before anything is compiled.
  const programs = await buildPrograms({
    signal,
    onProgress: ({ program, number, of, seconds, compiled, packages }) => {
      onProgress?.(
        `compiling ${program} (${String(number)} of ${String(of)}): ${String(compiled)} of at most ${String(packages)} packages, ${String(seconds)} s`,
      );
    },
  });
  return withLock(
    lockName(name),
    async () => {
      if (await isHealthy(name)) {
        const running = await attachCluster(name);
        for (const node of running.nodes) await node.startKubeProxy();
        return running;
      }
      if (!isNothing(findLeftovers(name))) {
        onProgress?.(`removing what is left of an earlier cluster "${name}"`);
        await removeCluster(name);
      }
      const components = new Components(name, stateDirectory(name));
      const background: Promise<unknown>[] = [];
      try {
        return await create(name, programs, components, background, options);
      } catch (error) {
        components.close();
        const logs = signal?.aborted === true ? undefined : keepLogs(name);
        await removeCluster(name);
        await Promise.allSettled(background);
        await removeCluster(name); // Of what was made between the two, for instance a directory.
        if (!(error instanceof Error) || logs === undefined) throw error;
        const message = error.message.replaceAll(join(stateDirectory(name), 'logs'), logs);
        throw new ComponentFailedError(`${message}\nAll logs of the start that failed are in ${logs}.`, {
          cause: error,
        });
      }
    },
    { signal, onWait: () => onProgress?.(`waiting for another process that starts or ends the cluster "${name}"`) },
  );
}

/** The users that kubeconfigFor() knows. */
export const userNames: readonly UserName[] = users.map((user) => user.name);
