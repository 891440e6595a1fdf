/**
 * The operator's own parts in this process, on one trace that is in no API server: its queue, its reconciliation, its watches
 * of the cluster and its engine. Whoever measures it sees every status that it would write.
 */
import type { KubeConfig } from '@kubernetes/client-node';
import type { ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import type { WatchRecord } from '../../core/wire/watch-records.ts';
import { noLog } from '../../engine/log.ts';
import { NodeProbes } from '../../engine/node-probes.ts';
import { createTraceEngine } from '../../engine/trace-engine.ts';
import { reconcile } from '../../operator/reconcile.ts';
import { WatchedCluster } from '../../operator/watched-cluster.ts';
import { WorkQueue } from '../../operator/work-queue.ts';
import { probeImage } from '../setup/images.ts';

export interface OperatorHere {
  /** The last one that was written. */
  readonly status: () => ServiceTraceStatus | undefined;
  readonly close: () => Promise<void>;
}

export interface OperatorHereOptions {
  readonly kubeConfig: KubeConfig;
  readonly namespace: string;
  readonly service: string;
  readonly onStatus: (status: ServiceTraceStatus) => void;
  readonly onRecord: (node: string, record: WatchRecord) => void;
  readonly onFailure: (message: string) => void;
}

export function operatorHere({
  kubeConfig,
  namespace,
  service,
  onStatus,
  onRecord,
  onFailure,
}: OperatorHereOptions): OperatorHere {
  const cluster = new WatchedCluster(kubeConfig, noLog);
  const engine = createTraceEngine(
    {
      kubeConfig,
      cache: cluster,
      probeNamespace: 'kube-system',
      probeImage,
      instance: `lag-${process.pid.toString(36)}-${Date.now().toString(36)}`,
      probeIdleSeconds: 600,
    },
    (...args) => {
      const probes = new NodeProbes(...args);
      const watch = probes.watch.bind(probes);
      probes.watch = (node, handlers) =>
        watch(node, {
          ...handlers,
          onRecord: (record, clock) => {
            onRecord(node.name, record);
            handlers.onRecord(record, clock);
          },
        });
      return probes;
    },
  );
  const key = `${namespace}/${service}`;
  let trace: ServiceTrace = {
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: { name: service, namespace, uid: 'here', generation: 1 },
    spec: { serviceRef: { name: service }, mode: 'Watch', interval: '10s' },
  };
  const ended = new AbortController();
  const queue = new WorkQueue({
    concurrency: 1,
    work: async () =>
      reconcile(key, {
        engine,
        store: {
          read: () => Promise.resolve(trace),
          writeStatus: (_trace, status) => {
            trace = { ...trace, status };
            onStatus(status);
            return Promise.resolve();
          },
          delete: () => Promise.resolve(),
          recordEvent: () => Promise.resolve(),
        },
        isOtherActive: () => true,
        now: Date.now,
        log: noLog,
        watchesBefore: () => undefined,
        schedule: { done: () => 1 },
        signal: ended.signal,
      }),
    onFailure: (_key, error) => {
      onFailure(error instanceof Error ? error.message : String(error));
    },
  });
  engine.onRuleChange((changed) => {
    if (changed === key) queue.add(key);
  });
  cluster.start({
    onService: (of, name) => {
      if (of === namespace && name === service) queue.add(key);
    },
    onEndpointSlice: (...version) => {
      engine.sawEndpointSlice(...version);
    },
  });
  queue.add(key);
  return {
    status: () => trace.status,
    close: async () => {
      cluster.stop();
      ended.abort();
      await queue.stop();
      await engine.close();
    },
  };
}
