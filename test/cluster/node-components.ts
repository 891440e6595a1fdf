import { copyFileSync, mkdirSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { nodeGroup } from './cgroups.ts';
import type { Components } from './components.ts';
import { pkiDirectory } from './control-plane.ts';
import { testpodImage } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { nodeConfigDirectory, nodeConfigPath, nodeDisk, type NodeProgram } from './namespaces.ts';
import type { Programs } from './programs.ts';
import { findCniDirectory, findExecutable, fullPath } from './requirements.ts';
import { network, type NodePlan } from './topology.ts';

/** What the parts of a node are started with. */
export interface NodeOptions {
  /** Name of the cluster. */
  readonly name: string;
  readonly plan: NodePlan;
  readonly components: Components;
  readonly stateDirectory: string;
  /** The process that keeps the node's namespaces. */
  readonly namespacePid: number;
}

/** The programs that a node has. */
export function nodePrograms(programs: Programs): NodeProgram[] {
  return [
    { name: 'containerd', path: programs.containerd },
    { name: 'containerd-shim-runc-v2', path: programs.shim },
    { name: 'kubelet', path: programs.kubernetes },
    { name: 'kube-proxy', path: programs.kubernetes },
  ];
}

/** The node's containerd, as a path that this machine can connect to. */
export function containerdSocket(namespacePid: number): string {
  return `/proc/${String(namespacePid)}/root/run/containerd/containerd.sock`;
}

const inNode = (file: string): string => `${nodeConfigDirectory}/${file}`;

/** PATH inside the node: its own programs and its own choice of iptables come first. */
export function nodePath(): string {
  return [inNode('iptables'), inNode('bin'), fullPath()].join(':');
}

/** Writes a file of the node's configuration. */
function configure({ stateDirectory, plan }: NodeOptions, file: string, text: string): void {
  writeFileSync(nodeConfigPath(stateDirectory, plan.name, file), text, { mode: 0o600 });
}

/**
 * Links `iptables` and its like to the program of the node's backend, whatever the machine's own
 * choice is. A node in nftables mode has them too, on nf_tables as newer distributions have.
 */
function linkIptables(options: NodeOptions): void {
  const directory = nodeConfigPath(options.stateDirectory, options.plan.name, 'iptables');
  mkdirSync(directory, { recursive: true });
  const name = options.plan.backend === 'legacy' ? 'xtables-legacy-multi' : 'xtables-nft-multi';
  const program = findExecutable(name);
  if (program === undefined) throw new Error(`${name} is not installed.`);
  for (const family of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) symlinkSync(program, join(directory, family + suffix));
  }
}

/** An overlay cannot lie on an overlay, which is what the machine's root is when it is a container itself. */
function snapshotter(stateDirectory: string): 'overlayfs' | 'native' {
  const overlayMagic = 0x794c7630;
  return statfsSync(stateDirectory).type === overlayMagic ? 'native' : 'overlayfs';
}

function containerdConfig({ stateDirectory }: NodeOptions): string {
  const cni = findCniDirectory();
  if (cni === undefined) throw new Error('The network plugins ptp and host-local are not installed.');
  const storage = snapshotter(stateDirectory);
  // TOML has the same quoting of strings as JSON.
  const text = (value: string): string => JSON.stringify(value);
  return `version = 3
# The plugin opt would make directories on the machine, below /opt.
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]

[plugins."io.containerd.cri.v1.images"]
  snapshotter = ${text(storage)}
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = ${text(testpodImage)}

[plugins."io.containerd.cri.v1.runtime"]
  # The machine may not let its processes be spared from the out-of-memory killer.
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  enable_selinux = false
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [${text(cni)}]
    conf_dir = ${text(inNode('cni'))}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = ${text(findExecutable('runc') ?? 'runc')}
      SystemdCgroup = false

[plugins."io.containerd.transfer.v1.local"]
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux"
    snapshotter = ${text(storage)}
`;
}

/**
 * The pods' network: a veth pair for each, routed and not bridged, so that every packet passes the
 * node's IP layer, where kube-proxy's rules are, even between two pods of one node.
 */
function cniConfig({ plan }: NodeOptions): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        mtu: 1500,
        ipam: {
          type: 'host-local',
          dataDir: '/var/lib/cni/networks',
          ranges: plan.podCIDRs.map((subnet) => [{ subnet }]),
          routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        },
      },
    ],
  });
}

function kubeletConfig({ name, plan }: NodeOptions): string {
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: inNode('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: nodeGroup(name, plan.name),
    clusterDNS: [network.dnsServiceIp],
    clusterDomain: network.clusterDomain,
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    enforceNodeAllocatable: [],
    // The machine's disk may be rather full; that is its owner's business, and not a pod's end.
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: true,
    nodeStatusUpdateFrequency: '3s',
    nodeLeaseDurationSeconds: 12,
    readOnlyPort: 0,
    registerNode: true,
    // An empty name: pods get the cluster's DNS and nothing of the machine's.
    resolvConf: '',
    rotateCertificates: false,
    serializeImagePulls: false,
    tlsCertFile: inNode('kubelet-server.crt'),
    tlsPrivateKeyFile: inNode('kubelet-server.key'),
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
  });
}

function kubeProxyConfig({ plan }: NodeOptions, featureGates: Readonly<Record<string, boolean>>): string {
  return stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: plan.proxyMode,
    ...(Object.keys(featureGates).length === 0 ? {} : { featureGates }),
    hostnameOverride: plan.name,
    clientConnection: { kubeconfig: inNode('kube-proxy.kubeconfig') },
    detectLocalMode: 'ClusterCIDR',
    clusterCIDR: network.clusterCIDRs.join(','),
    // The size of the connection table is the machine's, and cannot be set from a namespace.
    conntrack: { maxPerCore: 0, min: 0 },
    metricsBindAddress: '127.0.0.1:10249',
    healthzBindAddress: '0.0.0.0:10256',
  });
}

/** Writes all that the node's components read. The certificates must be there. */
function configureNode(options: NodeOptions): void {
  const { plan, stateDirectory } = options;
  mkdirSync(nodeConfigPath(stateDirectory, plan.name, 'cni'), { recursive: true });
  mkdirSync(join(nodeDisk(stateDirectory, plan.name), 'var-lib/kubelet'), { recursive: true });
  configure(options, 'containerd.toml', containerdConfig(options));
  configure(options, 'cni/10-pods.conflist', cniConfig(options));
  configure(options, 'kubelet.yaml', kubeletConfig(options));
  configureKubeProxy(options);
}

/**
 * Writes what the node's kube-proxy reads, and gives the node its choice of iptables.
 * @param featureGates of kube-proxy; a release's own defaults, if not given
 */
export function configureKubeProxy(options: NodeOptions, featureGates: Readonly<Record<string, boolean>> = {}): void {
  configure(options, 'kube-proxy.yaml', kubeProxyConfig(options, featureGates));
  linkIptables(options);
}

/** Starts the node's containerd, which images can be loaded into as soon as it answers. */
export async function startContainerd(options: NodeOptions): Promise<void> {
  configureNode(options);
  await options.components.start({
    name: `${options.plan.name}.containerd`,
    namespaces: { pid: options.namespacePid, mount: true },
    env: { PATH: nodePath() },
    command: [inNode('bin/containerd'), '--config', inNode('containerd.toml'), '--log-level', 'info'],
  });
}

/** Gives the node the keys of its components and what they find the API server with. */
export function installCredentials({ plan, stateDirectory }: NodeOptions): void {
  const pki = pkiDirectory(stateDirectory);
  const target = (file: string): string => nodeConfigPath(stateDirectory, plan.name, file);
  copyFileSync(join(pki, 'ca.crt'), target('ca.crt'));
  for (const kind of ['crt', 'key'])
    copyFileSync(join(pki, `${plan.name}.kubelet-server.${kind}`), target(`kubelet-server.${kind}`));
  for (const [user, certificate] of [
    ['kubelet', `${plan.name}.kubelet-client`],
    ['kube-proxy', 'kube-proxy'],
  ] as const) {
    writeKubeconfig(target(`${user}.kubeconfig`), {
      cluster: 'local',
      server: `https://${network.controlPlaneIp}:${String(network.apiServerPort)}`,
      authority: join(pki, 'ca.crt'),
      user,
      credentials: { certificate: join(pki, `${certificate}.crt`), key: join(pki, `${certificate}.key`) },
    });
  }
}

/** Starts the node's kubelet; the API server must be ready. */
export async function startKubelet({ plan, components, namespacePid }: NodeOptions): Promise<void> {
  await components.start({
    name: `${plan.name}.kubelet`,
    namespaces: { pid: namespacePid, mount: true },
    env: { PATH: nodePath() },
    command: [
      inNode('bin/kubelet'),
      `--config=${inNode('kubelet.yaml')}`,
      `--kubeconfig=${inNode('kubelet.kubeconfig')}`,
      `--hostname-override=${plan.name}`,
      `--node-ip=${plan.ip},${plan.ipv6}`,
      `--node-labels=topology.kubernetes.io/zone=${plan.zone},topology.kubernetes.io/region=local`,
      '--root-dir=/var/lib/kubelet',
      '--cert-dir=/var/lib/kubelet/pki',
    ],
  });
}

/** Name of the component that is the node's kube-proxy. */
export function kubeProxyName(node: string): string {
  return `${node}.kube-proxy`;
}

/** Starts the node's kube-proxy. */
export async function startKubeProxy({ plan, components, namespacePid }: NodeOptions): Promise<void> {
  await components.start({
    name: kubeProxyName(plan.name),
    namespaces: { pid: namespacePid, mount: true },
    env: { PATH: nodePath() },
    command: [inNode('bin/kube-proxy'), `--config=${inNode('kube-proxy.yaml')}`, '--v=2'],
  });
}
