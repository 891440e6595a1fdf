/**
 * What is found of many Services at once: the parts of the engine (operator/trace-engine.ts), but each node's probe is
 * asked once for all of them, for a probe's start costs more than what it reads.
 */
import { CoreV1Api, DiscoveryV1Api, NetworkingV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { NodeAnswer } from '../../core/node-report.ts';
import type { FindingStatus, ServiceTraceSpec } from '../../core/service-trace.ts';
import { buildStatus } from '../../core/status.ts';
import { NodeProbes } from '../../operator/node-probes.ts';
import { observeCluster } from '../../operator/observe-cluster.ts';
import { desiredServiceOf, selectNodes } from '../../operator/observe.ts';
import { clusterDns, probeRequest } from '../../operator/trace-engine.ts';
import { probeImage } from '../setup/images.ts';

/** The namespace of the probes, as --standalone has it by default. */
const probeNamespace = 'kube-system';

export class FindingsCollector {
  readonly #core: CoreV1Api;
  readonly #discovery: DiscoveryV1Api;
  readonly #networking: NetworkingV1Api;
  readonly #probes: NodeProbes;

  constructor(kubeConfig: KubeConfig) {
    this.#core = kubeConfig.makeApiClient(CoreV1Api);
    this.#discovery = kubeConfig.makeApiClient(DiscoveryV1Api);
    this.#networking = kubeConfig.makeApiClient(NetworkingV1Api);
    this.#probes = new NodeProbes(kubeConfig, { namespace: probeNamespace, image: probeImage, privileged: false, instance: `faults-${process.pid.toString(36)}`, idleSeconds: 600, maxConcurrent: 8, log: () => undefined });
  }

  async close(): Promise<void> {
    await this.#probes.close();
  }

  /** The findings of each Service, in the order of the names. @throws where one of them is not there */
  async collect(names: readonly (readonly [namespace: string, name: string])[]): Promise<FindingStatus[][]> {
    const [nodes, dnsServers, before] = await Promise.all([this.#core.listNode(), clusterDns(this.#core), this.#read(names)]);
    const answers = await Promise.all(
      selectNodes(nodes.items, undefined).nodes.map(async (node): Promise<NodeAnswer> => {
        const requests = before.map(({ desired, spec }) => probeRequest(node, desired, spec, dnsServers, 'Rules'));
        const [first] = requests;
        if (first === undefined) throw new Error('there is no Service to ask for');
        return this.#probes.ask(node, { ...first, services: requests.flatMap(({ services }) => services) }, () => undefined);
      }),
    );
    const nodeZones = Object.fromEntries(nodes.items.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels?.['topology.kubernetes.io/zone'] ?? '']));
    // As in the engine: while the probes read, the endpoints may have changed.
    const after = await this.#read(names);
    return Promise.all(
      after.map(async ({ service, slices, desired, spec }) => {
        const cluster = await observeCluster({ core: this.#core, discovery: this.#discovery, networking: this.#networking }, service, slices, nodes.items);
        return buildStatus({ spec, generation: undefined, desired, answers, cluster, nodeZones, previous: undefined, now: new Date().toISOString() }).findings ?? [];
      }),
    );
  }

  async #read(names: readonly (readonly [namespace: string, name: string])[]) {
    return Promise.all(
      names.map(async ([namespace, name]) => {
        const [service, { items: slices }] = await Promise.all([
          this.#core.readNamespacedService({ namespace, name }),
          this.#discovery.listNamespacedEndpointSlice({ namespace, labelSelector: `kubernetes.io/service-name=${name}` }),
        ]);
        const spec: ServiceTraceSpec = { serviceRef: { name } };
        return { service, slices, desired: desiredServiceOf(service, slices), spec };
      }),
    );
  }
}
