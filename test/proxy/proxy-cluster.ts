/**
 * The light test cluster: the real etcd, API server and kube-proxies of test/cluster, without kubelet, containerd and
 * controllers. Services, EndpointSlices and Nodes are written through the API as a test wants them, so that every
 * condition, hint and status can be had; pods are network namespaces with a witness in each.
 */
import { mkdirSync } from 'node:fs';
import { execa } from 'execa';
import { ApiClient } from '../cluster/api-client.ts';
import { createCertificates } from '../cluster/certificates.ts';
import { createGroups } from '../cluster/cgroups.ts';
import { removeCluster } from '../cluster/cleanup.ts';
import { Components, enterCommand, lastLines } from '../cluster/components.ts';
import { pkiDirectory, startApiServer, startEtcd, userKubeconfig } from '../cluster/control-plane.ts';
import { withLock } from '../cluster/lock.ts';
import { createControlPlaneNamespace, createNodeNamespace } from '../cluster/namespaces.ts';
import {
  configureKubeProxy,
  installCredentials,
  kubeProxyName,
  nodePath,
  startKubeProxy,
} from '../cluster/node-components.ts';
import { stateDirectory } from '../cluster/paths.ts';
import { buildPrograms } from '../cluster/programs.ts';
import { requireCluster } from '../cluster/requirements.ts';
import { nodePlans, type NodePlan } from '../cluster/topology.ts';
import { createOutside, type Outside } from './outside.ts';
import { createPlaces, gateway, type Place } from './place.ts';

/** A node whose rules are read. */
export interface ProxyNode extends NodePlan {
  readonly place: Place;
  /** Every address that the node has. */
  readonly ownAddresses: readonly string[];
  /** All rules of the node, IPv4 and IPv6, by the tools of its mode: one text for each tool that was run. */
  dump(): Promise<readonly string[]>;
  /** The last lines that the node's kube-proxy has printed. */
  proxyLog(): string;
  /** Forgets the node's connections, as if none had ever been. */
  forgetConnections(): Promise<void>;
}

export interface ProxyCluster {
  readonly api: ApiClient;
  readonly nodes: readonly ProxyNode[];
  /** Three pods on each node, and the nodes themselves. */
  readonly places: readonly Place[];
  readonly outside: Outside;
}

export interface ProxyClusterOptions {
  /** Of the cluster; two of the same name do not run at once. */
  readonly name: string;
  /** Full path of the kube-proxy to run; the test cluster's own, if not given. */
  readonly kubeProxy?: string;
  readonly featureGates?: Readonly<Record<string, boolean>>;
  readonly onProgress?: (line: string) => void;
}

/**
 * Runs work with a cluster that is there for it alone: remains of an earlier one of that name are removed first, and
 * the cluster after the work, however it ends.
 * @throws {ClusterUnavailableError} when this machine cannot run it
 */
export async function withProxyCluster<Result>(
  options: ProxyClusterOptions,
  work: (cluster: ProxyCluster) => Promise<Result>,
): Promise<Result> {
  requireCluster();
  const { name, onProgress } = options;
  return withLock(
    `cluster-${name}`,
    async () => {
      await removeCluster(name);
      const components = new Components(name, stateDirectory(name));
      try {
        const cluster = await start(options, components);
        try {
          return await work(cluster);
        } finally {
          cluster.api.close();
        }
      } finally {
        components.close();
        await removeCluster(name);
      }
    },
    { onWait: () => onProgress?.(`waiting for another process that uses the cluster "${name}"`) },
  );
}

async function start(
  { name, kubeProxy, featureGates, onProgress }: ProxyClusterOptions,
  components: Components,
): Promise<ProxyCluster> {
  const programs = await buildPrograms({
    onProgress: ({ program, number, of, seconds }) =>
      onProgress?.(`compiling ${program} (${String(number)} of ${String(of)}), ${String(seconds)} s`),
  });
  const directory = stateDirectory(name);
  mkdirSync(directory, { mode: 0o700 });
  createGroups(name, []);
  await createCertificates(programs.hosttool, pkiDirectory(directory));
  const controlPlanePid = await createControlPlaneNamespace(components);
  const controlPlane = { name, components, programs, stateDirectory: directory, namespacePid: controlPlanePid };
  await startEtcd(controlPlane);
  await startApiServer(controlPlane);

  const nodePids = new Map<string, number>();
  const places: Place[] = [];
  for (const plan of nodePlans) {
    const pid = await createNodeNamespace(components, plan, directory, controlPlanePid, [
      { name: 'kube-proxy', path: kubeProxy ?? programs.kubernetes },
    ]);
    nodePids.set(plan.name, pid);
    places.push(...(await createPlaces(components, plan, pid, programs.testpod)));
  }
  const outside = await createOutside(components, controlPlanePid, nodePids, programs.testpod);

  const api = new ApiClient(userKubeconfig(directory, 'admin'));
  await components.waitUntil('the API server', async () => api.isReady(), {
    timeout: 120_000,
    blame: 'kube-apiserver',
  });
  await components.waitUntil('the namespace default', async () => api.exists('/api/v1/namespaces/default'), {
    timeout: 60_000,
    blame: 'kube-apiserver',
  });
  for (const plan of nodePlans) {
    await api.write('/api/v1/nodes', { method: 'POST', body: nodeObject(plan) });
    const options = { name, plan, components, stateDirectory: directory, namespacePid: nodePids.get(plan.name) ?? 0 };
    configureKubeProxy(options, featureGates);
    installCredentials(options);
    await startKubeProxy(options);
  }
  const nodes = nodePlans.map((plan): ProxyNode => {
    const place = places.find(({ name: each }) => each === plan.name);
    if (place === undefined) throw new Error(`there is no ${plan.name}`);
    const pid = nodePids.get(plan.name) ?? 0;
    return {
      ...plan,
      place,
      ownAddresses: [plan.ip, plan.ipv6, ...Object.values(gateway(plan)), '127.0.0.1', '::1'],
      dump: async () => {
        components.check();
        return Promise.all(dumpCommands(plan).map((command) => runOnNode(pid, command)));
      },
      proxyLog: () => lastLines(components.find(kubeProxyName(plan.name))?.log ?? ''),
      forgetConnections: async () => {
        for (const family of ['ipv4', 'ipv6']) await runOnNode(pid, ['conntrack', '-F', '-f', family]);
      },
    };
  });
  return { api, nodes, places, outside };
}

/** The commands that print all rules of a node of this mode. */
function dumpCommands({ proxyMode }: NodePlan): string[][] {
  return proxyMode === 'nftables' ? [['nft', '-j', 'list', 'ruleset']] : [['iptables-save'], ['ip6tables-save']];
}

async function runOnNode(pid: number, command: readonly string[]): Promise<string> {
  const [program = '', ...args] = enterCommand(pid, true, command);
  return (await execa(program, args, { env: { PATH: nodePath() }, maxBuffer: 256 * 1024 * 1024 })).stdout;
}

function nodeObject({ name, ip, ipv6, zone, podCIDRs }: NodePlan): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone } },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
    status: {
      addresses: [
        { type: 'Hostname', address: name },
        ...[ip, ipv6].map((address) => ({ type: 'InternalIP', address })),
      ],
    },
  };
}
