/** A trace that this process collects itself (--standalone): the operator's engine with the user's own rights. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceTrace, ServiceTraceSpec, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { createTraceEngine, type TraceEngine } from '../../engine/trace-engine.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { clientSpec } from './client-spec.ts';
import { passingReason } from '../cluster/explain-error.ts';
import type { TraceSource } from './source.ts';
import { traceOf } from './trace-object.ts';

export interface StandaloneOptions {
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly probeNamespace: string;
  readonly probeImage: string;
  readonly watch: boolean;
  /** Between two results; default 2 s. */
  readonly intervalMilliseconds?: number;
}

/** @param createEngine replaced by tests */
export function openStandalone(
  clusterClient: Pick<ClusterClient, 'kubeConfig'>,
  options: StandaloneOptions,
  createEngine: typeof createTraceEngine = createTraceEngine,
): TraceSource & { readonly engine: TraceEngine } {
  const { namespace } = options;
  let { spec } = options;
  let wake: (() => void) | undefined;
  /** Rules have changed since the last result began. */
  let isChanged = false;
  const { intervalMilliseconds = 2000 } = options;
  const engine = createEngine({
    kubeConfig: clusterClient.kubeConfig,
    probeNamespace: options.probeNamespace,
    probeImage: options.probeImage,
    instance: `standalone-${process.pid.toString(36)}-${Date.now().toString(36)}`,
    probeIdleSeconds: 60,
  });
  engine.onRuleChange((service) => {
    if (service !== `${namespace}/${spec.serviceRef.name}`) return;
    isChanged = true;
    wake?.();
  });
  const hasChanged = (): boolean => isChanged;
  const asTrace = (status: ServiceTraceStatus): ServiceTrace =>
    traceOf({ namespace, name: spec.serviceRef.name, spec, status });
  return {
    origin: { kind: 'standalone' },
    engine,
    async follow(onEvent, signal) {
      let previous: ServiceTraceStatus | undefined;
      let isLost = false;
      while (!signal.aborted) {
        isChanged = false;
        try {
          const { status } = await engine.trace({
            namespace,
            spec,
            signal,
            ...(previous === undefined ? {} : { previous }),
            ...(options.watch ? { watch: { intervalMilliseconds, isViewed: true } } : {}),
            onProgress: (progress) => {
              // A whole result says more than one that waits again.
              if (previous === undefined && !signal.aborted) onEvent({ kind: 'trace', trace: asTrace(progress()) });
            },
          });
          // An aborted collection is not a result: its nodes only did not get the time to answer.
          if (signal.aborted) return;
          if (isLost) onEvent({ kind: 'resumed' });
          isLost = false;
          previous = status;
          onEvent({ kind: 'trace', trace: asTrace(status) });
        } catch (error) {
          if (signal.aborted) return;
          const reason = options.watch ? passingReason(error) : undefined;
          if (reason === undefined) throw error;
          if (!isLost) onEvent({ kind: 'lost', reason });
          isLost = true;
        }
        if (!options.watch) return;
        if (hasChanged()) continue;
        const woken = new AbortController();
        wake = () => {
          woken.abort();
        };
        await sleep(intervalMilliseconds, undefined, {
          signal: AbortSignal.any([signal, woken.signal]),
        }).catch(() => undefined);
      }
    },
    async walkFrom(walked) {
      spec = { ...spec, from: clientSpec(walked) };
      wake?.();
    },
    close: () => engine.close(),
  };
}
