/**
 * The probe pods of one operator (or of one run of the plugin): started on demand, shared, ended when idle. A pod of ours
 * that this process does not need is deleted until it is gone, whoever left it (docs/decisions/082).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CoreV1Api,
  makeInformer,
  type CoreV1Event,
  type Informer,
  type KubeConfig,
  type ObjectCache,
  type V1Pod,
} from '@kubernetes/client-node';
import pLimit, { type LimitFunction } from 'p-limit';
import type { CaptureRequest } from '../core/capture/request.ts';
import { decodeReport } from './decode-report.ts';
import { NodeReportError, type NodeAnswer } from '../core/wire/node-report.ts';
import type { ClockOffset } from '../core/wire/clock-offset.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { plural } from '../core/lib/plural.ts';
import type { WatchRecord } from '../core/wire/watch-records.ts';
import type { WatchRequest } from '../core/wire/watch-request.ts';
import { version } from '../core/lib/version.ts';
import { describeRefusal } from '../core/api/refusal.ts';
import { messageOf, statusCodeOf } from './api-error.ts';
import { pauseAfter } from './back-off.ts';
import { cachedByKey } from './cached.ts';
import { noEngineObserver, type EngineObserver, type ProbeCounts } from './engine-observer.ts';
import type { Log } from './log.ts';
import { NodePlaces, NodeSlowError } from './node-places.ts';
import { ProbeStarts } from './probe-starts.ts';
import { NodeReadings, type Reading } from './node-readings.ts';
import { NodeSession, SessionUnusableError } from './node-session.ts';
import type { TracedNode } from './observe.ts';
import { execProbe, openSession, ProbeExecError, streamProbe } from './probe-exec.ts';
import {
  activeDeadlineSeconds,
  alteration,
  commonProbeLabels,
  probeLabels,
  probePod,
  startEvent,
  startProblem,
  unusableReason,
  type ProbePodOptions,
} from './probe-pod.ts';
import { withTimeout } from './with-timeout.ts';

export interface NodeProbesOptions extends ProbePodOptions {
  /** A probe that nobody asked for this long is ended. */
  readonly idleSeconds: number;
  /** Probes that are asked, or made, at the same time; waiting for one to start costs nothing, and is not limited. */
  readonly maxConcurrent: number;
  /** Probes that are started at the same time, at the time of the call; default: without bound. */
  readonly maxStarting?: () => number;
  /** Probes that there are at the same time; default: without bound. */
  readonly maxProbes?: number;
  /** How long `close` waits for the end of the probes; default 5 s. */
  readonly endTimeoutMilliseconds?: number;
  /** A node that takes longer than this to start its probe, or to answer, is reported as slow; default 3 s. */
  readonly slowMilliseconds?: number;
  /** Replaced by tests. */
  readonly exec?: typeof execProbe;
  readonly openSession?: typeof openSession;
  readonly log: Log;
  readonly observer?: EngineObserver;
}

/** Why a node gives no answer. */
class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  readonly reason: string;
  /** The node's own kubelet could not start its probe: that is not tried again at once. */
  readonly isOfNode: boolean;

  constructor(reason: string, message: string, isOfNode = false) {
    super(message);
    this.reason = reason;
    this.isOfNode = isOfNode;
  }
}

/** An image may have to be pulled first. */
const startTimeoutMilliseconds = 60_000;
/** A probe that does not run after this time is looked into more closely, and again each time. */
const eventsAfterMilliseconds = 3000;
/** Of pods, without those that every pod has that starts and ends as it should: of thousands of probes these are a long list. */
const tellingEvents = [
  'involvedObject.kind=Pod',
  ...['Scheduled', 'Pulled', 'Created', 'Started', 'Killing'].map((reason) => `reason!=${reason}`),
].join(',');
/** A probe reads one Service's rules in well under a second; a node under heavy load takes longer. */
const askTimeoutMilliseconds = 20_000;
/** More for each further Service of the same reading. */
const askTimeoutOfServiceMilliseconds = 500;
/** A node that gave no sign of life the last time. */
const suspectTimeoutMilliseconds = 10_000;
/** A node that is not ready seldom starts a pod; it is asked all the same, for its kubelet may only be late. */
const notReadyTimeoutMilliseconds = 5_000;
/** Kubernetes gives a probe one second to end; a kubelet that does not answer is not waited for any longer. */
const defaultEndTimeoutMilliseconds = 5_000;
/** An API server that does not answer holds up neither the end of this process nor the next attempt. */
const requestTimeoutMilliseconds = 10_000;
/** How often our pods are listed, to find those that nobody needs. */
const sweepMilliseconds = 60_000;
/** How often those of other instances are, of which the one that made them may be gone for good. */
const sweepOthersMilliseconds = 3600_000;
/** A probe ends by its own deadline; a kubelet that is gone reports no end. */
const deadMilliseconds = (activeDeadlineSeconds + 600) * 1000;
const sweepRetries = { first: 1000, last: 30_000 };
const closeRetries = { first: 200, last: 1000 };
const watchRetries = { first: 1000, last: 15_000 };
/** A watch that broke. */
const rewatching = { first: 500, last: 60_000 };
const defaultSlowMilliseconds = 3000;
/** Nodes that gave no sign of life the last time, and are asked at the same time. */
const slowPlaces = 8;

/** The first and the last record of a capture, and room for small packets. */
const captureOverheadBytes = 1024 * 1024;

/** @param isSlow the node takes so long that nobody should wait for it who can go on without */
type OnWaiting = (reason: string, message: string, isSlow?: boolean) => void;

interface MadePod {
  readonly name: string;
  readonly uid: string;
}

/** A probe that is being started, and those who wait for it. */
interface Start {
  readonly running: Promise<string>;
  readonly waiters: Set<OnWaiting>;
  /** The newest that is known of why it does not run yet. */
  last: { reason: string; message: string };
}

export class NodeProbes {
  readonly #kubeConfig: KubeConfig;
  readonly #options: NodeProbesOptions;
  readonly #observer: EngineObserver;
  readonly #pods: CoreV1Api;
  readonly #limit: LimitFunction;
  readonly #starting = new Map<string, Start>();
  /** The pod on each node that this process made. No other is ever used, whatever its name and labels say. */
  readonly #made = new Map<string, MadePod>();
  /** Nodes whose pod is being created: the watch may report it before its creation is answered. */
  readonly #creating = new Set<string>();
  readonly #places: NodePlaces;
  readonly #starts: ProbeStarts;
  /** Nodes that were not ready when they were asked the last time. */
  readonly #notReady = new Set<string>();
  /** By node; what connects has a lane of its own, for it takes seconds. */
  readonly #readings = new Map<string, NodeReadings>();
  /** By node; of the pod that this process made there. */
  readonly #sessions = new Map<string, { readonly pod: string; readonly session: NodeSession }>();
  /** Those who wait for a node's answer, to be notified that it is slow. */
  readonly #askers = new Map<string, Set<OnWaiting>>();
  readonly #lastUsed = new Map<string, number>();
  readonly #inUse = new Map<string, number>();
  /** Nodes whose rules are watched: their probes do not end for being idle, but for another node's where there are too many. */
  readonly #watched = new Set<string>();
  readonly #listeners = new Set<() => void>();
  /** Of all that do not run yet: each change of any pod lets them all look again. */
  readonly #events: (key: '') => Promise<readonly CoreV1Event[]>;
  #informer: (Informer<V1Pod> & ObjectCache<V1Pod>) | undefined;
  #informerReady: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweepDue = 0;
  #sweepFailures = 0;
  #sweptOthersAt = -Infinity;
  #isKeptClean = false;
  #watchFailures = 0;
  #closed = false;

  constructor(kubeConfig: KubeConfig, options: NodeProbesOptions) {
    this.#kubeConfig = kubeConfig;
    this.#options = options;
    this.#observer = options.observer ?? noEngineObserver;
    this.#limit = pLimit(options.maxConcurrent);
    this.#pods = kubeConfig.makeApiClient(CoreV1Api);
    this.#events = cachedByKey(eventsAfterMilliseconds, async () => {
      const { namespace } = options;
      return (await this.#pods.listNamespacedEvent({ namespace, fieldSelector: tellingEvents })).items;
    });
    this.#starts = new ProbeStarts({ most: options.maxStarting ?? (() => Infinity) });
    this.#places = new NodePlaces({
      places: options.maxConcurrent,
      slowPlaces,
      slowMilliseconds: options.slowMilliseconds ?? defaultSlowMilliseconds,
    });
  }

  /** From now on, deletes pods of ours that nobody needs: now, after each change, and each minute. */
  keepClean(): void {
    this.#sweepIn(0, true);
  }

  /**
   * Asks the node's probe, starting it first where it does not run. Never rejects: a node that does not answer gives
   * the reason instead.
   * @param onWaiting gets why the probe does not run yet
   */
  async ask(node: TracedNode, request: ProbeRequest, onWaiting: OnWaiting, signal?: AbortSignal): Promise<NodeAnswer> {
    if (node.notLookedAt !== undefined) {
      return { node: node.name, state: 'Skipped', ...node.notLookedAt };
    }
    if (node.isReady) {
      if (this.#notReady.delete(node.name)) this.#starts.forget(node.name);
    } else this.#notReady.add(node.name);
    this.#inUse.set(node.name, (this.#inUse.get(node.name) ?? 0) + 1);
    try {
      for (let attempt = 1; ; attempt += 1) {
        await this.#ensureRunning(node, onWaiting, signal);
        const askers = this.#askers.get(node.name) ?? new Set();
        this.#askers.set(node.name, askers.add(onWaiting));
        try {
          const { report, askedAt, collectedAt } = await this.#readingsOf(node.name, request).ask(request, signal);
          return { node: node.name, report, collectedAt, askedAt };
        } catch (error) {
          if (signal?.aborted === true) throw new NoAnswerError('Aborted', 'the collection was ended');
          // The pod may have ended in between (its deadline, an eviction): once more with a new one.
          const isGone =
            error instanceof ProbeExecError && (error.reason === 'StreamBroke' || error.reason === 'ExecFailed');
          if (!isGone || attempt > 1) throw error;
          await sleep(pauseAfter(0, closeRetries) + 300);
        } finally {
          askers.delete(onWaiting);
          if (askers.size === 0) this.#askers.delete(node.name);
        }
      }
    } catch (error) {
      const reason =
        error instanceof NoAnswerError || error instanceof ProbeExecError || error instanceof NodeSlowError
          ? error.reason
          : 'ProbeFailed';
      if (reason !== 'Aborted') this.#observer.onNoAnswer(reason);
      const prefix =
        node.isReady || reason === 'NodeNotReady'
          ? ''
          : `the node is not ready (kubectl describe node ${node.name} shows why): `;
      return { node: node.name, state: 'Failed', reason, message: `${prefix}${messageOf(error)}` };
    } finally {
      this.#done(node.name);
    }
  }

  counts(): ProbeCounts {
    return {
      probes: this.#made.size,
      starting: this.#starting.size,
      sessions: [...this.#sessions.values()].filter(({ session }) => session.isOpen).length,
    };
  }

  #readingsOf(node: string, request: ProbeRequest): NodeReadings {
    const key = `${node} ${request.collect.connect === undefined ? 'read' : 'connect'}`;
    const present = this.#readings.get(key);
    if (present !== undefined) return present;
    const readings = new NodeReadings({ read: (merged, signal) => this.#read(node, merged, signal), isOfRequest });
    this.#readings.set(key, readings);
    return readings;
  }

  /** One reading of a node. */
  async #read(node: string, request: ProbeRequest, signal: AbortSignal): Promise<Reading> {
    const { slowMilliseconds = defaultSlowMilliseconds } = this.#options;
    let began: number | undefined;
    const reading = this.#places.run(
      node,
      async (isSuspect) => {
        const pod = this.#pod(node)?.metadata?.name;
        if (pod === undefined) throw new ProbeExecError('ExecFailed', 'its probe ended before it was asked');
        const timeout =
          askTimeoutMilliseconds + askTimeoutOfServiceMilliseconds * Math.max(0, request.services.length - 1);
        const askedAt = new Date().toISOString();
        began = performance.now();
        const isDoubtful = isSuspect || this.#notReady.has(node);
        const answer = await this.#answerOf(node, pod, request, {
          timeoutMilliseconds: this.#notReady.has(node)
            ? notReadyTimeoutMilliseconds
            : isSuspect
              ? suspectTimeoutMilliseconds
              : timeout,
          isDoubtful,
          signal,
        });
        return { askedAt, ...answer };
      },
      {
        isSilence: (error) => error instanceof ProbeExecError && error.reason === 'TimedOut' && !error.hasBegun,
        onSlow: () => {
          for (const notify of this.#askers.get(node) ?? [])
            notify('NodeSlow', `its probe has not answered for ${String(slowMilliseconds / 1000)} s`, true);
        },
      },
    );
    const observe = (result: 'success' | 'failure'): void => {
      // One that nobody wants any more says nothing of the node; one that was not asked took no time.
      if (began !== undefined && !signal.aborted) this.#observer.onReading((performance.now() - began) / 1000, result);
    };
    reading.then(
      () => {
        observe('success');
      },
      () => {
        observe('failure');
      },
    );
    return reading;
  }

  /** In the pod's session; without, where none is to be had, or where it is doubtful that the node answers at all. */
  async #answerOf(
    node: string,
    pod: string,
    request: ProbeRequest,
    {
      timeoutMilliseconds,
      isDoubtful,
      signal,
    }: { readonly timeoutMilliseconds: number; readonly isDoubtful: boolean; readonly signal: AbortSignal },
  ): Promise<Omit<Reading, 'askedAt'>> {
    const { exec = execProbe, namespace } = this.#options;
    const end = Date.now() + timeoutMilliseconds;
    const session = this.#sessionOf(node, pod);
    let isUngreeted = false;
    if (!session.isUnusable && (session.isOpen || !isDoubtful)) {
      try {
        const report = await session.ask(request, { timeoutMilliseconds, signal });
        return { report, collectedAt: new Date().toISOString() };
      } catch (error) {
        if (!(error instanceof SessionUnusableError)) throw error;
        isUngreeted = !session.isUnusable;
      }
    }
    const output = await exec(this.#kubeConfig, {
      namespace,
      pod,
      request: JSON.stringify(request),
      timeoutMilliseconds: isUngreeted ? Math.max(1, end - Date.now()) : timeoutMilliseconds,
      signal,
    });
    const collectedAt = new Date().toISOString();
    if (isUngreeted) session.didWithout();
    return { report: await decodeReport(output), collectedAt };
  }

  /**
   * Watches rules of a node in its probe's session until it is ended; what breaks is begun again, with a new probe where the old
   * one is gone. A probe that is watched is not idle. Nothing is watched before `set`.
   * @param handlers onUnwatched: nothing is known any more, until each Service's next record
   */
  watch(
    node: TracedNode,
    handlers: {
      readonly onRecord: (record: WatchRecord, clock: ClockOffset | undefined) => void;
      readonly onUnwatched: (reason: string) => void;
      /** Rules are watched, and connections are not followed. */
      readonly onUnfollowed?: (reason: string) => void;
    },
  ): { readonly set: (request: WatchRequest) => void; readonly end: () => void } {
    const ended = new AbortController();
    const { signal } = ended;
    let request: WatchRequest | undefined;
    let session: NodeSession | undefined;
    let failures = 0;
    let wake = (): void => undefined;
    const begin = (): void => {
      // Who asks the node makes a probe there; one that had to go for another node's is not made again for this.
      const present = this.#pod(node.name);
      const pod = present === undefined || !isRunning(present) ? undefined : present.metadata?.name;
      if (pod === undefined) throw new NoAnswerError('ProbeEnded', 'it has no probe that runs');
      if (request === undefined || this.#isEnded(signal)) return;
      const own = this.#sessionOf(node.name, pod);
      session = own;
      own.watch(request, {
        onRecord: (record) => {
          failures = 0;
          handlers.onRecord(record, own.clockOffset());
        },
        onUnwatched: (reason) => {
          if (signal.aborted) return;
          handlers.onUnwatched(reason);
          wake();
        },
        onUnfollowed: (reason) => {
          if (!signal.aborted) handlers.onUnfollowed?.(reason);
        },
      });
    };
    const run = async (): Promise<void> => {
      while (!this.#isEnded(signal)) {
        const { promise: woken, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        try {
          begin();
        } catch (error) {
          handlers.onUnwatched(messageOf(error));
          resolve();
        }
        await woken;
        await sleep(pauseAfter(failures, rewatching), undefined, { signal, ref: false }).catch(() => undefined);
        failures += 1;
      }
    };
    this.#watched.add(node.name);
    return {
      set: (next) => {
        const isFirst = request === undefined;
        request = next;
        if (isFirst) void run();
        else if (session?.isOpen === true && failures === 0) begin();
      },
      end: () => {
        if (signal.aborted) return;
        ended.abort();
        session?.unwatch();
        wake();
        this.#watched.delete(node.name);
        if (this.#made.has(node.name)) this.#lastUsed.set(node.name, Date.now());
        this.#watchIdle();
      },
    };
  }

  #isEnded(signal: AbortSignal): boolean {
    return this.#closed || signal.aborted;
  }

  #sessionOf(node: string, pod: string): NodeSession {
    const present = this.#sessions.get(node);
    if (present?.pod === pod) return present.session;
    present?.session.close();
    const { openSession: open = openSession, namespace, log } = this.#options;
    const session = new NodeSession({
      open: (handlers) => open(this.#kubeConfig, { ...handlers, namespace, pod }),
      version,
      onUnusable: (sentence) => {
        log.warn(`${sentence}; until then each reading of it starts a process`, { node });
      },
    });
    this.#sessions.set(node, { pod, session });
    return session;
  }

  #endSession(node: string): void {
    this.#sessions.get(node)?.session.close();
    this.#sessions.delete(node);
  }

  /**
   * Captures packets on a node for as long as the request says, and gives each line that the probe prints. Never rejects:
   * the reason why there is nothing (more) is returned.
   */
  async capture(
    node: TracedNode,
    request: CaptureRequest,
    {
      onWaiting,
      onLine,
      signal,
    }: { readonly onWaiting: OnWaiting; readonly onLine: (line: string) => void; readonly signal?: AbortSignal },
  ): Promise<string | undefined> {
    this.#inUse.set(node.name, (this.#inUse.get(node.name) ?? 0) + 1);
    try {
      const pod = await this.#ensureRunning(node, onWaiting, signal);
      await streamProbe(this.#kubeConfig, {
        namespace: this.#options.namespace,
        pod,
        verb: 'capture',
        request: JSON.stringify(request),
        timeoutMilliseconds: request.durationSeconds * 1000 + askTimeoutMilliseconds,
        // base64, and around each packet a record.
        maxBytes: request.maxBytes * 4 + captureOverheadBytes,
        onLine,
        ...(signal === undefined ? {} : { signal }),
      });
      return undefined;
    } catch (error) {
      return messageOf(error);
    } finally {
      this.#done(node.name);
    }
  }

  #done(node: string): void {
    this.#inUse.set(node, (this.#inUse.get(node) ?? 1) - 1);
    this.#lastUsed.set(node, Date.now());
    this.#watchIdle();
    // Who waits for room may take it.
    if (this.#options.maxProbes !== undefined) this.#wake();
  }

  /** Ends every probe that is not being asked right now. */
  async release(): Promise<void> {
    await Promise.all(
      [...this.#made.keys()].filter((node) => (this.#inUse.get(node) ?? 0) === 0).map((node) => this.#end(node)),
    );
  }

  /** Ends all probes, and waits until they are gone, but not longer than a few seconds. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#idleTimer);
    clearTimeout(this.#sweepTimer);
    this.#wake();
    const end = Date.now() + (this.#options.endTimeoutMilliseconds ?? defaultEndTimeoutMilliseconds);
    // A pod that is just being created is not known yet.
    await Promise.race([
      Promise.allSettled([...this.#starting.values()].map(({ running }) => running)),
      sleep(Math.max(0, end - Date.now()), undefined, { ref: false }),
    ]);
    const hasPods = this.#made.size > 0 || this.#informer !== undefined;
    this.#made.clear();
    for (const node of [...this.#sessions.keys()]) this.#endSession(node);
    for (let failures = 0; hasPods && Date.now() < end;) {
      try {
        if ((await this.#sweep(Math.min(2000, end - Date.now()))) === 0) break;
        await this.#change(Math.max(0, Math.min(end - Date.now(), closeRetries.last)));
      } catch {
        failures += 1;
        await sleep(Math.min(pauseAfter(failures, closeRetries), Math.max(0, end - Date.now())));
      }
    }
    await this.#informer?.stop();
  }

  /** The name of a running pod; those who wait for the same node wait together. */
  async #ensureRunning(node: TracedNode, onWaiting: OnWaiting, signal: AbortSignal | undefined): Promise<string> {
    // The usual case: it runs.
    const present = this.#pod(node.name);
    if (present?.metadata?.name !== undefined && unusableReason(present) === undefined && isRunning(present))
      return present.metadata.name;
    const refusal = this.#starting.has(node.name) ? undefined : this.#refusal(node);
    if (refusal !== undefined) throw refusal;
    const start = this.#starting.get(node.name) ?? this.#begin(node);
    start.waiters.add(onWaiting);
    onWaiting(start.last.reason, start.last.message);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      aborted.reject(new NoAnswerError('Aborted', 'the collection was ended'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      return await Promise.race([start.running, aborted.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      start.waiters.delete(onWaiting);
      // The last one who waited is gone: the start ends too.
      if (start.waiters.size === 0) this.#wake();
    }
  }

  /** What the watch has last reported of the pod that this process made on a node. */
  #pod(node: string): V1Pod | undefined {
    const made = this.#made.get(node);
    const pod = made === undefined ? undefined : this.#informer?.get(made.name, this.#options.namespace);
    return pod?.metadata?.uid === made?.uid ? pod : undefined;
  }

  /** Why nobody begins to start the node's probe now. */
  #refusal({ name, isKubeletSilent }: TracedNode): NoAnswerError | undefined {
    // A pod that is there already may still run: it is asked.
    if (isKubeletSilent === true)
      return new NoAnswerError(
        'NodeNotReady',
        `not looked at: its kubelet gives no sign of life, so no probe can start there; kubectl describe node ${name} shows since when`,
      );
    const before = this.#starts.refusal(name);
    return before === undefined ? undefined : new NoAnswerError(before.reason, before.message);
  }

  #begin(node: TracedNode): Start {
    const { promise: running, resolve, reject } = Promise.withResolvers<string>();
    const start: Start = {
      running,
      waiters: new Set(),
      last: node.isReady
        ? { reason: 'ProbeStarting', message: 'its probe is starting' }
        : {
            reason: 'NodeNotReady',
            message: `the node is not ready, so its probe cannot start; kubectl describe node ${node.name} shows why`,
          },
    };
    this.#starting.set(node.name, start);
    // Whoever waits for it hears of a failure; where nobody does any more, nobody has to.
    running.catch(() => undefined);
    this.#startInTurn(node, start)
      .finally(() => this.#starting.delete(node.name))
      .then(resolve, reject);
    return start;
  }

  async #startInTurn(node: TracedNode, start: Start): Promise<string> {
    await this.#ensureInformer();
    if (this.#starts.isFull) {
      start.last = { reason: 'ProbeQueued', message: 'its probe waits until others have started' };
      for (const notify of start.waiters) notify(start.last.reason, start.last.message);
    }
    const leave = await this.#starts.turn();
    try {
      const name = await this.#start(node, start);
      this.#starts.forget(node.name);
      return name;
    } catch (error) {
      if (error instanceof NoAnswerError && error.isOfNode) this.#starts.failed(node.name, error);
      throw error;
    } finally {
      leave();
    }
  }

  /**
   * Where there are as many probes as may be, the one that was idle the longest ends: one that watches only where no other is
   * idle. Its watch is opened again on the next probe of its node. @returns whether one more may be made
   */
  #makeRoom(): boolean {
    const { maxProbes = Infinity } = this.#options;
    if (this.#made.size + this.#creating.size < maxProbes) return true;
    const [idle] = [...this.#made.keys()]
      .filter((node) => (this.#inUse.get(node) ?? 0) === 0)
      .sort(
        (one, other) =>
          Number(this.#watched.has(one)) - Number(this.#watched.has(other)) ||
          (this.#lastUsed.get(one) ?? 0) - (this.#lastUsed.get(other) ?? 0),
      );
    if (idle === undefined) return false;
    void this.#end(idle);
    return true;
  }

  /** Level-based: looks at the pod after each change of any probe's pod, and does the one thing that is next. */
  async #start(node: TracedNode, start: Start): Promise<string> {
    const timeout = node.isReady ? startTimeoutMilliseconds : notReadyTimeoutMilliseconds;
    const begun = Date.now();
    const end = begun + timeout;
    let isNew = false;
    let isReported = false;
    for (;;) {
      if (this.#closed || start.waiters.size === 0) throw new NoAnswerError('Aborted', 'the collection was ended');
      if (!this.#made.has(node.name)) {
        if (!this.#makeRoom()) {
          const left = end - Date.now();
          if (left <= 0)
            throw new NoAnswerError(
              'TooManyProbes',
              `not looked at: there are ${plural(this.#made.size, 'probe')}, as many as the operator's MAX_PROBES admits, and all are asked; choose fewer nodes with spec.nodes`,
            );
          await this.#change(left);
          continue;
        }
        await this.#create(node);
        isNew = true;
      }
      const pod = this.#pod(node.name);
      const unusable = pod === undefined ? undefined : unusableReason(pod);
      if (pod !== undefined && unusable !== undefined) {
        await this.#end(node.name);
        const problem = startProblem(pod);
        // One that was made just now shows why it cannot run; any other has done its time, and is recreated.
        if (isNew && problem !== undefined) throw new NoAnswerError(problem.reason, problem.message, true);
        this.#options.log.info(`its probe is recreated: ${unusable}`, { node: node.name });
        continue;
      }
      if (pod !== undefined) {
        const altered = alteration(pod);
        if (altered !== undefined) {
          await this.#end(node.name);
          throw new NoAnswerError(
            'ProbeAltered',
            `an admission webhook changed its probe (${altered}); exempt namespace ${this.#options.namespace} from it`,
            true,
          );
        }
        if (isRunning(pod) && pod.metadata?.name !== undefined) return pod.metadata.name;
        const isLate = Date.now() - begun >= eventsAfterMilliseconds;
        const problem = startProblem(pod) ?? (isLate ? startEvent(await this.#eventsOf(pod)) : undefined);
        if (problem !== undefined && (problem.reason !== start.last.reason || problem.message !== start.last.message)) {
          start.last = problem;
          for (const notify of start.waiters) notify(problem.reason, problem.message, isLate);
        }
      }
      if (Date.now() - begun >= eventsAfterMilliseconds && !isReported) {
        isReported = true;
        for (const notify of start.waiters) notify(start.last.reason, start.last.message, true);
      }
      const left = end - Date.now();
      if (left <= 0) {
        // Where the watch shows nothing of it, it may be gone.
        if (pod === undefined) await this.#end(node.name);
        throw new NoAnswerError(start.last.reason, `${start.last.message} (waited ${String(timeout / 1000)} s)`, true);
      }
      // The kubelet reports some things in events only.
      await this.#change(Math.min(left, eventsAfterMilliseconds));
    }
  }

  /** None where they may not be read. */
  async #eventsOf({ metadata }: V1Pod): Promise<readonly CoreV1Event[]> {
    try {
      return (await this.#events('')).filter(({ involvedObject }) => involvedObject.uid === metadata?.uid);
    } catch {
      return [];
    }
  }

  async #create(node: TracedNode): Promise<void> {
    const { namespace } = this.#options;
    this.#creating.add(node.name);
    try {
      const { metadata } = await this.#limit(() =>
        withTimeout(
          this.#pods.createNamespacedPod({ namespace, body: probePod(node.name, this.#options) }),
          requestTimeoutMilliseconds,
        ),
      );
      if (metadata?.name === undefined || metadata.uid === undefined)
        throw new NoAnswerError('CreateFailed', 'the API server gave its probe no name');
      this.#made.set(node.name, { name: metadata.name, uid: metadata.uid });
      this.#lastUsed.set(node.name, Date.now());
    } catch (error) {
      // Where no answer came, it may be there all the same.
      this.#sweepIn(pauseAfter(0, sweepRetries));
      throw error instanceof NoAnswerError ? error : createProblem(error, namespace);
    } finally {
      this.#creating.delete(node.name);
    }
  }

  async #end(node: string): Promise<void> {
    const made = this.#made.get(node);
    this.#made.delete(node);
    this.#lastUsed.delete(node);
    this.#endSession(node);
    if (made !== undefined) await this.#delete(made);
  }

  /** @returns whether it is on its way to its end, or gone */
  async #delete({ name, uid }: MadePod, timeoutMilliseconds = requestTimeoutMilliseconds): Promise<boolean> {
    try {
      await withTimeout(
        this.#pods.deleteNamespacedPod({
          name,
          namespace: this.#options.namespace,
          body: { gracePeriodSeconds: 1, preconditions: { uid } },
        }),
        timeoutMilliseconds,
      );
      return true;
    } catch (error) {
      if (statusCodeOf(error) === 404 || statusCodeOf(error) === 409) return true;
      const pause = pauseAfter(this.#sweepFailures, sweepRetries);
      if (this.#sweepFailures === 0)
        this.#options.log.warn(`cannot delete pod ${name}: ${messageOf(error)}; tried again until it is gone`);
      this.#sweepFailures += 1;
      this.#sweepIn(pause);
      return false;
    }
  }

  /** Level-based: whatever the reason why a pod of ours is there, where nobody needs it, it is deleted. Gives the number that are not gone yet. */
  async #sweep(timeoutMilliseconds = requestTimeoutMilliseconds): Promise<number> {
    const { namespace, instance } = this.#options;
    const { items } = await withTimeout(
      this.#pods.listNamespacedPod({ namespace, labelSelector: selectorOf(probeLabels(instance)) }),
      timeoutMilliseconds,
    );
    const needed = new Set([...this.#made.values()].map(({ uid }) => uid));
    const unneeded = items.filter(
      ({ metadata, spec }) => !needed.has(metadata?.uid ?? '') && !this.#creating.has(spec?.nodeName ?? ''),
    );
    await Promise.all(
      unneeded.map(async ({ metadata }) => {
        if (metadata?.name !== undefined && metadata.uid !== undefined && metadata.deletionTimestamp === undefined)
          await this.#delete({ name: metadata.name, uid: metadata.uid }, timeoutMilliseconds);
      }),
    );
    return unneeded.length;
  }

  /** Each hour: probes of other operators, or of runs of the plugin, that have ended, or should have long ago. */
  async #sweepOthers(): Promise<void> {
    if (!this.#isKeptClean || performance.now() - this.#sweptOthersAt < sweepOthersMilliseconds) return;
    const { namespace, instance, log } = this.#options;
    const { items } = await withTimeout(
      this.#pods.listNamespacedPod({ namespace, labelSelector: selectorOf(commonProbeLabels) }),
      requestTimeoutMilliseconds,
    );
    this.#sweptOthersAt = performance.now();
    for (const { metadata, status } of items) {
      const { name, uid, creationTimestamp, deletionTimestamp } = metadata ?? {};
      const other = metadata?.labels?.['svctrace.io/instance'];
      if (name === undefined || uid === undefined || other === undefined || other === instance) continue;
      const isOver = status?.phase === 'Failed' || status?.phase === 'Succeeded';
      const isDead = creationTimestamp !== undefined && Date.now() - creationTimestamp.getTime() > deadMilliseconds;
      if (deletionTimestamp !== undefined || !(isOver || isDead)) continue;
      log.info(`pod ${name}, a probe of another instance, has ended and is deleted`);
      await this.#delete({ name, uid });
    }
  }

  /** Looks for pods that nobody needs after the time; a nearer plan is kept. @param isForEver again each minute */
  #sweepIn(milliseconds: number, isForEver = false): void {
    if (this.#closed) return;
    if (isForEver) this.#isKeptClean = true;
    const due = Date.now() + milliseconds;
    if (this.#sweepTimer !== undefined && this.#sweepDue <= due) return;
    clearTimeout(this.#sweepTimer);
    this.#sweepDue = due;
    this.#sweepTimer = setTimeout(() => {
      this.#sweepTimer = undefined;
      const before = this.#sweepFailures;
      this.#ensureInformer()
        .catch(() => undefined)
        .then(() => this.#sweep())
        .then(() => this.#sweepOthers())
        .then(
          () => {
            if (this.#sweepFailures === before) this.#sweepFailures = 0;
          },
          (error: unknown) => {
            if (this.#sweepFailures === 0)
              this.#options.log.warn(`probes cannot be listed: ${messageOf(error)}; tried again`);
            this.#sweepIn(pauseAfter(this.#sweepFailures, sweepRetries));
            this.#sweepFailures += 1;
          },
        )
        .finally(() => {
          if (this.#isKeptClean) this.#sweepIn(sweepMilliseconds);
        })
        .catch((error: unknown) => {
          this.#options.log.warn(`probes: ${messageOf(error)}`);
        });
    }, milliseconds);
    this.#sweepTimer.unref();
  }

  /** Ends probes that have been idle for too long; the timer runs only while there is one. */
  #watchIdle(): void {
    if (this.#idleTimer !== undefined || this.#closed) return;
    this.#idleTimer = setInterval(() => {
      const old = Date.now() - this.#options.idleSeconds * 1000;
      for (const [node, used] of this.#lastUsed) {
        if (used < old && (this.#inUse.get(node) ?? 0) === 0 && !this.#watched.has(node)) void this.#end(node);
      }
      if (this.#lastUsed.size === 0) {
        clearInterval(this.#idleTimer);
        this.#idleTimer = undefined;
      }
    }, 2000);
    this.#idleTimer.unref();
  }

  /** A cache of our probes' pods, kept by a watch. */
  async #ensureInformer(): Promise<Informer<V1Pod> & ObjectCache<V1Pod>> {
    if (this.#informer === undefined) {
      const { namespace, instance } = this.#options;
      const labelSelector = selectorOf(probeLabels(instance));
      const informer = makeInformer(
        this.#kubeConfig,
        `/api/v1/namespaces/${namespace}/pods`,
        () => this.#pods.listNamespacedPod({ namespace, labelSelector }),
        labelSelector,
      );
      this.#informer = informer;
      informer.on('update', () => {
        this.#wake();
      });
      informer.on('add', ({ metadata, spec }) => {
        this.#wake();
        const made = this.#made.get(spec?.nodeName ?? '');
        if (isReady && made?.uid !== metadata?.uid && !this.#creating.has(spec?.nodeName ?? '')) this.#sweepIn(0);
      });
      informer.on('delete', ({ metadata }) => {
        for (const [node, { uid }] of this.#made) {
          if (uid !== metadata?.uid) continue;
          this.#made.delete(node);
          this.#endSession(node);
        }
        this.#wake();
      });
      const ready = Promise.withResolvers<void>();
      ready.promise.catch(() => undefined);
      let isReady = false;
      informer.on('error', (error: unknown) => {
        if (!isReady) {
          ready.reject(error);
          return;
        }
        if (this.#closed) return;
        if (this.#watchFailures === 0) this.#options.log.warn(`watching probes: ${messageOf(error)}; tried again`);
        const pause = pauseAfter(this.#watchFailures, watchRetries);
        this.#watchFailures += 1;
        setTimeout(() => {
          informer.start().then(
            () => {
              this.#watchFailures = 0;
              this.#sweepIn(0);
            },
            (late: unknown) => {
              this.#options.log.warn(`watching probes: ${messageOf(late)}`);
            },
          );
        }, pause).unref();
      });
      informer.start().then(() => {
        isReady = true;
        ready.resolve();
        this.#sweepIn(0);
      }, ready.reject);
      this.#informerReady = ready.promise;
    }
    try {
      await this.#informerReady;
    } catch (error) {
      this.#informer = undefined;
      const code = statusCodeOf(error);
      throw new NoAnswerError(
        code === 403 ? 'Forbidden' : 'ListFailed',
        `probes of namespace ${this.#options.namespace} cannot be listed: ${describeRefusal(messageOf(error)) ?? messageOf(error)}`,
      );
    }
    return this.#informer;
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Resolves at the next change of any probe's pod, or after the time. */
  async #change(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const listener = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve();
      };
      const timer = setTimeout(listener, milliseconds);
      this.#listeners.add(listener);
    });
  }
}

/** Where a whole reading fails, it may be for one of its Services; a node that does not answer is so for all of them. */
function isOfRequest(error: unknown): boolean {
  if (error instanceof NodeReportError) return true;
  return (
    error instanceof ProbeExecError &&
    (error.reason === 'ProbeFailed' ||
      error.reason === 'ReportTooLarge' ||
      (error.reason === 'TimedOut' && error.hasBegun))
  );
}

function selectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

function isRunning(pod: V1Pod): boolean {
  return pod.status?.phase === 'Running' && pod.status.containerStatuses?.[0]?.state?.running !== undefined;
}

/** Why the API server refused a probe, and what to do about it. */
function createProblem(error: unknown, namespace: string): NoAnswerError {
  const message = messageOf(error);
  const code = statusCodeOf(error);
  if (code === 403 && message.includes('PodSecurity')) {
    return new NoAnswerError(
      'PodSecurity',
      `PodSecurity refuses probes in namespace ${namespace}; label it: kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
    );
  }
  if (code === 403 && message.includes('exceeded quota'))
    return new NoAnswerError(
      'QuotaExceeded',
      `a quota of namespace ${namespace} refuses its probe: ${message}; kubectl -n ${namespace} get resourcequota shows it: a probe requests 10m CPU and 48Mi memory on each node`,
    );
  // The API server says in words alone who refused: a webhook, a webhook that does not answer, or a policy.
  if (/admission webhook|failed calling webhook|ValidatingAdmissionPolicy/.test(message))
    return new NoAnswerError(
      'AdmissionRefused',
      `admission refuses its probe: ${message}; exempt namespace ${namespace} from that webhook or policy, or change it`,
    );
  if (code === 403)
    return new NoAnswerError('Forbidden', `its probe may not be created: ${describeRefusal(message) ?? message}`);
  if (code === 404)
    return new NoAnswerError('NoNamespace', `its probe cannot be created, for there is no namespace ${namespace}`);
  return new NoAnswerError('CreateFailed', `its probe cannot be created: ${message}`);
}
