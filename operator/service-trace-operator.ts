/**
 * The operator: @dot-i/k8s-operator's base class, with what does not hold in production replaced (docs/decisions/020):
 * watching (it ends the process on an error, never resumes), URLs and status writes (made for an older client), and its
 * queue of events (one at a time, without de-duplication).
 */
import operatorModule, { type OperatorLogger, type ResourceEvent } from '@dot-i/k8s-operator';
import type { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { serviceTraceGroup, serviceTracePlural, serviceTraceVersion, type ServiceTrace } from '../core/service-trace.ts';
import { messageOf } from './api-error.ts';
import { keyOf, kubernetesStore } from './kubernetes-store.ts';
import { reconcile } from './reconcile.ts';
import { resumedWatch, type ResumedWatch } from './resumed-watch.ts';
import type { TraceEngine } from './trace-engine.ts';
import { TraceIndex } from './trace-index.ts';
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
    resourceVersion: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
  }),
});

/** The object whole, with the parts that were checked. */
function kubernetesObject(object: unknown, { metadata }: z.infer<typeof metadataSchema>): ResourceEvent['object'] {
  const { name, namespace, uid, labels, resourceVersion, generation, deletionTimestamp } = metadata;
  return {
    ...(typeof object === 'object' ? object : {}),
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(generation === undefined ? {} : { generation }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: new Date(deletionTimestamp) }),
      ...(labels === undefined ? {} : { labels }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}

const traceSchema = z.object({
  spec: z.object({ serviceRef: z.object({ name: z.string() }), mode: z.string().optional(), suspend: z.boolean().optional() }),
  status: z.object({ observedGeneration: z.number().optional(), conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional() }).optional(),
});

/** Traces that are collected at the same time. */
const concurrency = 8;

export class ServiceTraceOperator extends Operator {
  readonly #engine: TraceEngine;
  readonly #queue: WorkQueue;
  readonly #watches: ResumedWatch[] = [];
  readonly #stopping = new AbortController();
  readonly #index = new TraceIndex();
  /** Ends the collection of a trace that was deleted or whose spec changed. */
  readonly #running = new Map<string, AbortController>();

  constructor(createEngine: (kubeConfig: KubeConfig) => TraceEngine, logger: OperatorLogger) {
    super(logger);
    this.#engine = createEngine(this.kubeConfig);
    const store = kubernetesStore(this.kubeConfig, (message) => { logger.warn(message); });
    const deps = {
      engine: this.#engine,
      store: { ...store, read: async (key: string) => this.#indexed(key, await store.read(key)) },
      isOtherActive: (key: string) => this.#index.isAnyActive(key),
      now: Date.now,
      log: (message: string) => { logger.warn(message); },
    };
    this.#queue = new WorkQueue({
      concurrency,
      work: async (key) => {
        const controller = new AbortController();
        this.#running.set(key, controller);
        try {
          return await reconcile(key, { ...deps, signal: AbortSignal.any([this.#stopping.signal, controller.signal]) });
        } finally {
          this.#running.delete(key);
        }
      },
      onFailure: (key, error, retry) => { logger.error(`${key}: ${messageOf(error)}; again in ${String(retry / 1000)} s`); },
    });
  }

  /** Ends the watches, the work and the probes; resolves when they have ended. */
  async shutdown(): Promise<void> {
    this.stop();
    this.#stopping.abort();
    for (const watch of this.#watches) watch.stop();
    await this.#queue.stop();
    await this.#engine.close();
  }

  protected override async init(): Promise<void> {
    await this.watchResource(serviceTraceGroup, serviceTraceVersion, serviceTracePlural, async (event) => { this.#onTrace(event); });
    await this.watchResource('', 'v1', 'services', async ({ object }) => { this.#onService(object.metadata?.namespace, object.metadata?.name); });
    await this.watchResource('discovery.k8s.io', 'v1', 'endpointslices', async ({ object }) => {
      this.#onService(object.metadata?.namespace, object.metadata?.labels?.['kubernetes.io/service-name']);
    });
  }

  /** The base class reads `basePath` of the client, which is gone since its version 1. */
  protected override getCustomResourceApiUri(group: string, version: string, plural: string, namespace?: string): string {
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
      resumedWatch(
        this.kubeConfig,
        path,
        ({ type, object }) => {
          const parsed = metadataSchema.safeParse(object);
          if (!parsed.success) return;
          const { apiVersion = '', kind = '', metadata } = parsed.data;
          const meta = { id: `${plural}.${version}`, name: metadata.name, resourceVersion: metadata.resourceVersion ?? '', apiVersion, kind };
          const event = {
            meta: metadata.namespace === undefined ? meta : { ...meta, namespace: metadata.namespace },
            type: operatorModule.ResourceEventType[eventNames[type]],
            object: kubernetesObject(object, parsed.data),
          };
          onEvent(event).catch((error: unknown) => { this.logger.error(`event of ${path}: ${messageOf(error)}`); });
        },
        (message) => { this.logger.warn(message); },
        // What was deleted in between is told by nobody: each trace is looked at again.
        () => { for (const key of this.#index.keys()) this.#queue.add(key); },
      ),
    );
    this.logger.info(`watching ${path}`);
  }

  #onTrace({ type, object, meta }: ResourceEvent): void {
    const key = keyOf({ metadata: { name: meta.name, ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }) } });
    const wasActive = this.#index.isAnyActive();
    let isChanged = true;
    if (type === operatorModule.ResourceEventType.Deleted) this.#index.delete(key);
    else {
      const parsed = traceSchema.safeParse(object);
      if (!parsed.success) {
        this.logger.error(`${key}: this version cannot read it: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`);
        return;
      }
      const { uid, generation, deletionTimestamp } = object.metadata ?? {};
      isChanged = this.#index.set(key, {
        metadata: {
          ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }),
          ...(uid === undefined ? {} : { uid }),
          ...(generation === undefined ? {} : { generation }),
          ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: deletionTimestamp.toISOString() }),
        },
        ...parsed.data,
      });
    }
    if (isChanged) this.#running.get(key)?.abort();
    // Writing a status is an event too, with nothing to do.
    if (isChanged || type === operatorModule.ResourceEventType.Added) this.#queue.add(key);
    // The last of several traces that finish at the same time.
    if (wasActive && !this.#index.isAnyActive()) void this.#engine.release();
  }

  #onService(namespace: string | undefined, name: string | undefined): void {
    for (const key of this.#index.keysOf(namespace ?? '', name ?? '')) this.#queue.add(key);
  }

  /** What was just read is newer than what the watch has told, or as new. */
  #indexed(key: string, trace: ServiceTrace | undefined): ServiceTrace | undefined {
    if (trace === undefined) this.#index.delete(key);
    else this.#index.set(key, trace);
    return trace;
  }
}

const eventNames = { ADDED: 'Added', MODIFIED: 'Modified', DELETED: 'Deleted' } as const;

function resourcePath(group: string, version: string, plural: string, namespace?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}
