/**
 * The operator: @dot-i/k8s-operator's base class, with what does not hold in production replaced (docs/decisions/020):
 * watching (it ends the process on an error, never resumes), URLs and status writes (made for an older client), and its
 * queue of events (one at a time, without de-duplication).
 */
import operatorModule, { type OperatorLogger, type ResourceEvent } from '@dot-i/k8s-operator';
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { serviceTraceGroup, serviceTracePlural, serviceTraceVersion } from '../core/service-trace.ts';
import { messageOf } from './api-error.ts';
import { keyOf, kubernetesStore } from './kubernetes-store.ts';
import { reconcile } from './reconcile.ts';
import { resumedWatch, type ResumedWatch } from './resumed-watch.ts';
import type { TraceEngine } from './trace-engine.ts';
import { WorkQueue } from './work-queue.ts';

// The package is CommonJS: its default export is the default of the module's default.
const Operator = operatorModule.default;

const metadataSchema = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: z.object({
    name: z.string(),
    namespace: z.string().optional(),
    resourceVersion: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    generation: z.number().optional(),
    deletionTimestamp: z.string().optional(),
  }),
});

/** The object whole, with the parts that were checked. */
function kubernetesObject(object: unknown, { metadata }: z.infer<typeof metadataSchema>): ResourceEvent['object'] {
  const { name, namespace, labels, resourceVersion, generation, deletionTimestamp } = metadata;
  return {
    ...(typeof object === 'object' ? object : {}),
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(generation === undefined ? {} : { generation }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp: new Date(deletionTimestamp) }),
      ...(labels === undefined ? {} : { labels }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}

const traceSchema = z.object({ spec: z.object({ serviceRef: z.object({ name: z.string() }) }) });

/** Traces that are collected at the same time. */
const concurrency = 8;

export class ServiceTraceOperator extends Operator {
  readonly #engine: TraceEngine;
  readonly #queue: WorkQueue;
  readonly #watches: ResumedWatch[] = [];
  readonly #stopping = new AbortController();
  /** The keys of the traces of a Service, `namespace/name`. */
  readonly #tracesOf = new Map<string, Set<string>>();
  /** What was last seen of each trace: its generation, and whether it is being deleted. */
  readonly #generations = new Map<string, string>();

  constructor(createEngine: (kubeConfig: KubeConfig) => TraceEngine, logger: OperatorLogger) {
    super(logger);
    this.#engine = createEngine(this.kubeConfig);
    const store = kubernetesStore(this.kubeConfig, (message) => { logger.warn(message); });
    const deps = { engine: this.#engine, store, now: Date.now, signal: this.#stopping.signal };
    this.#queue = new WorkQueue({
      concurrency,
      work: (key) => reconcile(key, deps),
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
      ),
    );
    this.logger.info(`watching ${path}`);
  }

  #onTrace({ type, object, meta }: ResourceEvent): void {
    const key = keyOf({ metadata: { name: meta.name, ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }) } });
    const parsed = traceSchema.safeParse(object);
    if (parsed.success) {
      const service = `${meta.namespace ?? ''}/${parsed.data.spec.serviceRef.name}`;
      const keys = this.#tracesOf.get(service) ?? new Set();
      if (type === operatorModule.ResourceEventType.Deleted) keys.delete(key);
      else keys.add(key);
      if (keys.size === 0) this.#tracesOf.delete(service);
      else this.#tracesOf.set(service, keys);
    }
    // Writing a status is an event too: the metadata.generation decides whether there is something to do.
    const { generation: number, deletionTimestamp } = object.metadata ?? {};
    const generation = `${String(number)} ${deletionTimestamp?.toISOString() ?? ''}`;
    if (type === operatorModule.ResourceEventType.Modified && this.#generations.get(key) === generation) return;
    if (type === operatorModule.ResourceEventType.Deleted) this.#generations.delete(key);
    else this.#generations.set(key, generation);
    this.#queue.add(key);
  }

  #onService(namespace: string | undefined, name: string | undefined): void {
    for (const key of this.#tracesOf.get(`${namespace ?? ''}/${name ?? ''}`) ?? []) this.#queue.add(key);
  }
}

const eventNames = { ADDED: 'Added', MODIFIED: 'Modified', DELETED: 'Deleted' } as const;

function resourcePath(group: string, version: string, plural: string, namespace?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}
