/**
 * `npm run bench:informers -- 10000 5000 [--json]`: what so many Services (an EndpointSlice of four endpoints each) and
 * nodes take in memory as the operator keeps them, against the client's own ListWatch, which keeps whole objects, in the
 * same run. Each side is a process of its own that lists over HTTP from this one; its heap is measured after a full
 * collection of garbage, less what it had before; the largest resident set is of the whole life of the process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CoreV1Api, DiscoveryV1Api, KubeConfig, ListWatch, Watch } from '@kubernetes/client-node';
import * as z from 'zod';
import { noLog } from '../engine/log.ts';
import { WatchedCluster } from '../operator/watched-cluster.ts';

const endpoints = 4;
const numbersSchema = z.object({ heapMiB: z.number(), rssMiB: z.number(), seconds: z.number() });
type Numbers = z.infer<typeof numbersSchema>;

const managed = (manager: string, fields: readonly string[]): object => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-11-30T12:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:metadata': { 'f:annotations': { '.': {}, 'f:meta.helm.sh/release-name': {} }, 'f:labels': { '.': {} } },
    'f:spec': Object.fromEntries(fields.map((field) => [`f:${field}`, {}])),
  },
});
const time = '2026-11-30T12:00:00Z';
const uid = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
const labelsOf = (index: number): object => ({
  'app.kubernetes.io/name': `service-${String(index)}`,
  'app.kubernetes.io/managed-by': 'Helm',
  'helm.sh/chart': 'service-1.2.3',
});

const generators: Readonly<Record<string, (index: number) => object>> = {
  services: (index) => ({
    metadata: {
      name: `service-${String(index)}`,
      namespace: `team-${String(index % 100)}`,
      uid: uid(index),
      resourceVersion: String(1000 + index),
      creationTimestamp: time,
      labels: labelsOf(index),
      annotations: { 'meta.helm.sh/release-name': `service-${String(index)}`, description: 'x'.repeat(300) },
      managedFields: [managed('helm', ['internalTrafficPolicy', 'ports', 'selector', 'sessionAffinity', 'type'])],
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.96.${String(index >> 8)}.${String(index & 255)}`,
      clusterIPs: [`10.96.${String(index >> 8)}.${String(index & 255)}`],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
      selector: { 'app.kubernetes.io/name': `service-${String(index)}` },
      sessionAffinity: 'None',
    },
    status: { loadBalancer: {} },
  }),
  endpointslices: (index) => ({
    metadata: {
      name: `service-${String(index)}-abcde`,
      generateName: `service-${String(index)}-`,
      namespace: `team-${String(index % 100)}`,
      uid: uid(index),
      resourceVersion: String(1000 + index),
      creationTimestamp: time,
      labels: {
        ...labelsOf(index),
        'kubernetes.io/service-name': `service-${String(index)}`,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': time },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name: `service-${String(index)}`, uid: uid(index), controller: true },
      ],
      managedFields: [managed('kube-controller-manager', ['addressType', 'endpoints', 'ports'])],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, each) => ({
      addresses: [
        `10.${String(128 + (index >> 12))}.${String((index >> 4) & 255)}.${String((index & 15) * 16 + each)}`,
      ],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${String((index * endpoints + each) % 5000)}.example.internal`,
      zone: `region-1${'abc'.charAt(each % 3)}`,
      targetRef: {
        kind: 'Pod',
        name: `service-${String(index)}-5d4f8c7b9-x${String(each)}`,
        namespace: `team-${String(index % 100)}`,
        uid: uid(index * endpoints + each),
      },
    })),
  }),
  nodes: (index) => ({
    metadata: {
      name: `node-${String(index)}.example.internal`,
      uid: uid(index),
      resourceVersion: String(1000 + index),
      creationTimestamp: time,
      labels: {
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': `node-${String(index)}.example.internal`,
        'node.kubernetes.io/instance-type': 'm6i.2xlarge',
        'topology.kubernetes.io/region': 'region-1',
        'topology.kubernetes.io/zone': `region-1${'abc'.charAt(index % 3)}`,
        pool: 'general',
      },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true', csi: 'x'.repeat(200) },
      managedFields: [managed('kubelet', ['podCIDR', 'podCIDRs', 'providerID'])],
    },
    spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'], providerID: `cloud:///${uid(index)}` },
    status: {
      addresses: [
        {
          type: 'InternalIP',
          address: `172.${String(16 + (index >> 16))}.${String(index >> 8)}.${String(index & 255)}`,
        },
        { type: 'Hostname', address: `node-${String(index)}.example.internal` },
      ],
      capacity: { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' },
      allocatable: { cpu: '7910m', memory: '31Gi', pods: '110', 'ephemeral-storage': '90Gi' },
      conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
        type,
        status: type === 'Ready' ? 'True' : 'False',
        reason: `Kubelet${type}`,
        message: `kubelet has what it needs of ${type}`,
        lastHeartbeatTime: time,
        lastTransitionTime: time,
      })),
      daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
      nodeInfo: {
        architecture: 'amd64',
        bootID: uid(index),
        containerRuntimeVersion: 'containerd://2.1.0',
        kernelVersion: '6.12.0',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.35.0',
        machineID: uid(index),
        operatingSystem: 'linux',
        osImage: 'Debian GNU/Linux 13',
        systemUUID: uid(index),
      },
      images: Array.from({ length: 50 }, (_, each) => ({
        names: [`registry.example/team/image-${String(each)}@sha256:${'0'.repeat(64)}`],
        sizeBytes: 100_000_000 + each,
      })),
    },
  }),
};

/** Lists in pages and watches that report nothing; no object is kept. */
async function serve(counts: Readonly<Record<string, number>>): Promise<{ url: string; close: () => void }> {
  const http = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const resource = pathname.split('/').at(-1) ?? '';
    const [count, generate] = [counts[resource] ?? 0, generators[resource]];
    response.writeHead(200, { 'content-type': 'application/json' });
    if (searchParams.get('watch') === 'true') {
      response.flushHeaders();
      return;
    }
    const from = Number(searchParams.get('continue') ?? 0);
    const to = Math.min(from + Number(searchParams.get('limit') ?? Infinity), count);
    const metadata = { resourceVersion: '1000000', ...(to < count ? { continue: String(to) } : {}) };
    const items = Array.from({ length: to - from }, (_, index) => generate?.(from + index));
    response.end(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata, items }));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`,
    close: () => {
      http.closeAllConnections();
      http.close();
    },
  };
}

const [mode = '', ...rest] = process.argv.slice(2);
if (mode === 'kept' || mode === 'whole') await measureHere(mode, rest[0] ?? '');
else await compare();

async function compare(): Promise<void> {
  const numbers = [mode, ...rest].filter((word) => /^\d+$/.test(word)).map(Number);
  const [services = 10_000, nodes = 5000] = numbers;
  const { url, close } = await serve({ services, endpointslices: services, nodes });
  const [kept, whole] = [await measure('kept', url), await measure('whole', url)];
  close();
  if ([mode, ...rest].includes('--json')) {
    process.stdout.write(`${JSON.stringify({ services, endpoints: services * endpoints, nodes, kept, whole })}\n`);
    return;
  }
  process.stdout.write(
    `${String(services)} Services, ${String(services * endpoints)} endpoints, ${String(nodes)} nodes\n${'what is kept'.padEnd(28)}heap MiB  largest resident MiB  seconds until it is there\n`,
  );
  for (const [name, { heapMiB, rssMiB, seconds }] of [
    ['the fields that are used', kept],
    ['whole objects (ListWatch)', whole],
  ] as const)
    process.stdout.write(
      `${name.padEnd(28)}${heapMiB.toFixed(1).padStart(8)}  ${rssMiB.toFixed(0).padStart(20)}  ${seconds.toFixed(1).padStart(25)}\n`,
    );
  process.stdout.write(`${(whole.heapMiB / kept.heapMiB).toFixed(1)} times less\n`);
}

async function measure(side: 'kept' | 'whole', url: string): Promise<Numbers> {
  const child = spawn(process.execPath, [import.meta.filename, side, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  return numbersSchema.parse(JSON.parse(await text(child.stdout)));
}

async function measureHere(side: 'kept' | 'whole', url: string): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = z.custom<() => void>((value) => typeof value === 'function').parse(runInNewContext('gc'));
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ name: 'bench', server: url, skipTLSVerify: true }, { name: 'bench' });
  collect();
  const [before, began] = [process.memoryUsage().heapUsed, performance.now()];
  const held = side === 'kept' ? await keep(kubeConfig) : await keepWhole(kubeConfig);
  const seconds = (performance.now() - began) / 1000;
  collect();
  const heapMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  const numbers: Numbers = { heapMiB, rssMiB: process.resourceUsage().maxRSS / 1024, seconds };
  process.stdout.write(JSON.stringify(numbers));
  // What is held is there until here.
  process.exit(held.length > 0 ? 0 : 1);
}

async function keep(kubeConfig: KubeConfig): Promise<readonly unknown[]> {
  const cluster = new WatchedCluster(kubeConfig, noLog);
  cluster.start({ onService: () => undefined, onEndpointSlice: () => undefined });
  const lister = cluster.lister(0);
  while ([lister.serviceNames(''), lister.nodes(), lister.endpointSlices('', '')].includes(undefined))
    await new Promise((resolve) => setTimeout(resolve, 10));
  return [cluster];
}

async function keepWhole(kubeConfig: KubeConfig): Promise<readonly unknown[]> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const discovery = kubeConfig.makeApiClient(DiscoveryV1Api);
  const watches = [
    new ListWatch('/api/v1/services', new Watch(kubeConfig), () => core.listServiceForAllNamespaces(), false),
    new ListWatch(
      '/apis/discovery.k8s.io/v1/endpointslices',
      new Watch(kubeConfig),
      () => discovery.listEndpointSliceForAllNamespaces(),
      false,
    ),
    new ListWatch('/api/v1/nodes', new Watch(kubeConfig), () => core.listNode(), false),
  ];
  await Promise.all(watches.map((watch) => watch.start()));
  if (watches.some((watch) => watch.list().length === 0)) throw new Error('nothing was listed');
  return watches;
}
