/**
 * The Services, EndpointSlices and Nodes of the cluster, and the pods behind Services that are traced again and again, as
 * watches report them. Nothing is watched before `start`, and nothing is known then.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import { holderEntries } from '../engine/address-holders.ts';
import type { ClusterCache, ClusterLister, PodSelection } from '../engine/cluster-cache.ts';
import {
  keptNode,
  keptPod,
  keptService,
  keptSlice,
  serviceKeyOf,
  type KeptNode,
  type KeptPod,
  type KeptService,
  type KeptSlice,
} from '../engine/kept-objects.ts';
import type { Log } from '../engine/log.ts';
import { startInformer, type Informer } from './informer.ts';

export interface ClusterChanges {
  /** A Service, or a slice of it, was made, changed or deleted. */
  readonly onService: (namespace: string, name: string) => void;
  /** @param notBefore where that may have been some time ago: milliseconds since 1970 */
  readonly onEndpointSlice: (slice: KeptSlice, isGone: boolean, notBefore: number | undefined) => void;
}

/** Selections of pods that are watched at the same time, each by a connection of its own; more are read. */
const maxPodWatches = 100;
const sweepMilliseconds = 30_000;

interface WatchedPods {
  readonly informer: Informer<KeptPod>;
  /** Milliseconds since 1970. */
  neededUntil: number;
}

interface Watches {
  readonly services: Informer<KeptService>;
  readonly slices: Informer<KeptSlice>;
  readonly nodes: Informer<KeptNode>;
  /** By path and selectors. */
  readonly pods: Map<string, WatchedPods>;
  readonly sweep: NodeJS.Timeout;
}

export class WatchedCluster implements ClusterCache {
  readonly #kubeConfig: KubeConfig;
  readonly #log: Log;
  readonly #maxPodWatches: number;
  #watches: Watches | undefined;

  constructor(kubeConfig: KubeConfig, log: Log, podWatches = maxPodWatches) {
    this.#kubeConfig = kubeConfig;
    this.#log = log;
    this.#maxPodWatches = podWatches;
  }

  start({ onService, onEndpointSlice }: ClusterChanges): void {
    this.stop();
    const shared = { kubeConfig: this.#kubeConfig, log: this.#log };
    this.#watches = {
      services: startInformer<KeptService>({
        ...shared,
        path: '/api/v1/services',
        parse: keptService,
        indexOf: holderEntries,
        onEvent: ({ key }) => {
          const [namespace = '', name = ''] = key.split('/');
          onService(namespace, name);
        },
      }),
      slices: startInformer<KeptSlice>({
        ...shared,
        path: '/apis/discovery.k8s.io/v1/endpointslices',
        parse: keptSlice,
        indexOf: (slice) => [serviceKeyOf(slice)],
        onEvent: ({ type, value, resourceVersion, notBefore }) => {
          if (value === undefined) return;
          const isGone = type === 'DELETED';
          onEndpointSlice({ ...value, metadata: { ...value.metadata, resourceVersion } }, isGone, notBefore);
          const [namespace = '', name = ''] = serviceKeyOf(value).split('/');
          onService(namespace, name);
        },
      }),
      nodes: startInformer<KeptNode>({ ...shared, path: '/api/v1/nodes', parse: keptNode }),
      pods: new Map(),
      sweep: setInterval(() => {
        this.#endUnneeded();
      }, sweepMilliseconds).unref(),
    };
  }

  stop(): void {
    if (this.#watches === undefined) return;
    const { services, slices, nodes, pods, sweep } = this.#watches;
    clearInterval(sweep);
    for (const informer of [services, slices, nodes]) informer.stop();
    for (const { informer } of pods.values()) informer.stop();
    this.#watches = undefined;
  }

  lister(podsMilliseconds: number): ClusterLister {
    return {
      service: (namespace, name) => currentOf(this.#watches?.services)?.store.get(`${namespace}/${name}`)?.value,
      serviceNames: (namespace) => {
        const services = currentOf(this.#watches?.services);
        return services === undefined
          ? undefined
          : [...services.store.keys()].flatMap((key) =>
              key.startsWith(`${namespace}/`) ? [key.slice(namespace.length + 1)] : [],
            );
      },
      servicesAt: (entries) => {
        const services = readableOf(this.#watches?.services);
        if (services === undefined) return undefined;
        return [...new Set(entries.flatMap((entry) => services.store.indexed(entry)))];
      },
      endpointSlices: (namespace, service) => {
        const slices = readableOf(this.#watches?.slices);
        const resourceVersion = slices?.resourceVersion();
        if (slices === undefined || resourceVersion === undefined) return undefined;
        const items = slices.store.indexed(`${namespace}/${service}`);
        return { items, resourceVersion, askedAt: slices.listedAt(), seenAt: Date.now() };
      },
      nodes: () => readableOf(this.#watches?.nodes)?.store.values(),
      pods: (selection) => readableOf(this.#pods(selection, podsMilliseconds))?.store.values(),
    };
  }

  /** Watched from now on, where it is wanted and there is room. */
  #pods(
    { namespace, labelSelector, fieldSelector }: PodSelection,
    milliseconds: number,
  ): Informer<KeptPod> | undefined {
    if (this.#watches === undefined) return undefined;
    const { pods } = this.#watches;
    const path = namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${namespace}/pods`;
    const key = [path, labelSelector, fieldSelector].join(' ');
    const neededUntil = Date.now() + milliseconds;
    const watched = pods.get(key);
    if (watched !== undefined) {
      watched.neededUntil = Math.max(watched.neededUntil, neededUntil);
      return watched.informer;
    }
    if (milliseconds === 0 || pods.size >= this.#maxPodWatches) return undefined;
    const informer = startInformer<KeptPod>({
      kubeConfig: this.#kubeConfig,
      log: this.#log,
      path,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      parse: keptPod,
    });
    pods.set(key, { informer, neededUntil });
    return undefined;
  }

  #endUnneeded(): void {
    for (const [key, { informer, neededUntil }] of this.#watches?.pods ?? []) {
      if (neededUntil > Date.now()) continue;
      informer.stop();
      this.#watches?.pods.delete(key);
    }
  }
}

function currentOf<Value>(informer: Informer<Value> | undefined): Informer<Value> | undefined {
  return informer?.isCurrent() === true ? informer : undefined;
}

/** Of what cannot be read it is not known where it belongs. */
function readableOf<Value>(informer: Informer<Value> | undefined): Informer<Value> | undefined {
  return informer?.store.unreadable === 0 ? currentOf(informer) : undefined;
}
