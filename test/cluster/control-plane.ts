import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Components } from './components.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { Programs } from './programs.ts';
import { network, users, type UserName } from './topology.ts';

/** What the parts of the control plane are started with. */
export interface ControlPlaneOptions {
  /** Name of the cluster. */
  readonly name: string;
  readonly components: Components;
  readonly programs: Programs;
  readonly stateDirectory: string;
  /** The process that keeps the control plane's network namespace. */
  readonly namespacePid: number;
  readonly signal?: AbortSignal | undefined;
}

/** The directory with the cluster's keys and certificates. */
export function pkiDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'pki');
}

/** The kubeconfig of a user, for use on this machine. */
export function userKubeconfig(stateDirectory: string, user: UserName): string {
  return join(stateDirectory, user === 'admin' ? 'kubeconfig' : `kubeconfig-${user}`);
}

/** The port of this machine's loopback interface that is forwarded to the API server, with its address. */
const forwardFile = (stateDirectory: string): string => join(stateDirectory, 'api-server.address');

/** Starts etcd; its ports are in the control plane's network namespace, which nobody else is in. */
export async function startEtcd({
  components,
  programs,
  stateDirectory,
  namespacePid,
}: ControlPlaneOptions): Promise<void> {
  await components.start({
    name: 'etcd',
    namespaces: { pid: namespacePid, mount: false },
    command: [
      programs.etcd,
      `--data-dir=${join(stateDirectory, 'etcd')}`,
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--initial-advertise-peer-urls=http://127.0.0.1:2380',
      '--initial-cluster=default=http://127.0.0.1:2380',
      // The data need not survive the machine.
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  });
}

/** Starts the API server, the forwarding to it from this machine, and writes the users' kubeconfigs. */
export async function startApiServer(options: ControlPlaneOptions): Promise<void> {
  const { name, components, programs, stateDirectory, namespacePid, signal } = options;
  const pki = pkiDirectory(stateDirectory);
  const tokens = join(stateDirectory, 'tokens.csv');
  const secrets = new Map<UserName, string>();
  const lines = users.map((user) => {
    const token = randomBytes(16).toString('hex');
    secrets.set(user.name, token);
    return [token, user.name, user.name, `"${user.groups.join(',')}"`].join(',');
  });
  writeFileSync(tokens, `${lines.join('\n')}\n`, { mode: 0o600 });
  await components.start({
    name: 'kube-apiserver',
    namespaces: { pid: namespacePid, mount: false },
    command: [
      join(programs.kubernetesDirectory, 'kube-apiserver'),
      '--etcd-servers=http://127.0.0.1:2379',
      '--bind-address=0.0.0.0',
      `--secure-port=${String(network.apiServerPort)}`,
      `--advertise-address=${network.controlPlaneIp}`,
      `--service-cluster-ip-range=${network.serviceCIDRs.join(',')}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      `--client-ca-file=${join(pki, 'ca.crt')}`,
      `--tls-cert-file=${join(pki, 'apiserver.crt')}`,
      `--tls-private-key-file=${join(pki, 'apiserver.key')}`,
      `--token-auth-file=${tokens}`,
      `--kubelet-certificate-authority=${join(pki, 'ca.crt')}`,
      `--kubelet-client-certificate=${join(pki, 'apiserver-kubelet-client.crt')}`,
      `--kubelet-client-key=${join(pki, 'apiserver-kubelet-client.key')}`,
      // The nodes' names are in no DNS that the API server could ask.
      '--kubelet-preferred-address-types=InternalIP',
      // Aggregated APIs know the API server, and whom it speaks for, by these.
      `--proxy-client-cert-file=${join(pki, 'front-proxy-client.crt')}`,
      `--proxy-client-key-file=${join(pki, 'front-proxy-client.key')}`,
      `--requestheader-client-ca-file=${join(pki, 'ca.crt')}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      // No kube-proxy runs beside the API server, so it reaches webhooks by their endpoints.
      '--enable-aggregator-routing=true',
      `--service-account-issuer=https://kubernetes.default.svc.${network.clusterDomain}`,
      `--service-account-key-file=${join(pki, 'sa.pub')}`,
      `--service-account-signing-key-file=${join(pki, 'sa.key')}`,
      '--profiling=false',
    ],
  });
  const address = forwardFile(stateDirectory);
  await components.start({
    name: 'api-server-forward',
    command: [
      programs.hosttool,
      'forward',
      '--listen=127.0.0.1:0',
      `--netns=/proc/${String(namespacePid)}/ns/net`,
      `--to=127.0.0.1:${String(network.apiServerPort)}`,
      `--address-file=${address}`,
    ],
  });
  await components.waitUntil('the forwarded port of the API server', () => existsSync(address), {
    timeout: 10_000,
    signal,
    interval: 10,
    blame: 'api-server-forward',
  });
  const server = `https://${readFileSync(address, 'utf8')}`;
  for (const [user, token] of secrets) {
    writeKubeconfig(userKubeconfig(stateDirectory, user), {
      cluster: `svctrace-test-${name}`,
      server,
      authority: join(pki, 'ca.crt'),
      user,
      credentials: { token },
    });
  }
}

/** Starts the controllers and the scheduler; the API server must be ready. */
export async function startControllers({
  components,
  programs,
  stateDirectory,
  namespacePid,
}: ControlPlaneOptions): Promise<void> {
  const pki = pkiDirectory(stateDirectory);
  const kubeconfigOf = (component: string): string => {
    const path = join(pki, `${component}.kubeconfig`);
    writeKubeconfig(path, {
      cluster: 'local',
      server: `https://127.0.0.1:${String(network.apiServerPort)}`,
      authority: join(pki, 'ca.crt'),
      user: component,
      credentials: { certificate: join(pki, `${component}.crt`), key: join(pki, `${component}.key`) },
    });
    return path;
  };
  const namespaces = { pid: namespacePid, mount: false };
  const controllerKubeconfig = kubeconfigOf('controller-manager');
  const schedulerKubeconfig = kubeconfigOf('scheduler');
  await Promise.all([
    components.start({
      name: 'kube-controller-manager',
      namespaces,
      command: [
        join(programs.kubernetesDirectory, 'kube-controller-manager'),
        `--kubeconfig=${controllerKubeconfig}`,
        `--authentication-kubeconfig=${controllerKubeconfig}`,
        `--authorization-kubeconfig=${controllerKubeconfig}`,
        '--bind-address=127.0.0.1',
        '--leader-elect=false',
        '--use-service-account-credentials=true',
        `--service-account-private-key-file=${join(pki, 'sa.key')}`,
        `--root-ca-file=${join(pki, 'ca.crt')}`,
        `--cluster-cidr=${network.clusterCIDRs.join(',')}`,
        `--service-cluster-ip-range=${network.serviceCIDRs.join(',')}`,
        '--kube-api-qps=200',
        '--kube-api-burst=400',
        // Tests of lost nodes need not wait for most of a minute.
        '--node-monitor-period=2s',
        '--node-monitor-grace-period=20s',
        // It makes the directory, which would otherwise be one of the machine's.
        `--flex-volume-plugin-dir=${join(stateDirectory, 'volume-plugins')}`,
        '--profiling=false',
      ],
    }),
    components.start({
      name: 'kube-scheduler',
      namespaces,
      command: [
        join(programs.kubernetesDirectory, 'kube-scheduler'),
        `--kubeconfig=${schedulerKubeconfig}`,
        `--authentication-kubeconfig=${schedulerKubeconfig}`,
        `--authorization-kubeconfig=${schedulerKubeconfig}`,
        '--bind-address=127.0.0.1',
        '--leader-elect=false',
        '--kube-api-qps=200',
        '--kube-api-burst=400',
        '--profiling=false',
      ],
    }),
  ]);
}
