/**
 * The operator: @dot-i/k8s-operator's base class, with what does not hold in production replaced (docs/decisions/020):
 * watching (it ends the process on an error, never resumes), URLs and status writes (made for an older client), and its
 * queue of events (one at a time, without de-duplication).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import operatorModule, { type ResourceEvent } from '@dot-i/k8s-operator';
import * as z from 'zod';
import { newArrivals } from '../core/convergence/arrivals.ts';
import { catalogue } from '../core/diagnose/catalogue.ts';
import { plural } from '../core/lib/plural.ts';
import { present } from '../core/lib/present.ts';
import {
  serviceTraceGroup,
  serviceTracePlural,
  serviceTraceVersion,
  type ServiceTrace,
} from '../core/api/service-trace.ts';
import { messageOf } from '../engine/api-error.ts';
import { serviceNameLabel, type KeptSlice } from '../engine/kept-objects.ts';
import { ChangeNotes } from './change-notes.ts';
import { startInformer, type Informer } from './informer.ts';
import { kubernetesEvents } from './kubernetes-events.ts';
import { kubernetesStore } from './kubernetes-store.ts';
import type { Logger } from './logger.ts';
import { noObserver, type OperatorObserver, type WorkState } from './operator-observer.ts';
import { isActive, reconcile, type TraceStore } from './reconcile.ts';
import { reuseConnections } from '../engine/reuse-connections.ts';
import type { TraceEngine } from '../engine/trace-engine.ts';
import { TraceEvents } from './trace-events.ts';
import { TraceCounter } from './trace-counts.ts';
import { TraceIndex, type IndexedTrace } from './trace-index.ts';
import { keyOf, traceOf } from './trace-key.ts';
import type { WatchedCluster } from './watched-cluster.ts';
import { WorkQueue } from './work-queue.ts';

// The package is CommonJS: its default export is the default of the module's default.
const Operator = operatorModule.default;

const metadataSchema = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: z.object({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    creationTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
  }),
});

/** The object whole, with the parts that were checked. */
function kubernetesObject(
  object: unknown,
  { metadata }: z.infer<typeof metadataSchema>,
  resourceVersion: string,
): ResourceEvent['object'] {
  const { name, namespace, uid, labels, generation, creationTimestamp, deletionTimestamp } = metadata;
  return {
    ...(typeof object === 'object' ? object : {}),
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(generation === undefined ? {} : { generation }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp: new Date(creationTimestamp) }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: new Date(deletionTimestamp) }),
      ...(labels === undefined ? {} : { labels }),
      resourceVersion,
    },
  };
}

const traceSchema = z.object({
  spec: z.object({
    serviceRef: z.object({ name: z.string() }),
    mode: z.string().optional(),
    suspend: z.boolean().optional(),
  }),
  // One that another version wrote is as good as none: reconcile says so, and writes it again.
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
      findings: z.array(z.object({ id: z.string(), severity: z.string() })).optional(),
    })
    .optional()
    .catch(undefined),
});

type SeenTrace = IndexedTrace & {
  readonly status?:
    { readonly findings?: readonly { readonly id: string; readonly severity: string }[] | undefined } | undefined;
};

/** Traces that are collected at the same time: enough that one reading of a node is for many of them. */
const concurrency = 32;
/** What is being worked on has so long to end, once it is aborted. */
const workEndMilliseconds = 2000;
/** How often it is looked at whether traces fall behind. */
const behindMilliseconds = 30_000;

export interface ServiceTraceOperatorOptions {
  /** Traces of mode Watch of one namespace that are collected. */
  readonly maxWatchesPerNamespace: number;
  /** The shortest interval of a trace of mode Watch; a trace that asks for a shorter one has this. Default: any. */
  readonly minIntervalMilliseconds?: number;
  /** Throws where another operator may be working; called before each write. */
  readonly assertMayWrite?: () => void;
  /** Named in the Events as who reports them. */
  readonly identity: string;
  readonly observer?: OperatorObserver;
  /** That the engine reads from. */
  readonly cluster: ClusterWatches;
}

type ClusterWatches = Pick<WatchedCluster, 'start' | 'stop'>;

export class ServiceTraceOperator extends Operator {
  readonly #engine: TraceEngine;
  readonly #log: Logger;
  readonly #queue: WorkQueue;
  readonly #watches: Pick<Informer<unknown>, 'stop'>[] = [];
  readonly #cluster: ClusterWatches;
  readonly #stopping = new AbortController();
  readonly #index = new TraceIndex();
  readonly #counter = new TraceCounter(catalogue.map(({ id }) => id));
  /** Ends the collection of a trace that was deleted or whose spec changed. */
  readonly #running = new Map<string, AbortController>();
  readonly #maxWatches: number;
  /** When the last result of a trace of mode Watch came. */
  readonly #results = new Map<string, number>();
  /** Traces of mode Watch whose last result came late: how many times the interval after the one before. */
  readonly #fellBehind = new Map<string, number>();
  readonly #events: TraceEvents;
  readonly #changes: ChangeNotes;
  #behindTimer: NodeJS.Timeout | undefined;

  constructor(
    engine: TraceEngine,
    logger: Logger,
    {
      maxWatchesPerNamespace,
      minIntervalMilliseconds,
      assertMayWrite = () => undefined,
      identity,
      observer = noObserver,
      cluster,
    }: ServiceTraceOperatorOptions,
  ) {
    super(logger);
    reuseConnections(this.kubeConfig);
    this.#engine = engine;
    this.#cluster = cluster;
    this.#log = logger;
    const kubernetes = kubernetesStore(this.kubeConfig, logger);
    this.#events = new TraceEvents({ store: kubernetesEvents(this.kubeConfig, identity), log: logger, assertMayWrite });
    const store: TraceStore = {
      ...kubernetes,
      writeStatus: async (...args) => {
        assertMayWrite();
        return kubernetes.writeStatus(...args);
      },
      delete: async (...args) => {
        assertMayWrite();
        return kubernetes.delete(...args);
      },
      recordEvent: (...args) => this.#events.record(...args),
    };
    this.#changes = new ChangeNotes({
      converged: (key) => this.#index.converged(key),
      replaceTrueCondition: async (...args) => {
        assertMayWrite();
        return kubernetes.replaceTrueCondition(...args);
      },
      onFailure: (key, error) => {
        logger.warn(`that its EndpointSlices changed could not be written: ${messageOf(error)}`, {
          trace: traceOf(key),
        });
      },
    });
    const deps = {
      engine: {
        trace: timed(engine, observer),
        release: () => engine.release(),
        changeAfter: (...args: Parameters<TraceEngine['changeAfter']>) => engine.changeAfter(...args),
      },
      store: { ...store, read: async (key: string) => this.#indexed(key, await store.read(key)) },
      isOtherActive: (key: string) => this.#index.isAnyActive(key),
      now: Date.now,
      log: logger,
      watchesBefore: (key: string) =>
        this.#index.watchesBefore(key) < maxWatchesPerNamespace ? undefined : maxWatchesPerNamespace,
      schedule: { done: (key: string, interval: number) => this.#done(key, interval) },
      ...present({ minIntervalMilliseconds }),
    };
    this.#maxWatches = maxWatchesPerNamespace;
    this.#queue = new WorkQueue({
      concurrency,
      groupOf: (key) => key.slice(0, key.indexOf('/')),
      isRecurring: (key) => this.#index.isWatch(key),
      onTurn: (milliseconds) => {
        observer.onTurn(milliseconds / 1000);
      },
      work: async (key, giveUpPlace) => {
        const controller = new AbortController();
        this.#running.set(key, controller);
        try {
          return await reconcile(key, {
            ...deps,
            onHeldUp: giveUpPlace,
            signal: AbortSignal.any([this.#stopping.signal, controller.signal]),
          });
        } finally {
          this.#running.delete(key);
        }
      },
      onFailure: (key, error, retry) => {
        logger.error(`${messageOf(error)}; again in ${String(retry / 1000)} s`, { trace: traceOf(key) });
      },
    });
  }

  /** What there is to do and to show right now. */
  get state(): WorkState {
    return { counts: this.#counter.counts(), queue: this.#queue.backlog(), behind: this.#fellBehind.size };
  }

  /** Ends the watches and the work; resolves when they have ended. The probes are the engine's. */
  async shutdown(): Promise<void> {
    this.stop();
    clearInterval(this.#behindTimer);
    this.#stopping.abort();
    this.#events.stop();
    this.#changes.stop();
    for (const watch of this.#watches) watch.stop();
    this.#cluster.stop();
    // Work that waits for an API server that does not answer must not keep the probes from ending.
    await Promise.race([this.#queue.stop(), sleep(workEndMilliseconds, undefined, { ref: false })]);
  }

  protected override async init(): Promise<void> {
    this.#behindTimer = setInterval(() => {
      this.#logBehind();
    }, behindMilliseconds);
    this.#behindTimer.unref();
    this.#engine.onRuleChange((service) => {
      const [namespace = '', name = ''] = service.split('/');
      this.#onService(namespace, name);
    });
    await this.watchResource(serviceTraceGroup, serviceTraceVersion, serviceTracePlural, async (event) => {
      this.#onTrace(event);
    });
    this.#cluster.start({
      onService: (namespace, name) => {
        this.#onService(namespace, name);
      },
      onEndpointSlice: (...version) => {
        this.#sawEndpointSlice(...version);
      },
    });
  }

  /** The base class reads `basePath` of the client, which is gone since its version 1. */
  protected override getCustomResourceApiUri(
    group: string,
    version: string,
    plural: string,
    namespace?: string,
  ): string {
    return `${this.kubeConfig.getCurrentCluster()?.server ?? ''}${resourcePath(group, version, plural, namespace)}`;
  }

  protected override async watchResource(
    group: string,
    version: string,
    plural: string,
    onEvent: (event: ResourceEvent) => Promise<void>,
    namespace?: string,
  ): Promise<void> {
    const path = resourcePath(group, version, plural, namespace);
    this.#watches.push(
      startInformer({
        kubeConfig: this.kubeConfig,
        path,
        log: this.#log,
        parse: (object) => metadataSchema.safeParse(object).data,
        onEvent: ({ type, value, object, resourceVersion }) => {
          if (value === undefined) return;
          const { apiVersion = '', kind = '', metadata } = value;
          const meta = { id: `${plural}.${version}`, name: metadata.name, resourceVersion, apiVersion, kind };
          const event = {
            meta: metadata.namespace === undefined ? meta : { ...meta, namespace: metadata.namespace },
            type: operatorModule.ResourceEventType[eventNames[type]],
            object: kubernetesObject(object, value, resourceVersion),
          };
          onEvent(event).catch((error: unknown) => {
            this.#log.error(`event of ${path}: ${messageOf(error)}`);
          });
        },
      }),
    );
    this.#log.info(`watching ${path}`);
  }

  #onTrace({ type, object, meta }: ResourceEvent): void {
    const key = keyOf({
      metadata: { name: meta.name, ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }) },
    });
    const wasActive = this.#index.isAnyActive();
    const namespace = meta.namespace ?? '';
    const watches = this.#index.watchesOf(namespace).length;
    let isChanged = true;
    if (type === operatorModule.ResourceEventType.Deleted) this.#forget(key);
    else {
      const parsed = traceSchema.safeParse(object);
      if (!parsed.success) {
        this.#log.error(
          `this version cannot read it: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`,
          { trace: traceOf(key) },
        );
        return;
      }
      const { uid, generation, creationTimestamp, deletionTimestamp } = object.metadata ?? {};
      isChanged = this.#seen(key, {
        metadata: {
          ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }),
          ...(uid === undefined ? {} : { uid }),
          ...(generation === undefined ? {} : { generation }),
          ...(creationTimestamp === undefined ? {} : { creationTimestamp: creationTimestamp.toISOString() }),
          ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: deletionTimestamp.toISOString() }),
        },
        ...parsed.data,
      });
    }
    if (isChanged) {
      this.#running.get(key)?.abort();
      this.#results.delete(key);
      this.#fellBehind.delete(key);
    }
    // Writing a status is an event too, with nothing to do.
    if (isChanged || type === operatorModule.ResourceEventType.Added) this.#queue.add(key);
    // One that had to wait may take the place of one that went.
    if (watches > this.#maxWatches && this.#index.watchesOf(namespace).length < watches)
      for (const other of this.#index.watchesOf(namespace)) this.#queue.add(other);
    // The last of several traces that finish at the same time.
    if (wasActive && !this.#index.isAnyActive()) void this.#engine.release();
  }

  /** A result of mode Watch came: how many times its interval after the one before. */
  #done(key: string, interval: number): number {
    const now = Date.now();
    const times = (now - (this.#results.get(key) ?? now)) / interval;
    this.#results.set(key, now);
    if (times >= 2) this.#fellBehind.set(key, times);
    else this.#fellBehind.delete(key);
    return times;
  }

  #logBehind(): void {
    const [first] = [...this.#fellBehind].sort(([, one], [, other]) => other - one);
    const { keys, milliseconds } = this.#queue.backlog();
    const waiting =
      milliseconds < behindMilliseconds
        ? []
        : [
            `${plural(keys, 'trace')} ${keys === 1 ? 'waits' : 'wait'} for a turn, the first for ${String(Math.round(milliseconds / 1000))} s`,
          ];
    const behind =
      first === undefined
        ? []
        : [
            `${plural(this.#fellBehind.size, 'trace')} of mode Watch fell behind; the results of ${first[0]} are ${first[1].toFixed(1)} times as far apart as its interval`,
          ];
    if (behind.length + waiting.length > 0) this.#log.warn([...behind, ...waiting].join('; '));
  }

  #sawEndpointSlice(slice: KeptSlice, isGone: boolean, notBefore: number | undefined): void {
    if (!this.#engine.sawEndpointSlice(slice, isGone, notBefore)) return;
    const { name, namespace, labels, resourceVersion } = slice.metadata ?? {};
    if (name === undefined || resourceVersion === undefined) return;
    for (const key of this.#index.keysOf(namespace ?? '', labels?.[serviceNameLabel] ?? ''))
      this.#changes.note(key, { endpointSlice: name, resourceVersion });
  }

  #onService(namespace: string, name: string): void {
    for (const key of this.#index.keysOf(namespace, name)) this.#queue.add(key);
  }

  /** What was just read is newer than what the watch has reported, or as new. */
  #indexed(key: string, trace: ServiceTrace | undefined): ServiceTrace | undefined {
    if (trace === undefined) this.#forget(key);
    else this.#seen(key, trace);
    return trace;
  }

  /** @returns whether there is something to do */
  #seen(key: string, trace: SeenTrace): boolean {
    this.#counter.set(key, {
      mode: trace.spec.mode === 'Watch' ? 'Watch' : 'Once',
      state: trace.spec.suspend === true ? 'Suspended' : isActive(trace) ? 'Active' : 'Finished',
      conditions: trace.status?.conditions ?? [],
      findings: trace.status?.findings ?? [],
    });
    return this.#index.set(key, trace);
  }

  #forget(key: string): void {
    this.#counter.delete(key);
    this.#index.delete(key);
  }
}

/** Measures how long collections take, and what they show of lags. */
function timed(engine: TraceEngine, observer: OperatorObserver): TraceEngine['trace'] {
  return async (request) => {
    const began = performance.now();
    const end = (result: 'success' | 'failure'): void => {
      observer.onCollection(
        request.spec.mode === 'Watch' ? 'Watch' : 'Once',
        (performance.now() - began) / 1000,
        request.signal?.aborted === true ? 'ended' : result,
      );
    };
    try {
      const result = await engine.trace(request);
      end('success');
      const [before, after] = [request.previous?.convergence, result.status.convergence];
      for (const { lag } of newArrivals(before?.changes, after?.changes)) observer.onArrival(lag);
      return result;
    } catch (error) {
      end('failure');
      throw error;
    }
  };
}

const eventNames = { ADDED: 'Added', MODIFIED: 'Modified', DELETED: 'Deleted' } as const;

function resourcePath(group: string, version: string, plural: string, namespace?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}
