/**
 * 200 traces of mode Watch, and others beside them, on the operator's own queue, reconciliation and readings. The engine
 * is one that takes as long as probes do: 60 ms for a reading, 2 ms more for each Service, one at a time on each of three
 * nodes, and an interval of 1 s, by a clock of the test's own.
 */
import { expect, it, afterEach, beforeEach, vi } from 'vitest';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import type { ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { NodeReadings } from '../../engine/node-readings.ts';
import { reconcile, type ReconcileDeps } from '../../operator/reconcile.ts';
import { WorkQueue } from '../../operator/work-queue.ts';
import { noLog } from '../../engine/log.ts';

const readingMilliseconds = 60;
const serviceMilliseconds = 2;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Those in work are done first. */
async function end(queue: WorkQueue): Promise<void> {
  const ended = queue.stop();
  await vi.runAllTimersAsync();
  await ended;
}

interface World {
  readonly queue: WorkQueue;
  readonly traces: Map<string, ServiceTrace>;
  /** Results by trace. */
  readonly results: Map<string, number>;
  readonly most: () => number;
  readonly add: (namespace: string, name: string, mode: 'Once' | 'Watch') => string;
}

function world(): World {
  const traces = new Map<string, ServiceTrace>();
  const results = new Map<string, number>();
  const last = new Map<string, number>();
  let reading = 0;
  let most = 0;
  const nodes = ['node-a', 'node-b', 'node-c'].map(
    (node) =>
      new NodeReadings({
        isOfRequest: () => false,
        read: async (request) => {
          reading += 1;
          most = Math.max(most, reading);
          await new Promise((resolve) =>
            setTimeout(resolve, readingMilliseconds + request.services.length * serviceMilliseconds),
          );
          reading -= 1;
          return { report: { node, complete: true, records: [] }, askedAt: '', collectedAt: '' };
        },
      }),
  );
  const requestOf = (trace: ServiceTrace): ProbeRequest => ({
    version: 1,
    node: 'node',
    services: [
      {
        namespace: trace.metadata.namespace ?? '',
        name: trace.metadata.name ?? '',
        clusterIPs: [],
        externalIPs: [],
        loadBalancerIPs: [],
        ports: [],
      },
    ],
    collect: { rules: true, conntrack: 'Summary', kubeProxy: true },
    maxConntrackEntries: 0,
  });
  const deps: ReconcileDeps = {
    now: Date.now,
    log: noLog,
    watchesBefore: () => undefined,
    schedule: {
      done: (key, interval) => {
        const times = (Date.now() - (last.get(key) ?? Date.now())) / interval;
        last.set(key, Date.now());
        return times;
      },
    },
    isOtherActive: () => true,
    engine: {
      trace: async ({ namespace, spec }) => {
        const trace = traces.get(`${namespace}/${spec.serviceRef.name}`);
        if (trace === undefined) throw new Error('gone');
        await Promise.all(nodes.map((node) => node.ask(requestOf(trace))));
        const status: ServiceTraceStatus = {
          observedGeneration: 1,
          collectedAt: new Date().toISOString(),
          conditions: [
            {
              type: 'Ready',
              status: 'True',
              reason: 'Collected',
              message: 'm',
              lastTransitionTime: new Date().toISOString(),
            },
          ],
        };
        return { status, desired: undefined, answers: [], cluster: undefined, nodeZones: {}, walkFrom: [] };
      },
      release: async () => undefined,
      changeAfter: () => undefined,
    },
    store: {
      read: async (key) => traces.get(key),
      writeStatus: async ({ metadata }, status) => {
        const key = `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
        const trace = traces.get(key);
        if (trace !== undefined) traces.set(key, { ...trace, status });
      },
      delete: async () => undefined,
      recordEvent: async () => undefined,
    },
  };
  const queue = new WorkQueue({
    concurrency: 32,
    groupOf: (key) => key.split('/')[0] ?? '',
    isRecurring: (key) => traces.get(key)?.spec.mode === 'Watch',
    work: async (key, giveUpPlace) => {
      const done = await reconcile(key, { ...deps, onHeldUp: giveUpPlace });
      results.set(key, (results.get(key) ?? 0) + 1);
      return done;
    },
    onFailure: (_key, error) => {
      throw error;
    },
  });
  return {
    queue,
    traces,
    results,
    most: () => most,
    add: (namespace, name, mode) => {
      const key = `${namespace}/${name}`;
      traces.set(key, {
        apiVersion: 'svctrace.io/v1alpha1',
        kind: 'ServiceTrace',
        metadata: { namespace, name, uid: key, generation: 1 },
        spec: { serviceRef: { name }, mode, ...(mode === 'Watch' ? { interval: '1s' } : {}) },
      });
      queue.add(key);
      return key;
    },
  };
}

it('has 200 traces of mode Watch ready, at their interval, and those of others in between, with one reading at a time on a node', async () => {
  const { queue, traces, results, most, add } = world();
  const watches = Array.from({ length: 200 }, (_, index) => add('greedy', `watch-${String(index)}`, 'Watch'));
  await vi.advanceTimersByTimeAsync(300);
  // Another user comes while all of them wait, and one of the same namespace.
  const once = [add('small', 'once', 'Once'), add('greedy', 'once', 'Once')];
  while (!once.every((key) => results.has(key))) await vi.advanceTimersByTimeAsync(5);
  const readyThen = watches.filter((key) => results.has(key)).length;
  await vi.advanceTimersByTimeAsync(6000);
  await end(queue);
  const ready = watches.filter(
    (key) =>
      traces.get(key)?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true,
  );
  expect(ready).toHaveLength(200);
  // They did not wait for the 200: those that were in work before them, and at most one more round.
  expect(readyThen).toBeLessThan(150);
  expect(most(), 'three nodes, one reading each').toBeLessThanOrEqual(3);
  const counts = watches.map((key) => results.get(key) ?? 0);
  // No trace is served at the cost of another.
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(3);
});

it('serves each namespace, whatever the others have', async () => {
  const { queue, results, add } = world();
  for (let index = 0; index < 195; index += 1) add('greedy', `watch-${String(index)}`, 'Watch');
  const others = Array.from({ length: 10 }, (_, index) => add(`small-${String(index)}`, 'once', 'Once'));
  while (!others.every((key) => results.has(key))) await vi.advanceTimersByTimeAsync(5);
  expect([...results.keys()].filter((key) => key.startsWith('greedy')).length).toBeLessThan(100);
  await end(queue);
});
