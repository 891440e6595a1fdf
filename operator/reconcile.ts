/** What has to be done for one ServiceTrace: level-based, so that doing it twice changes nothing. */
import type { ServiceTrace, ServiceTraceStatus } from '../core/service-trace.ts';
import type { TraceEngine } from './trace-engine.ts';

/** The ServiceTrace objects of the cluster. */
export interface TraceStore {
  /** Undefined where it is not there, or being deleted. */
  read(key: string): Promise<ServiceTrace | undefined>;
  /** All that there are. */
  list(): Promise<readonly ServiceTrace[]>;
  /** Replaces the status; nothing happens where the object is gone. */
  writeStatus(trace: ServiceTrace, status: ServiceTraceStatus): Promise<void>;
  delete(trace: ServiceTrace): Promise<void>;
  /** Tells people what became of a trace (a Kubernetes Event). */
  tell(trace: ServiceTrace, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void>;
}

export interface ReconcileDeps {
  readonly engine: Pick<TraceEngine, 'trace' | 'release'>;
  readonly store: TraceStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** A viewer renews this time, RFC 3339; past it the viewer is gone, and the trace it made goes too. */
export const expiresAnnotation = 'svctrace.io/expires-at';

const defaultIntervalMilliseconds = 10_000;
/** How often a Service that is not there, or nodes that do not answer, are looked at again. */
const retryMilliseconds = 10_000;
/** A status that says the same is written again after this time, so that its age stays true. */
const renewMilliseconds = 60_000;
/** While nodes are waited for, the status is written at most this often. */
const progressMilliseconds = 500;

/** Collects where it is due; says when to look again. */
export async function reconcile(key: string, deps: ReconcileDeps): Promise<{ again?: number }> {
  const { engine, store, now } = deps;
  const trace = await store.read(key);
  if (trace === undefined) {
    await releaseIdleProbes(deps);
    return {};
  }
  const expires = Date.parse(trace.metadata.annotations?.[expiresAnnotation] ?? '');
  if (expires <= now()) {
    await store.delete(trace);
    return {};
  }
  if (trace.spec.suspend === true) {
    await releaseIdleProbes(deps);
    return {};
  }
  if (isFinished(trace)) return finished(trace, deps);

  const progress = progressWriter(trace, deps);
  const { status } = await engine.trace({
    namespace: trace.metadata.namespace ?? '',
    spec: trace.spec,
    ...(trace.metadata.generation === undefined ? {} : { generation: trace.metadata.generation }),
    ...(trace.status === undefined ? {} : { previous: trace.status }),
    onProgress: progress.write,
    ...(deps.signal === undefined ? {} : { signal: deps.signal }),
  });
  await progress.end();
  if (deps.signal?.aborted === true) return {};
  if (isWorthWriting(trace, status, now())) await store.writeStatus(trace, status);
  await tellTransition(trace, status, store);
  if (trace.spec.mode === 'Watch') return { again: Math.min(intervalOf(trace), Number.isFinite(expires) ? Math.max(expires - now(), 0) : Infinity) };
  if (readyOf(status) === 'True') return finished({ ...trace, status }, deps);
  return { again: retryMilliseconds };
}

/** A trace of mode Once that did its work for this generation. */
export function isFinished({ spec, metadata, status }: ServiceTrace): boolean {
  return spec.mode !== 'Watch' && status !== undefined && status.observedGeneration === metadata.generation && readyOf(status) === 'True';
}

async function finished(trace: ServiceTrace, deps: ReconcileDeps): Promise<{ again?: number }> {
  await releaseIdleProbes(deps, trace);
  const ttl = trace.spec.ttlSecondsAfterFinished;
  if (ttl === undefined) return {};
  const left = Date.parse(trace.status?.collectedAt ?? '') + ttl * 1000 - deps.now();
  if (left > 0) return { again: left };
  await deps.store.delete(trace);
  return {};
}

/** Probes end at once when no trace needs them, and by their own idle time otherwise. */
async function releaseIdleProbes({ store, engine }: ReconcileDeps, justFinished?: ServiceTrace): Promise<void> {
  const traces = await store.list();
  const isActive = (trace: ServiceTrace): boolean =>
    trace.metadata.deletionTimestamp === undefined && trace.spec.suspend !== true && trace.metadata.uid !== justFinished?.metadata.uid && !isFinished(trace);
  if (!traces.some(isActive)) await engine.release();
}

function readyOf(status: ServiceTraceStatus): string | undefined {
  return status.conditions?.find(({ type }) => type === 'Ready')?.status;
}

/** spec.interval in milliseconds; the CRD admits only Go durations of h, m, s and ms. */
export function intervalOf({ spec }: ServiceTrace): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...(spec.interval ?? '').matchAll(/(\d+)(ms|s|m|h)/g)];
  if (parts.length === 0) return defaultIntervalMilliseconds;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

/** Writes the status while nodes are waited for, one write after the other, and not too often. */
function progressWriter(trace: ServiceTrace, { store, now }: ReconcileDeps): { write: (status: ServiceTraceStatus) => void; end: () => Promise<void> } {
  let writing: Promise<void> = Promise.resolve();
  let last = 0;
  return {
    write(status) {
      // A whole status of an earlier collection says more than one that waits.
      if (trace.status?.nodes?.some(({ probe }) => probe.state === 'Collected') === true && trace.status.observedGeneration === trace.metadata.generation) return;
      if (now() - last < progressMilliseconds) return;
      last = now();
      writing = writing.then(() => store.writeStatus(trace, status)).catch(() => undefined);
    },
    end: () => writing,
  };
}

/** Whether the status says something new; what only tells the time does not. */
function isWorthWriting(trace: ServiceTrace, status: ServiceTraceStatus, now: number): boolean {
  const isViewed = trace.metadata.annotations?.[expiresAnnotation] !== undefined;
  const age = now - Date.parse(trace.status?.collectedAt ?? '');
  if (trace.status === undefined || isViewed || !(age < renewMilliseconds)) return true;
  return JSON.stringify(withoutTimes(trace.status)) !== JSON.stringify(withoutTimes(status));
}

function withoutTimes(status: ServiceTraceStatus): object {
  return sortKeys({
    ...status,
    collectedAt: undefined,
    nodes: (status.nodes ?? []).map((node) => ({
      ...node,
      probe: { ...node.probe, collectedAt: undefined, durationMilliseconds: undefined },
      kubeProxy: { ...node.kubeProxy, lastSync: undefined },
    })),
  });
}

/** The API server gives keys back in another order than they were written. */
function sortKeys(value: unknown): object {
  return JSON.parse(
    JSON.stringify(value, (_key, each: unknown) =>
      typeof each === 'object' && each !== null && !Array.isArray(each) ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1))) : each,
    ),
  ) as object;
}

async function tellTransition(trace: ServiceTrace, status: ServiceTraceStatus, store: TraceStore): Promise<void> {
  const before = trace.status?.conditions?.find(({ type }) => type === 'Ready');
  const after = status.conditions?.find(({ type }) => type === 'Ready');
  if (after === undefined || after.status === 'Unknown' || (before?.status === after.status && before.reason === after.reason)) return;
  await store.tell(trace, after.status === 'True' ? 'Normal' : 'Warning', after.reason, after.message);
}
