/** The probe pods of one operator (or of one run of the plugin): started on demand, shared, ended when idle. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoreV1Api, makeInformer, type Informer, type KubeConfig, type ObjectCache, type V1Pod } from '@kubernetes/client-node';
import { parseNodeReport, type NodeAnswer } from '../core/node-report.ts';
import type { ProbeRequest } from '../core/probe-request.ts';
import { messageOf, statusCodeOf } from './api-error.ts';
import type { TracedNode } from './observe.ts';
import { execProbe, ProbeExecError } from './probe-exec.ts';
import { probeLabels, probePod, probePodName, startProblem, unusableReason, type ProbePodOptions } from './probe-pod.ts';

export interface NodeProbesOptions extends ProbePodOptions {
  /** A probe that nobody asked for this long is ended. */
  readonly idleSeconds: number;
  readonly log: (message: string) => void;
}

/** Why a node gives no answer. */
class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** An image may have to be pulled first. */
const startTimeoutMilliseconds = 60_000;
/** A node that is not ready seldom starts a pod; it is asked all the same, for its kubelet may only be late. */
const notReadyTimeoutMilliseconds = 5_000;

export class NodeProbes {
  readonly #kubeConfig: KubeConfig;
  readonly #options: NodeProbesOptions;
  readonly #pods: CoreV1Api;
  readonly #starting = new Map<string, Promise<string>>();
  readonly #lastUsed = new Map<string, number>();
  readonly #inUse = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #informer: (Informer<V1Pod> & ObjectCache<V1Pod>) | undefined;
  #informerReady: Promise<void> | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(kubeConfig: KubeConfig, options: NodeProbesOptions) {
    this.#kubeConfig = kubeConfig;
    this.#options = options;
    this.#pods = kubeConfig.makeApiClient(CoreV1Api);
  }

  /**
   * Asks the node's probe, starting it first where it does not run. Never rejects: a node that does not answer gives
   * the reason instead.
   * @param onWaiting is told why the probe does not run yet
   */
  async ask(node: TracedNode, request: ProbeRequest, onWaiting: (reason: string, message: string) => void, signal?: AbortSignal): Promise<NodeAnswer> {
    const name = probePodName(node.name, this.#options.instance);
    this.#inUse.set(name, (this.#inUse.get(name) ?? 0) + 1);
    try {
      for (let attempt = 1; ; attempt += 1) {
        const pod = await this.#ensureRunning(node, onWaiting, signal);
        try {
          const output = await execProbe(this.#kubeConfig, this.#options.namespace, pod, JSON.stringify(request), signal);
          return { node: node.name, report: parseNodeReport(output), collectedAt: new Date().toISOString() };
        } catch (error) {
          // The pod may have ended in between (its deadline, an eviction): once more with a new one.
          const gone = error instanceof ProbeExecError && (error.reason === 'StreamBroke' || error.reason === 'ExecRefused');
          if (!gone || attempt > 1 || signal?.aborted === true) throw error;
          await sleep(500);
        }
      }
    } catch (error) {
      const reason = error instanceof NoAnswerError || error instanceof ProbeExecError ? error.reason : 'ProbeFailed';
      return { node: node.name, state: 'Failed', reason, message: messageOf(error) };
    } finally {
      this.#inUse.set(name, (this.#inUse.get(name) ?? 1) - 1);
      this.#lastUsed.set(name, Date.now());
      this.#watchIdle();
    }
  }

  /** Ends every probe that is not being asked right now. */
  async release(): Promise<void> {
    await Promise.all([...this.#lastUsed.keys()].filter((name) => (this.#inUse.get(name) ?? 0) === 0).map((name) => this.#end(name)));
  }

  /** Ends all probes, and waits until they are gone, but not longer than 10 s. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#idleTimer);
    const names = [...new Set([...this.#lastUsed.keys(), ...this.#inUse.keys()])];
    await Promise.all(names.map((name) => this.#end(name)));
    const end = Date.now() + 10_000;
    while (this.#informer !== undefined && names.some((name) => this.#informer?.get(name, this.#options.namespace) !== undefined) && Date.now() < end) await sleep(50);
    await this.#informer?.stop();
  }

  /** The name of a running pod; those who wait for the same node wait together. */
  async #ensureRunning(node: TracedNode, onWaiting: (reason: string, message: string) => void, signal?: AbortSignal): Promise<string> {
    const name = probePodName(node.name, this.#options.instance);
    const present = this.#starting.get(name);
    if (present !== undefined) return present;
    const starting = this.#start(name, node, onWaiting, signal).finally(() => this.#starting.delete(name));
    this.#starting.set(name, starting);
    return starting;
  }

  async #start(name: string, node: TracedNode, onWaiting: (reason: string, message: string) => void, signal?: AbortSignal): Promise<string> {
    const { namespace } = this.#options;
    const informer = await this.#ensureInformer();
    const timeout = node.isReady ? startTimeoutMilliseconds : notReadyTimeoutMilliseconds;
    const end = Date.now() + timeout;
    let last: { reason: string; message: string } = node.isReady
      ? { reason: 'ProbeStarting', message: 'its probe is starting' }
      : { reason: 'NodeNotReady', message: 'the node is not ready, so its probe cannot start' };
    let created = false;
    for (;;) {
      if (signal?.aborted === true || this.#closed) throw new NoAnswerError('Aborted', 'the collection was ended');
      const pod = informer.get(name, namespace);
      const unusable = pod === undefined ? undefined : unusableReason(pod, node.name, this.#options);
      if (pod === undefined && !created) {
        await this.#create(node);
        created = true;
        onWaiting(last.reason, last.message);
      } else if (pod !== undefined && unusable === undefined) {
        created = true;
        if (isRunning(pod)) return name;
        const problem = startProblem(pod);
        if (problem !== undefined && problem.reason !== last.reason) onWaiting(problem.reason, problem.message);
        last = problem ?? last;
      } else if (pod !== undefined && unusable !== undefined) {
        const problem = startProblem(pod);
        // A pod of our own that failed to start tells why; anything else is replaced.
        if (created && problem !== undefined && pod.status?.phase === 'Failed') throw new NoAnswerError(problem.reason, problem.message);
        if (pod.metadata?.deletionTimestamp === undefined) {
          this.#options.log(`replacing pod ${name} of ${node.name}: ${unusable}`);
          await this.#end(name);
        }
        created = false;
      }
      const left = end - Date.now();
      if (left <= 0) throw new NoAnswerError(last.reason, `${last.message} (waited ${String(timeout / 1000)} s)`);
      await this.#change(Math.min(left, 1000));
    }
  }

  async #create(node: TracedNode): Promise<void> {
    const { namespace } = this.#options;
    try {
      await this.#pods.createNamespacedPod({ namespace, body: probePod(node.name, this.#options) });
      this.#lastUsed.set(probePodName(node.name, this.#options.instance), Date.now());
    } catch (error) {
      const message = messageOf(error);
      // Somebody was faster, or the informer is behind: it will show the pod.
      if (statusCodeOf(error) === 409) return;
      if (statusCodeOf(error) === 403 && message.includes('PodSecurity')) {
        throw new NoAnswerError('PodSecurity', `PodSecurity refuses probes in namespace ${namespace}; label it: kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`);
      }
      if (statusCodeOf(error) === 403 && message.includes('quota')) throw new NoAnswerError('QuotaExceeded', `a quota of namespace ${namespace} refuses its probe: ${message}`);
      if (statusCodeOf(error) === 403) throw new NoAnswerError('Forbidden', `its probe may not be created: ${message}`);
      throw new NoAnswerError('CreateFailed', `its probe cannot be created: ${message}`);
    }
  }

  async #end(name: string): Promise<void> {
    this.#lastUsed.delete(name);
    try {
      await this.#pods.deleteNamespacedPod({ name, namespace: this.#options.namespace, gracePeriodSeconds: 1 });
    } catch (error) {
      if (statusCodeOf(error) !== 404) this.#options.log(`cannot delete pod ${name}: ${messageOf(error)}`);
    }
  }

  /** Ends probes that have been idle for too long; the timer runs only while there is one. */
  #watchIdle(): void {
    if (this.#idleTimer !== undefined || this.#closed) return;
    this.#idleTimer = setInterval(() => {
      const old = Date.now() - this.#options.idleSeconds * 1000;
      for (const [name, used] of this.#lastUsed) {
        if (used < old && (this.#inUse.get(name) ?? 0) === 0) void this.#end(name);
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
      const labelSelector = Object.entries(probeLabels(instance)).map(([key, value]) => `${key}=${value}`).join(',');
      const informer = makeInformer(this.#kubeConfig, `/api/v1/namespaces/${namespace}/pods`, () => this.#pods.listNamespacedPod({ namespace, labelSelector }), labelSelector);
      this.#informer = informer;
      for (const event of ['add', 'update', 'delete'] as const) {
        informer.on(event, () => { for (const listener of this.#listeners) listener(); });
      }
      informer.on('error', () => {
        if (!this.#closed) setTimeout(() => { informer.start().catch((error: unknown) => { this.#options.log(`watching probes: ${messageOf(error)}`); }); }, 1000).unref();
      });
      this.#informerReady = informer.start();
    }
    try {
      await this.#informerReady;
    } catch (error) {
      this.#informer = undefined;
      const code = statusCodeOf(error);
      throw new NoAnswerError(code === 403 ? 'Forbidden' : 'ListFailed', `probes of namespace ${this.#options.namespace} cannot be listed: ${messageOf(error)}`);
    }
    return this.#informer;
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

function isRunning(pod: V1Pod): boolean {
  return pod.status?.phase === 'Running' && pod.status.containerStatuses?.[0]?.state?.running !== undefined;
}
