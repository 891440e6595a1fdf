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
import { endpointsOfSlice as endpoints, nodeObject, serviceObject, sliceObject } from './cluster-objects.ts';

const numbersSchema = z.object({ heapMiB: z.number(), rssMiB: z.number(), seconds: z.number() });
type Numbers = z.infer<typeof numbersSchema>;

const generators: Readonly<Record<string, (index: number) => object>> = {
  services: serviceObject,
  endpointslices: (index) => sliceObject(index, 5000),
  nodes: nodeObject,
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
