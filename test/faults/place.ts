/** The running cluster as faults and the workload of the suite use it. */
import { readFile } from 'node:fs/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { traceWithPodConnections } from '../../cmd/sources/pod-connections.ts';
import { traceOf } from '../../cmd/sources/trace-object.ts';
import { catalogue } from '../../core/diagnose/catalogue.ts';
import type { FindingStatus, ServiceTraceSpec } from '../../core/api/service-trace.ts';
import { createTraceEngine, type TraceEngine } from '../../engine/trace-engine.ts';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { probeImage } from '../setup/images.ts';
import type { Fault, FindingAt, KubernetesObject, Undo } from './fault.ts';
import { eventually } from '../support/eventually.ts';
import pLimit from 'p-limit';

/** The suite's own namespace. */
export const namespace = 'faults';

/** Services that are traced at a time: the engine reads a node once for all that wait for it. */
const maxTraces = 24;

const endpointSlices = z.object({
  items: z.array(
    z.object({
      addressType: z.string(),
      metadata: z.object({ name: z.string() }),
      endpoints: z
        .array(
          z.object({
            addresses: z.array(z.string()),
            nodeName: z.string().optional(),
            conditions: z.object({ ready: z.boolean().optional() }).optional(),
            targetRef: z.object({ name: z.string().optional() }).optional(),
          }),
        )
        .nullish(),
    }),
  ),
});

const pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), uid: z.string() }),
      spec: z.object({ nodeName: z.string().optional() }),
      status: z.object({ podIP: z.string().optional() }),
    }),
  ),
});

export interface PodAt {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly ip: string;
}

export class Place {
  readonly cluster: Cluster;
  readonly #engine: TraceEngine;
  readonly #kubeConfig: KubeConfig;
  readonly #instance = `faults-${process.pid.toString(36)}`;
  readonly #restart = new Set<string>();

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(cluster.kubeconfigPath);
    this.#kubeConfig = kubeConfig;
    this.#engine = createTraceEngine({
      kubeConfig,
      probeNamespace: 'kube-system',
      probeImage,
      instance: this.#instance,
      probeIdleSeconds: 600,
    });
  }

  node(name: string): ClusterNode {
    return this.cluster.node(name);
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  /**
   * What is found of each of the Services, collected from all nodes by the engine that --standalone uses.
   * @param asked what else is asked of a Service, as the command line asks it
   */
  async findings(
    services: readonly string[],
    asked: ReadonlyMap<string, Pick<Fault, 'client' | 'connect'>> = new Map(),
  ): Promise<Map<string, readonly FindingStatus[]>> {
    const found = new Map<string, readonly FindingStatus[]>();
    await pLimit(maxTraces).map(services, async (service) => {
      const [space, name] = splitName(service);
      const { client, connect } = asked.get(service) ?? {};
      const spec: ServiceTraceSpec = {
        serviceRef: { name },
        ...(client === undefined ? {} : { from: { pod: client } }),
        ...(connect === undefined ? {} : { collect: { connect: 'Transport' } }),
      };
      const { status } = await this.#engine.trace({ namespace: space, spec });
      const trace = traceOf({ namespace: space, name, spec, status });
      const connected =
        connect === 'pod' && client !== undefined
          ? await traceWithPodConnections({ kubeConfig: this.#kubeConfig }, trace, client)
          : trace;
      if (connected.status?.client?.untried !== undefined)
        throw new Error(`${client ?? ''} did not connect: ${connected.status.client.untried}`);
      found.set(service, connected.status?.findings ?? []);
    });
    return found;
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const { stdout } = await this.cluster.kubectl(args, {
      timeout: 120_000,
      ...(input === undefined ? {} : { input }),
    });
    return stdout;
  }

  /** Makes the objects, or changes them to the given ones, in the suite's namespace unless they name another. */
  async apply(objects: readonly KubernetesObject[]): Promise<void> {
    if (objects.length === 0) return;
    await this.kubectl(
      ['apply', '-n', namespace, '--validate=false', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
  }

  async delete(objects: readonly KubernetesObject[]): Promise<void> {
    if (objects.length === 0) return;
    await this.kubectl(
      ['delete', '-n', namespace, '--ignore-not-found', '--wait=false', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
  }

  /** A strategic merge patch of an object of the suite's namespace, such as `service/web`. */
  async patch(object: string, patch: unknown, type = 'strategic'): Promise<void> {
    await this.kubectl(['-n', namespace, 'patch', object, `--type=${type}`, '--patch', JSON.stringify(patch)]);
  }

  async clusterIp(service: string): Promise<string> {
    const [space, name] = splitName(service);
    return this.kubectl(['-n', space, 'get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}']);
  }

  /** The pods with this label `app`, of the suite's namespace, by the names of their nodes. */
  async pods(app: string): Promise<readonly PodAt[]> {
    const text = await this.kubectl(['-n', namespace, 'get', 'pods', '-l', `app=${app}`, '-o', 'json']);
    return pods
      .parse(JSON.parse(text))
      .items.map(({ metadata, spec, status }) => ({ ...metadata, node: spec.nodeName ?? '', ip: status.podIP ?? '' }))
      .sort((one, other) => (one.node < other.node ? -1 : 1));
  }

  /** The addresses of the Service's endpoints of one family, sorted, and the names of the slices that hold them. */
  async endpoints(
    service: string,
    family: 'IPv4' | 'IPv6' = 'IPv4',
  ): Promise<{ readonly addresses: readonly string[]; readonly slices: readonly string[] }> {
    const [space, name] = splitName(service);
    const text = await this.kubectl([
      '-n',
      space,
      'get',
      'endpointslices',
      '-l',
      `kubernetes.io/service-name=${name}`,
      '-o',
      'json',
    ]);
    const slices = endpointSlices.parse(JSON.parse(text)).items.filter(({ addressType }) => addressType === family);
    return {
      addresses: slices
        .flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses.slice(0, 1)))
        .sort(),
      slices: slices.map(({ metadata }) => metadata.name).sort(),
    };
  }

  /** Has the node's kube-proxy write all its rules again when the faults of the group are over: a new one forgets nothing and keeps nothing. */
  restartKubeProxyAfter(node: string): Undo {
    return async () => this.#restart.add(node);
  }

  /** Restarts each kube-proxy that was asked to be. */
  async restartKubeProxies(): Promise<void> {
    const names = [...this.#restart];
    this.#restart.clear();
    await Promise.all(
      names.map(async (name) => {
        await this.#restartKubeProxy(name);
      }),
    );
  }

  async #restartKubeProxy(name: string): Promise<void> {
    await this.node(name).stopKubeProxy();
    await this.node(name).startKubeProxy();
    await this.untilKubeProxyHasSynced(name);
  }

  /**
   * kube-proxy 1.37 may not hear of its node's labels when it starts: it watches its Node before it has anybody who
   * listens. Then it follows no hint for a zone until it is started again, which the healthy cluster must not show.
   */
  async untilKubeProxiesKnowTheirZone(): Promise<void> {
    for (const { name } of this.cluster.nodes) {
      const log = `${this.cluster.logs}/${name}.kube-proxy.log`;
      await eventually(async () => {
        const text = await readFile(log, 'utf8');
        // Each start prints its options first.
        if (!text.slice(text.lastIndexOf(' FLAG: ')).includes('node is missing label" service=')) return;
        await this.#restartKubeProxy(name);
        throw new Error(`kube-proxy on ${name} does not know the zone of its node`);
      });
    }
  }

  /** Takes the node's probe away: the next collection makes another, from the image that the node has then. */
  async renewProbe(node: string): Promise<void> {
    await this.kubectl([
      '-n',
      'kube-system',
      'delete',
      'pod',
      '-l',
      `svctrace.io/instance=${this.#instance}`,
      '--field-selector',
      `spec.nodeName=${node}`,
      '--wait=true',
    ]);
  }

  /** Until the node's kube-proxy says that it is healthy, which it does after its first sync. */
  async untilKubeProxyHasSynced(name: string): Promise<void> {
    await eventually(async () => {
      await this.node(name).exec(['curl', '--silent', '--fail', '--max-time', '2', 'http://127.0.0.1:10256/healthz']);
    }, 60);
  }
}

/** Namespace and name of a Service as faults write it. */
export function splitName(service: string): [namespace: string, name: string] {
  const [space, name] = service.includes('/') ? service.split('/') : [namespace, service];
  return [space ?? '', name ?? ''];
}

/** As a sorted set. */
export function findingsAt(findings: readonly FindingStatus[]): FindingAt[] {
  return [
    ...new Set(
      findings.map(
        ({ id, node, severity }) =>
          `${id}${node === undefined ? '' : ` ${node}`}${severities.get(id) === severity ? '' : ` (${severity})`}`,
      ),
    ),
  ].sort();
}

/** That each kind usually has. */
const severities = new Map(catalogue.map(({ id, severity }) => [id, severity]));
