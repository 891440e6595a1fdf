/** What the end-to-end tests share: the running cluster, the plugin, and the clients that make connections. */
import { fileURLToPath } from 'node:url';
import { inject, it } from 'vitest';
import * as z from 'zod';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import type { NodePortStatus, NodeStatus, ServiceTrace } from '../../core/api/service-trace.ts';
import { attachCluster, type Cluster, type CommandResult, type KubectlOptions } from '../cluster/cluster.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const provided = inject('cluster');

/** Why the cluster tests cannot run here; undefined where they can. */
export const unavailable = 'unavailable' in provided ? provided.unavailable : undefined;

/** A test that needs the cluster; where there is none it is skipped, and the reason is printed. */
export function clusterTest(name: string, test: (cluster: Cluster) => Promise<void>, timeout?: number): void {
  it(
    name,
    async ({ skip }) => {
      if ('unavailable' in provided) return skip(provided.unavailable);
      await test(await cluster());
    },
    timeout,
  );
}

let attached: Promise<Cluster> | undefined;

export async function cluster(): Promise<Cluster> {
  if ('unavailable' in provided) throw new Error(provided.unavailable);
  return (attached ??= attachCluster(provided.name));
}

/** Runs `kubectl svctrace …` as kubectl finds it; never rejects for an exit status. */
export async function svctrace(args: readonly string[], options: KubectlOptions = {}): Promise<CommandResult> {
  return (await cluster()).kubectl(['svctrace', ...args], {
    reject: false,
    pluginDirectories: [dist],
    timeout: 120_000,
    ...options,
  });
}

/** The trace that `kubectl svctrace … -o json` printed. */
export async function traceJson(args: readonly string[], options: KubectlOptions = {}): Promise<ServiceTrace> {
  const result = await svctrace([...args, '-o', 'json'], options);
  if (result.stdout === '')
    throw new Error(
      `kubectl svctrace ${args.join(' ')} printed nothing and ended with ${String(result.exitCode)}: ${result.stderr}`,
    );
  return parseServiceTrace(JSON.parse(result.stdout));
}

export function nodeOf(trace: ServiceTrace, name: string): NodeStatus {
  const node = trace.status?.nodes?.find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`the trace has no node ${name}`);
  return node;
}

export function portOf(node: NodeStatus, address: string): NodePortStatus {
  const port = node.ports.find((candidate) => candidate.address === address);
  if (port === undefined)
    throw new Error(
      `${node.name} has no frontend ${address}; it has ${node.ports.map((candidate) => candidate.address).join(', ')}`,
    );
  return port;
}

const connectionSchema = z.union([
  z.object({ ok: z.literal(true), answer: z.string(), localPort: z.number(), ms: z.number() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);

/** Makes `count` new TCP connections, one after the other, from a client pod; returns who answered each. */
export async function connect(
  client: string,
  address: string,
  port: number,
  count: number,
): Promise<{ answer: string; localPort: number }[]> {
  const to = address.includes(':') ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
  const { stdout } = await (
    await cluster()
  ).kubectl(['exec', client, '--', '/testpod', 'connect', '--count', String(count), '--to', to]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const connection = connectionSchema.parse(JSON.parse(line));
      if (!connection.ok) throw new Error(`${client} could not connect to ${to}: ${connection.error}`);
      return connection;
    });
}

/** The addresses of the ready endpoints of a Service, sorted. */
export async function readyEndpoints(service: string, family: 'IPv4' | 'IPv6'): Promise<string[]> {
  const { stdout } = await (
    await cluster()
  ).kubectl(['get', 'endpointslices', '-l', `kubernetes.io/service-name=${service}`, '-o', 'json']);
  const list = z
    .object({
      items: z.array(
        z.object({
          addressType: z.string(),
          endpoints: z.array(
            z.object({ addresses: z.array(z.string()), conditions: z.object({ ready: z.boolean() }) }),
          ),
        }),
      ),
    })
    .parse(JSON.parse(stdout));
  return list.items
    .filter(({ addressType }) => addressType === family)
    .flatMap(({ endpoints }) =>
      endpoints.filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses),
    )
    .sort();
}
