/**
 * The operator's metrics (docs/decisions/140). No label has a name that a tenant chooses: their number depends on this
 * program and on Kubernetes alone.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { version } from '../core/lib/version.ts';
import type { ApiRequest } from './api-requests.ts';
import type { OperatorObserver, OperatorState } from './operator-observer.ts';

/** Why a node gives no answer, as this program says it; what a kubelet says besides is counted as Other. */
const knownReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'CreateFailed',
  'DeadlineExceeded',
  'ErrImageNeverPull',
  'ErrImagePull',
  'Evicted',
  'ExecFailed',
  'ExecForbidden',
  'FailedMount',
  'Forbidden',
  'ImagePullBackOff',
  'InvalidImageName',
  'ListFailed',
  'NoNamespace',
  'NodeNotReady',
  'NodeSlow',
  'PodSecurity',
  'ProbeAltered',
  'ProbeFailed',
  'ProbeStarting',
  'QuotaExceeded',
  'ReportTooLarge',
  'RunContainerError',
  'StreamBroke',
  'TimedOut',
]);

const readingBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const collectionBuckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const lagBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const waitBuckets = [0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

export interface OperatorMetrics {
  readonly observer: OperatorObserver;
  readonly onApiRequest: (request: ApiRequest, code: string) => void;
  /** The content type of `text`. */
  readonly contentType: string;
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>;
}

/** @param read what there is at the time of its call */
export function operatorMetrics(read: () => OperatorState): OperatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  // CPU, memory, open files and the event loop, under the names that Prometheus' clients share.
  collectDefaultMetrics({ register: registry });

  gauge('svctrace_build_info', 'Version of the operator; always 1', ['version'], (set) => {
    set({ version }, 1);
  });
  gauge('svctrace_leader', 'Whether this operator works (1) or waits (0)', [], (set) => {
    set({}, read().work === undefined ? 0 : 1);
  });
  gauge('svctrace_traces', 'ServiceTraces by mode and state: Active, Finished, Suspended', ['mode', 'state'], (set) => {
    for (const { count, ...labels } of read().work?.counts.traces ?? []) set(labels, count);
  });
  gauge('svctrace_trace_conditions', 'ServiceTraces by condition and its status', ['condition', 'status'], (set) => {
    for (const { count, ...labels } of read().work?.counts.conditions ?? []) set(labels, count);
  });
  gauge(
    'svctrace_findings',
    'Findings in the statuses of ServiceTraces, by id and severity',
    ['id', 'severity'],
    (set) => {
      for (const { count, ...labels } of read().work?.counts.findings ?? []) set(labels, count);
    },
  );
  gauge(
    'svctrace_traces_behind',
    'ServiceTraces of mode Watch whose results come at twice their interval or later',
    [],
    (set) => {
      set({}, read().work?.behind ?? 0);
    },
  );
  gauge('svctrace_queue_depth', 'ServiceTraces that wait for their turn', [], (set) => {
    set({}, read().work?.queue.keys ?? 0);
  });
  gauge('svctrace_queue_oldest_seconds', 'How long the first ServiceTrace of the queue has waited', [], (set) => {
    set({}, (read().work?.queue.milliseconds ?? 0) / 1000);
  });
  gauge('svctrace_probes', 'Probe pods of this operator, by state: started, starting', ['state'], (set) => {
    const { probes, starting } = read().probes;
    set({ state: 'started' }, probes);
    set({ state: 'starting' }, starting);
  });
  gauge('svctrace_sessions', 'Sessions with probes that are open', [], (set) => {
    set({}, read().probes.sessions);
  });

  const queueWait = new Histogram({
    name: 'svctrace_queue_wait_seconds',
    help: 'How long a ServiceTrace waited for its turn',
    buckets: waitBuckets,
    registers,
  });
  const collections = new Histogram({
    name: 'svctrace_collection_duration_seconds',
    help: 'Collections of a ServiceTrace, from the API server and the nodes to its status, by mode and result: success, failure, ended (by a change of the trace)',
    labelNames: ['mode', 'result'],
    buckets: collectionBuckets,
    registers,
  });
  const readings = new Histogram({
    name: 'svctrace_node_reading_duration_seconds',
    help: 'Readings of a node, each for all ServiceTraces that were due, by result: success, failure',
    labelNames: ['result'],
    buckets: readingBuckets,
    registers,
  });
  const lags = new Histogram({
    name: 'svctrace_endpointslice_lag_seconds',
    help: "From a change of a traced Service's EndpointSlices to the rules of a node that has it, for each ServiceTrace and node, by bound: every lag is at least min and at most max",
    labelNames: ['bound'],
    buckets: lagBuckets,
    registers,
  });
  const noAnswers = new Counter({
    name: 'svctrace_node_answer_failures_total',
    help: 'Nodes that gave no answer to a ServiceTrace, by reason',
    labelNames: ['reason'],
    registers,
  });
  const apiRequests = new Counter({
    name: 'svctrace_api_requests_total',
    help: 'Requests to the API server, by verb, resource and HTTP status; error: no answer',
    labelNames: ['verb', 'resource', 'code'],
    registers,
  });

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    onApiRequest: ({ verb, resource }, code) => {
      apiRequests.inc({ verb, resource, code });
    },
    observer: {
      onReading: (seconds, result) => {
        readings.observe({ result }, seconds);
      },
      onNoAnswer: (reason) => {
        noAnswers.inc({ reason: knownReasons.has(reason) ? reason : 'Other' });
      },
      onCollection: (mode, seconds, result) => {
        collections.observe({ mode, result }, seconds);
      },
      onArrival: ({ minMilliseconds, maxMilliseconds }) => {
        lags.observe({ bound: 'min' }, minMilliseconds / 1000);
        if (maxMilliseconds !== undefined) lags.observe({ bound: 'max' }, maxMilliseconds / 1000);
      },
      onTurn: (seconds) => {
        queueWait.observe(seconds);
      },
    },
  };

  function gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    collect: (set: (labels: Readonly<Partial<Record<Label, string>>>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers,
      collect() {
        // What is no longer there is not shown with its last number.
        this.reset();
        collect((labels, value) => {
          this.set(labels, value);
        });
      },
    });
  }
}
