/** What has to be done for one ServiceTrace: level-based, so that doing it twice changes nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { boundedText } from '../core/lib/bounded-text.ts';
import { plural } from '../core/lib/plural.ts';
import type { ServiceTrace, ServiceTraceStatus } from '../core/api/service-trace.ts';
import { messageOf } from '../engine/api-error.ts';
import { changedCondition } from '../core/status/conditions.ts';
import { notReady } from '../core/status/not-ready.ts';
import type { Log } from '../engine/log.ts';
import type { TraceEngine } from '../engine/trace-engine.ts';
import { expiresAnnotation } from '../core/api/expiry.ts';
import { goDuration } from '../core/lib/go-duration.ts';
import { traceOf } from './trace-key.ts';

/** The ServiceTrace objects of the cluster. */
export interface TraceStore {
  /** Undefined where it is not there, or being deleted. */
  read(key: string): Promise<ServiceTrace | undefined>;
  /** Replaces the status; nothing happens where the object is gone. @throws StatusRefusedError, and for anything else that goes wrong */
  writeStatus(trace: ServiceTrace, status: ServiceTraceStatus): Promise<void>;
  delete(trace: ServiceTrace): Promise<void>;
  /** Records the result of a trace (a Kubernetes Event). */
  recordEvent(trace: ServiceTrace, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void>;
}

/** Thrown where the API server will never take this status: it is too large, or breaks the schema. */
export class StatusRefusedError extends Error {
  override readonly name = 'StatusRefusedError';
}

/** Whether results of a trace that is watched come at their interval. */
export interface WatchSchedule {
  /**
   * A result came.
   * @param interval in milliseconds, as the spec wants it
   * @returns how many times that after the one before; 0 for a first one
   */
  done(key: string, interval: number): number;
}

export interface ReconcileDeps {
  readonly engine: Pick<TraceEngine, 'trace' | 'release' | 'changeAfter'>;
  readonly store: TraceStore;
  /** Whether any other trace than this one needs probes. */
  readonly isOtherActive: (key: string) => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Waits between two writings of progress; ends early where it is aborted. Default: by the clock. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  /** Undefined where the trace may be watched; else how many of its namespace are, as many as may be. */
  readonly watchesBefore: (key: string) => number | undefined;
  readonly schedule: WatchSchedule;
  /** The shortest interval that the cluster's owner admits; a trace that asks for a shorter one has this. Absent: any. */
  readonly minIntervalMilliseconds?: number;
  /** Called when the collection only waits for nodes that take long. */
  readonly onHeldUp?: () => void;
  /** Ends the collection: nothing is written after that. */
  readonly signal?: AbortSignal;
}

const defaultIntervalMilliseconds = 10_000;
/** How often a Service that is not there is looked at again, and, at first, nodes that do not answer. */
const retryMilliseconds = 10_000;
const lastRetryMilliseconds = 300_000;
/** How often a trace that may not be watched is looked at, should the end of another one have been missed. */
const watchRecheckMilliseconds = 60_000;
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
  const watches = trace.spec.mode === 'Watch' ? deps.watchesBefore(key) : undefined;
  if (watches !== undefined) return refuseWatch(key, trace, watches, deps);

  const collected = await collect(key, trace, deps);
  if (collected === undefined) return {};
  const isWritten = collected.hasProgress || isWorthWriting(trace, collected.status, now());
  const status = isWritten ? await writeStatus(key, trace, collected.status, deps) : collected.status;
  await recordTransition(trace, status, store);
  const untilExpiry = Number.isFinite(expires) ? Math.max(expires - now(), 0) : Infinity;
  if (trace.spec.mode === 'Watch') {
    const isSyncing =
      status.conditions?.some(({ type, reason }) => type === 'Converged' && reason === 'Syncing') === true;
    if (isRefused(status)) return { again: Math.min(retryAfter(status, now()), untilExpiry) };
    return { again: Math.min(isSyncing ? syncingMilliseconds : Infinity, intervalOf(trace, deps), untilExpiry) };
  }
  if (readyOf(status) === 'True') return finished(key, { ...trace, status }, deps);
  return { again: Math.min(retryAfter(status, now()), untilExpiry) };
}

/** The new status; undefined where the collection was ended. What keeps it from being made is written in the old one. */
async function collect(
  key: string,
  trace: ServiceTrace,
  deps: ReconcileDeps,
): Promise<{ status: ServiceTraceStatus; hasProgress: boolean } | undefined> {
  const { engine, store, signal } = deps;
  const generation = trace.metadata.generation === undefined ? {} : { generation: trace.metadata.generation };
  const progress = progressWriter(trace, deps);
  let partial: Promise<boolean> | undefined;
  const end = async (): Promise<boolean> => {
    const hasProgress = await progress.end();
    return (await partial) === true || hasProgress;
  };
  try {
    const { status } = await engine.trace({
      namespace: trace.metadata.namespace ?? '',
      spec: trace.spec,
      ...generation,
      ...(trace.status === undefined ? {} : { previous: trace.status }),
      ...(trace.spec.mode === 'Watch'
        ? {
            watch: {
              intervalMilliseconds: intervalOf(trace, deps),
              isViewed: trace.metadata.annotations?.[expiresAnnotation] !== undefined,
            },
          }
        : {}),
      onProgress: progress.write,
      onHeldUp: (soFar) => {
        deps.onHeldUp?.();
        partial = writePartial(trace, soFar, deps);
      },
      ...(signal === undefined ? {} : { signal }),
    });
    const hasProgress = await end();
    return signal?.aborted === true
      ? undefined
      : { status: withSchedule(key, trace, withNewerChange(trace, status, deps), deps), hasProgress };
  } catch (error) {
    const hasProgress = await end();
    if (signal?.aborted === true) return undefined;
    const observed = trace.metadata.generation === undefined ? {} : { observedGeneration: trace.metadata.generation };
    const status = notReady(
      { ...trace.status, ...observed },
      'CollectionFailed',
      messageOf(error),
      new Date(deps.now()).toISOString(),
    );
    if (
      hasProgress ||
      JSON.stringify(trace.status?.conditions?.find(({ type }) => type === 'Ready')) !==
        JSON.stringify(status.conditions?.[0])
    ) {
      await recordTransition(trace, await writeStatus(key, trace, status, deps), store);
    }
    throw error;
  }
}

/** What changed while the nodes were asked is looked at next. */
function withNewerChange(
  { metadata: { namespace = '', generation }, spec }: ServiceTrace,
  status: ServiceTraceStatus,
  { engine, now }: ReconcileDeps,
): ServiceTraceStatus {
  const change = engine.changeAfter(namespace, spec.serviceRef.name, status);
  if (change === undefined) return status;
  return {
    ...status,
    conditions: (status.conditions ?? []).map((condition) =>
      condition.type === 'Converged' && condition.status === 'True'
        ? changedCondition(change, new Date(now()).toISOString(), generation)
        : condition,
    ),
  };
}

/** The result without the nodes that take long. Where it cannot be had or written, the whole one still comes. */
async function writePartial(
  trace: ServiceTrace,
  soFar: () => Promise<ServiceTraceStatus | undefined>,
  { store, now, signal }: ReconcileDeps,
): Promise<boolean> {
  try {
    const status = await soFar();
    if (status === undefined || signal?.aborted === true || !isWorthWriting(trace, status, now())) return false;
    const schedule = (trace.status?.conditions ?? []).filter(({ type }) => type === 'OnSchedule');
    await store.writeStatus(trace, { ...status, conditions: [...(status.conditions ?? []), ...schedule] });
    return true;
  } catch {
    return false;
  }
}

/** A namespace has as many traces of mode Watch as it may: this one waits until another one goes. */
async function refuseWatch(
  key: string,
  trace: ServiceTrace,
  watches: number,
  deps: ReconcileDeps,
): Promise<{ again?: number }> {
  const message = `namespace ${trace.metadata.namespace ?? ''} has ${plural(watches, 'trace')} of mode Watch, as many as the operator's MAX_WATCHES_PER_NAMESPACE admits; this one is not collected until an older one is deleted or suspended`;
  const observed = trace.metadata.generation === undefined ? {} : { observedGeneration: trace.metadata.generation };
  const status = notReady(
    { ...trace.status, ...observed },
    'TooManyWatches',
    message,
    new Date(deps.now()).toISOString(),
  );
  const before = trace.status?.conditions?.find(({ type }) => type === 'Ready');
  if (before?.reason !== 'TooManyWatches' || before.observedGeneration !== trace.metadata.generation) {
    await recordTransition(trace, await writeStatus(key, trace, status, deps), deps.store);
  }
  return { again: watchRecheckMilliseconds };
}

/** With the condition that says whether results come at their interval: of mode Watch alone. */
function withSchedule(
  key: string,
  trace: ServiceTrace,
  status: ServiceTraceStatus,
  { schedule, now, minIntervalMilliseconds }: ReconcileDeps,
): ServiceTraceStatus {
  if (trace.spec.mode !== 'Watch') return status;
  const interval = intervalOf(trace, { minIntervalMilliseconds });
  const isRaised = interval > intervalOf(trace, {});
  const times = Math.floor(schedule.done(key, interval));
  // In powers of two, so that the status does not change each time.
  const behind = times < 2 ? undefined : 2 ** Math.floor(Math.log2(times));
  const before = trace.status?.conditions?.find(({ type }) => type === 'OnSchedule');
  const value = behind === undefined && !isRaised ? 'True' : 'False';
  return {
    ...status,
    conditions: [
      ...(status.conditions ?? []),
      {
        type: 'OnSchedule',
        status: value,
        reason: behind !== undefined ? 'FellBehind' : isRaised ? 'IntervalTooShort' : 'AtInterval',
        message:
          behind === undefined
            ? isRaised
              ? `results come every ${String(interval / 1000)} s, the shortest interval that the operator's MIN_INTERVAL admits`
              : 'results come at their interval'
            : `results are at least ${String(behind)} times as far apart as the interval of ${String(interval / 1000)} s: the operator has more to do than it can, or a node is slow`,
        lastTransitionTime: before?.status === value ? before.lastTransitionTime : new Date(now()).toISOString(),
        ...(status.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration }),
      },
    ],
  };
}

/** What was written: where the API server refuses the status, the least that says so. @throws where that is refused, too */
async function writeStatus(
  key: string,
  trace: ServiceTrace,
  status: ServiceTraceStatus,
  { store, now, log }: ReconcileDeps,
): Promise<ServiceTraceStatus> {
  try {
    await store.writeStatus(trace, status);
    return status;
  } catch (error) {
    if (!(error instanceof StatusRefusedError)) throw error;
    log.warn(`the API server refuses its status: ${boundedText(error.message)}`, { trace: traceOf(key) });
    const { observedGeneration, summary } = status;
    const rest = {
      ...(observedGeneration === undefined ? {} : { observedGeneration }),
      ...(summary === undefined ? {} : { summary }),
    };
    const time = new Date(now()).toISOString();
    const ready = notReady(
      { ...rest, conditions: trace.status?.conditions ?? [] },
      refusedReason,
      `the API server refuses the status of this trace: ${error.message}; choose fewer nodes with spec.nodes`,
      time,
    ).conditions?.[0];
    const least: ServiceTraceStatus = {
      ...rest,
      collectedAt: time,
      conditions: ready === undefined ? [] : [ready],
      nodes: [],
      findings: [],
    };
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
function isFinished({ spec, metadata, status }: TraceState): boolean {
  return (
    spec.mode !== 'Watch' &&
    status !== undefined &&
    status.observedGeneration === metadata.generation &&
    readyOf(status) === 'True'
  );
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

/** spec.interval in milliseconds, or the shortest that is admitted; the CRD admits only Go durations of h, m, s and ms. */
export function intervalOf(
  { spec }: ServiceTrace,
  { minIntervalMilliseconds = 0 }: { readonly minIntervalMilliseconds?: number | undefined },
): number {
  return Math.max(goDuration(spec.interval ?? '') ?? defaultIntervalMilliseconds, minIntervalMilliseconds);
}

/** Ends early where it is aborted, and keeps no process alive. */
async function pauseOf(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Writes how far a collection is, ever more seldom, and works out only what it writes. */
function progressWriter(
  trace: ServiceTrace,
  { store, signal, pause = pauseOf }: ReconcileDeps,
): { write: (now: () => ServiceTraceStatus) => void; end: () => Promise<boolean> } {
  // A whole status of an earlier collection says more than one that waits.
  const nodes = trace.status?.nodes ?? [];
  const isWhole =
    nodes.length > 0 &&
    nodes.every(({ probe }) => probe.state !== 'Waiting') &&
    trace.status?.observedGeneration === trace.metadata.generation;
  const ended = new AbortController();
  let hasProgress = false;
  let writing: Promise<void> | undefined;
  let next: (() => ServiceTraceStatus) | undefined;
  const writeAll = async (): Promise<void> => {
    for (
      let milliseconds = firstProgressMilliseconds;
      next !== undefined && signal?.aborted !== true;
      milliseconds = Math.min(milliseconds * 2, lastProgressMilliseconds)
    ) {
      const status = next();
      next = undefined;
      hasProgress = true;
      // The result is written all the same, and its failure is logged.
      await store.writeStatus(trace, status).catch(() => undefined);
      await pause(milliseconds, ended.signal);
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

/** Whether the status says something new; a new time alone is not. */
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
    convergence: withoutConvergenceTimes(status.convergence),
    nodes: (status.nodes ?? []).map((node) => ({
      ...node,
      probe: {
        ...node.probe,
        collectedAt: undefined,
        rulesReadAt: undefined,
        durationMilliseconds: undefined,
        clock: undefined,
      },
      // kube-proxy writes again every half minute, also where nothing changed.
      kubeProxy: { ...node.kubeProxy, lastSync: undefined, lastQueued: undefined, partialSyncs: undefined },
    })),
  });
}

/** For how long a node has not got a change yet, and when conntrack last had connections, goes on by itself. */
function withoutConvergenceTimes(convergence: ServiceTraceStatus['convergence']): object {
  return {
    ...convergence,
    changes: (convergence?.changes ?? []).map(({ nodes, conntrack = [], ...change }) => ({
      ...change,
      nodes: nodes.map((node) => (node.state === 'Pending' ? { ...node, minMilliseconds: undefined } : node)),
      conntrack: conntrack.map((kept) => ({ ...kept, seen: undefined })),
    })),
  };
}

/** The API server gives keys back in another order than they were written. */
function sortKeys(value: unknown): object {
  return JSON.parse(
    JSON.stringify(value, (_key, each: unknown) =>
      typeof each === 'object' && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
        : each,
    ),
  ) as object;
}

async function recordTransition(trace: ServiceTrace, status: ServiceTraceStatus, store: TraceStore): Promise<void> {
  const before = trace.status?.conditions?.find(({ type }) => type === 'Ready');
  const after = status.conditions?.find(({ type }) => type === 'Ready');
  if (
    after === undefined ||
    after.status === 'Unknown' ||
    (before?.status === after.status && before.reason === after.reason)
  )
    return;
  await store.recordEvent(trace, after.status === 'True' ? 'Normal' : 'Warning', after.reason, after.message);
}
