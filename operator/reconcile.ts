/** What has to be done for one ServiceTrace: level-based, so that doing it twice changes nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { boundedText } from '../core/bounded-text.ts';
import type { ServiceTrace, ServiceTraceStatus } from '../core/service-trace.ts';
import { messageOf } from './api-error.ts';
import { notReady, type TraceEngine } from './trace-engine.ts';

/** The ServiceTrace objects of the cluster. */
export interface TraceStore {
  /** Undefined where it is not there, or being deleted. */
  read(key: string): Promise<ServiceTrace | undefined>;
  /** Replaces the status; nothing happens where the object is gone. @throws StatusRefusedError, and for anything else that goes wrong */
  writeStatus(trace: ServiceTrace, status: ServiceTraceStatus): Promise<void>;
  delete(trace: ServiceTrace): Promise<void>;
  /** Tells people what became of a trace (a Kubernetes Event). */
  tell(trace: ServiceTrace, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void>;
}

/** Thrown where the API server will never take this status: it is too large, or breaks the schema. */
export class StatusRefusedError extends Error {
  override readonly name = 'StatusRefusedError';
}

export interface ReconcileDeps {
  readonly engine: Pick<TraceEngine, 'trace' | 'release'>;
  readonly store: TraceStore;
  /** Whether any other trace than this one needs probes. */
  readonly isOtherActive: (key: string) => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** Ends the collection: nothing is written after that. */
  readonly signal?: AbortSignal;
}

/** A viewer renews this time, RFC 3339; past it the viewer is gone, and the trace it made goes too. */
export const expiresAnnotation = 'svctrace.io/expires-at';

const defaultIntervalMilliseconds = 10_000;
/** How often a Service that is not there is looked at again, and, at first, nodes that do not answer. */
const retryMilliseconds = 10_000;
const lastRetryMilliseconds = 300_000;
/** The pause after the first time that progress is written; it doubles up to the last. */
const firstProgressMilliseconds = 500;
const lastProgressMilliseconds = 8000;
/** How soon nodes that have not yet written the newest change are looked at again. */
const syncingMilliseconds = 1000;
/** A status that says the same is written again after this time, so that its age stays true. */
const renewMilliseconds = 60_000;

/** Collects where it is due; says when to look again. */
export async function reconcile(key: string, deps: ReconcileDeps): Promise<{ again?: number }> {
  const { store, now } = deps;
  const trace = await store.read(key);
  if (trace === undefined) {
    await releaseIdleProbes(key, deps);
    return {};
  }
  const expires = Date.parse(trace.metadata.annotations?.[expiresAnnotation] ?? '');
  if (expires <= now()) {
    await store.delete(trace);
    return {};
  }
  if (trace.spec.suspend === true) {
    await releaseIdleProbes(key, deps);
    return {};
  }
  if (isFinished(trace)) return finished(key, trace, deps);

  const collected = await collect(key, trace, deps);
  if (collected === undefined) return {};
  const isWritten = collected.hasProgress || isWorthWriting(trace, collected.status, now());
  const status = isWritten ? await writeStatus(key, trace, collected.status, deps) : collected.status;
  await tellTransition(trace, status, store);
  const untilExpiry = Number.isFinite(expires) ? Math.max(expires - now(), 0) : Infinity;
  if (trace.spec.mode === 'Watch') {
    const isSyncing = status.conditions?.some(({ type, reason }) => type === 'Converged' && reason === 'Syncing') === true;
    if (isRefused(status)) return { again: Math.min(retryAfter(status, now()), untilExpiry) };
    return { again: Math.min(isSyncing ? syncingMilliseconds : Infinity, intervalOf(trace), untilExpiry) };
  }
  if (readyOf(status) === 'True') return finished(key, { ...trace, status }, deps);
  return { again: Math.min(retryAfter(status, now()), untilExpiry) };
}

/** The new status; undefined where the collection was ended. What keeps it from being made is told in the old one. */
async function collect(key: string, trace: ServiceTrace, deps: ReconcileDeps): Promise<{ status: ServiceTraceStatus; hasProgress: boolean } | undefined> {
  const { engine, store, signal } = deps;
  const generation = trace.metadata.generation === undefined ? {} : { generation: trace.metadata.generation };
  const progress = progressWriter(trace, deps);
  try {
    const { status } = await engine.trace({
      namespace: trace.metadata.namespace ?? '',
      spec: trace.spec,
      ...generation,
      ...(trace.status === undefined ? {} : { previous: trace.status }),
      onProgress: progress.write,
      ...(signal === undefined ? {} : { signal }),
    });
    const hasProgress = await progress.end();
    return signal?.aborted === true ? undefined : { status, hasProgress };
  } catch (error) {
    const hasProgress = await progress.end();
    if (signal?.aborted === true) return undefined;
    const observed = trace.metadata.generation === undefined ? {} : { observedGeneration: trace.metadata.generation };
    const status = notReady({ ...trace.status, ...observed }, 'CollectionFailed', messageOf(error), new Date(deps.now()).toISOString());
    if (hasProgress || JSON.stringify(trace.status?.conditions?.find(({ type }) => type === 'Ready')) !== JSON.stringify(status.conditions?.[0])) {
      await tellTransition(trace, await writeStatus(key, trace, status, deps), store);
    }
    throw error;
  }
}

/** What was written: where the API server refuses the status, the least that says so. @throws where that is refused, too */
async function writeStatus(key: string, trace: ServiceTrace, status: ServiceTraceStatus, { store, now, log }: ReconcileDeps): Promise<ServiceTraceStatus> {
  try {
    await store.writeStatus(trace, status);
    return status;
  } catch (error) {
    if (!(error instanceof StatusRefusedError)) throw error;
    log(`${key}: the API server refuses its status: ${boundedText(error.message)}`);
    const { observedGeneration, summary } = status;
    const rest = { ...(observedGeneration === undefined ? {} : { observedGeneration }), ...(summary === undefined ? {} : { summary }) };
    const time = new Date(now()).toISOString();
    const ready = notReady({ ...rest, conditions: trace.status?.conditions ?? [] }, refusedReason, `the API server refuses the status of this trace: ${error.message}; choose fewer nodes with spec.nodes`, time).conditions?.[0];
    const least: ServiceTraceStatus = { ...rest, collectedAt: time, conditions: ready === undefined ? [] : [ready], nodes: [], findings: [] };
    await store.writeStatus(trace, least);
    return least;
  }
}

const refusedReason = 'StatusRefused';

function isRefused(status: ServiceTraceStatus): boolean {
  return status.conditions?.some(({ type, reason }) => type === 'Ready' && reason === refusedReason) === true;
}

/** Nodes that do not answer, and a status that is refused, are tried again after as long as that has lasted, so ever more seldom. */
function retryAfter(status: ServiceTraceStatus, now: number): number {
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.reason !== 'NodesDidNotAnswer' && ready?.reason !== refusedReason) return retryMilliseconds;
  return Math.min(Math.max(now - Date.parse(ready.lastTransitionTime), retryMilliseconds), lastRetryMilliseconds);
}

/** What decides whether a trace needs probes. */
export interface TraceState {
  readonly spec: { readonly mode?: string | undefined; readonly suspend?: boolean | undefined };
  readonly metadata: { readonly generation?: number; readonly deletionTimestamp?: string };
  readonly status?:
    | {
        readonly observedGeneration?: number | undefined;
        readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
      }
    | undefined;
}

/** A trace of mode Once that did its work for this generation. */
export function isFinished({ spec, metadata, status }: TraceState): boolean {
  return spec.mode !== 'Watch' && status !== undefined && status.observedGeneration === metadata.generation && readyOf(status) === 'True';
}

export function isActive(trace: TraceState): boolean {
  return trace.metadata.deletionTimestamp === undefined && trace.spec.suspend !== true && !isFinished(trace);
}

async function finished(key: string, trace: ServiceTrace, deps: ReconcileDeps): Promise<{ again?: number }> {
  await releaseIdleProbes(key, deps);
  const now = deps.now();
  const ttl = trace.spec.ttlSecondsAfterFinished;
  const end = Math.min(
    ttl === undefined ? Infinity : Date.parse(trace.status?.collectedAt ?? '') + ttl * 1000,
    Date.parse(trace.metadata.annotations?.[expiresAnnotation] ?? '') || Infinity,
  );
  if (end === Infinity) return {};
  if (end > now) return { again: end - now };
  await deps.store.delete(trace);
  return {};
}

/** Probes end at once when no trace needs them, and by their own idle time otherwise. */
async function releaseIdleProbes(key: string, { engine, isOtherActive }: ReconcileDeps): Promise<void> {
  if (!isOtherActive(key)) await engine.release();
}

function readyOf(status: NonNullable<TraceState['status']>): string | undefined {
  return status.conditions?.find(({ type }) => type === 'Ready')?.status;
}

/** spec.interval in milliseconds; the CRD admits only Go durations of h, m, s and ms. */
export function intervalOf({ spec }: ServiceTrace): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...(spec.interval ?? '').matchAll(/(\d+)(ms|s|m|h)/g)];
  if (parts.length === 0) return defaultIntervalMilliseconds;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

/** Writes how far a collection is, ever more seldom, and works out only what it writes. */
function progressWriter(trace: ServiceTrace, { store, signal }: ReconcileDeps): { write: (now: () => ServiceTraceStatus) => void; end: () => Promise<boolean> } {
  // A whole status of an earlier collection says more than one that waits.
  const nodes = trace.status?.nodes ?? [];
  const isWhole = nodes.length > 0 && nodes.every(({ probe }) => probe.state !== 'Waiting') && trace.status?.observedGeneration === trace.metadata.generation;
  const ended = new AbortController();
  let hasProgress = false;
  let writing: Promise<void> | undefined;
  let next: (() => ServiceTraceStatus) | undefined;
  const writeAll = async (): Promise<void> => {
    for (let pause = firstProgressMilliseconds; next !== undefined && signal?.aborted !== true; pause = Math.min(pause * 2, lastProgressMilliseconds)) {
      const status = next();
      next = undefined;
      hasProgress = true;
      // The result is written all the same, and its failure is told.
      await store.writeStatus(trace, status).catch(() => undefined);
      await sleep(pause, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
    }
    writing = undefined;
  };
  return {
    write(now) {
      if (isWhole || ended.signal.aborted) return;
      next = now;
      writing ??= writeAll();
    },
    /** Whether anything was written. */
    async end() {
      next = undefined;
      ended.abort();
      await writing;
      return hasProgress;
    },
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
      probe: { ...node.probe, collectedAt: undefined, durationMilliseconds: undefined, clock: undefined },
      // kube-proxy writes again every half minute, also where nothing changed.
      kubeProxy: { ...node.kubeProxy, lastSync: undefined, lastQueued: undefined, partialSyncs: undefined },
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
