/** Services and EndpointSlices in the light cluster: written, waited for in every node's rules, and deleted. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { ProxyCluster, ProxyNode } from './proxy-cluster.ts';

/** What is read of a Service as the API server keeps it. */
export const keptServiceSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    clusterIPs: z.array(z.string()),
    ports: z.array(
      z.object({
        name: z.string().optional(),
        port: z.int(),
        protocol: z.enum(['TCP', 'UDP', 'SCTP']),
        nodePort: z.int().optional(),
      }),
    ),
  }),
});
export type KeptService = z.infer<typeof keptServiceSchema>;

/** A Service to write: its manifest, its status if it has one, and its EndpointSlices. */
export interface Writable {
  readonly service: object;
  readonly status?: object | undefined;
  readonly endpointSlices: readonly object[];
}

const servicesPath = '/api/v1/namespaces/default/services';
const slicesPath = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const batchLabel = 'svctrace.io/batch';

/**
 * Writes Services with their EndpointSlices, and returns when every node's rules have all of them.
 * @param batch a number not used before: of the Service that is written last, whose presence in a node's rules says that
 *   kube-proxy has seen all before it (each watch keeps the order of the writes)
 */
export async function programServices(
  { api, nodes }: ProxyCluster,
  writables: readonly Writable[],
  batch: number,
): Promise<KeptService[]> {
  const label = { [batchLabel]: String(batch) };
  const last = lastWritable(batch);
  const kept = await inParallel(writables, async ({ service, status }) => {
    const answer = keptServiceSchema.parse(
      JSON.parse(await api.write(servicesPath, { method: 'POST', body: withLabels(service, label) })),
    );
    if (status !== undefined)
      await api.write(`${servicesPath}/${answer.metadata.name}/status`, { method: 'PATCH', body: { status } });
    return answer;
  });
  await api.write(servicesPath, { method: 'POST', body: withLabels(last.service, label) });
  await inParallel(
    writables.flatMap(({ endpointSlices }) => endpointSlices),
    async (slice) => api.write(slicesPath, { method: 'POST', body: withLabels(slice, label) }),
  );
  for (const slice of last.endpointSlices)
    await api.write(slicesPath, { method: 'POST', body: withLabels(slice, label) });
  await Promise.all(nodes.map(async (node) => waitForLast(node, batch)));
  return kept;
}

/** Deletes what programServices() has written for this batch. */
export async function deleteServices({ api }: ProxyCluster, batch: number): Promise<void> {
  const selector = `?labelSelector=${encodeURIComponent(`${batchLabel}=${String(batch)}`)}`;
  await api.write(servicesPath + selector, { method: 'DELETE' });
  await api.write(slicesPath + selector, { method: 'DELETE' });
}

async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const width = 8;
  for (let start = 0; start < items.length; start += width)
    results.push(...(await Promise.all(items.slice(start, start + width).map(work))));
  return results;
}

const withLabels = (object: object, added: Readonly<Record<string, string>>): object => {
  const metadata = 'metadata' in object && typeof object.metadata === 'object' ? object.metadata : {};
  const labels =
    metadata !== null && 'labels' in metadata && typeof metadata.labels === 'object' ? metadata.labels : {};
  return { ...object, metadata: { ...metadata, labels: { ...labels, ...added } } };
};

/** Endpoint addresses that no pod has, another pair for each of the last 250 batches. */
function lastAddresses(batch: number): readonly string[] {
  const number = String((batch % 250) + 2);
  return [`10.244.254.${number}`, `fd00:10:244:fe::${number}`];
}

function lastWritable(batch: number): Writable {
  const name = `last-of-batch-${String(batch)}`;
  // Of the part of the ranges that the API server gives out last.
  const number = (batch % 250) + 2;
  const clusterIPs = [`10.96.0.${String(number)}`, `fd00:10:96::${number.toString(16)}`];
  return {
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        clusterIP: clusterIPs[0],
        clusterIPs,
        ports: [{ port: 9 }],
        ipFamilyPolicy: 'RequireDualStack',
        ipFamilies: ['IPv4', 'IPv6'],
      },
    },
    endpointSlices: lastAddresses(batch).map((address, index) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-${String(index)}`, labels: { 'kubernetes.io/service-name': name } },
      addressType: index === 0 ? 'IPv4' : 'IPv6',
      ports: [{ port: 9, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    })),
  };
}

async function waitForLast(node: ProxyNode, batch: number): Promise<void> {
  const patterns = lastAddresses(batch).map((address) => new RegExp(`${address.replaceAll('.', '\\.')}(?![0-9])`));
  const deadline = Date.now() + 90_000;
  for (;;) {
    const rules = (await node.dump()).join('\n');
    if (patterns.every((pattern) => pattern.test(rules))) return;
    if (Date.now() > deadline) {
      throw new Error(
        `After 90 seconds, kube-proxy of ${node.name} has not written the Services of batch ${String(batch)}. Its last lines are:\n${node.proxyLog()}`,
      );
    }
    await sleep(200);
  }
}
