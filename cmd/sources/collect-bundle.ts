/** Collects a Service's trace in this process, before any of it is judged: what `record` writes and `simulate` walks. */
import { withoutLoopingChains } from '../../core/program/looping-chains.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import type { CollectSpec, FromSpec } from '../../core/api/service-trace.ts';
import type { TraceEngine } from '../../engine/trace-engine.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { ClusterError, NotFoundError } from '../cli/errors.ts';
import type { Io } from '../cli/io.ts';
import type { Progress } from '../cli/progress.ts';
import { partialText, showEvent } from './event-text.ts';
import { checkService, describeMissingService } from '../cluster/find-service.ts';
import { openStandalone } from './standalone.ts';
import { traceOf } from './trace-object.ts';
import { version } from '../../core/lib/version.ts';

export interface CollectOptions {
  readonly service: string;
  /** Empty for all nodes. */
  readonly nodes: readonly string[];
  readonly collect: CollectSpec;
  readonly probeNamespace: string;
  readonly probeImage: string;
  readonly timeoutMilliseconds: number;
  /** The client whose packet is walked. */
  readonly from?: FromSpec;
  /** Is called once the nodes have answered, while their probes still run. */
  readonly whileProbesRun?: (engine: TraceEngine) => Promise<void>;
}

export interface Collected {
  readonly bundle: Bundle;
  /** Which nodes did not answer, and why; undefined where all did. */
  readonly partial: string | undefined;
}

/**
 * @throws NotFoundError where the Service is not there
 * @throws ClusterError where no node answered
 */
export async function collectBundle(
  clusterClient: ClusterClient,
  options: CollectOptions,
  progress: Progress,
  io: Io,
): Promise<Collected> {
  const { namespace } = clusterClient;
  const { service: name, nodes, collect, from, probeNamespace, probeImage, timeoutMilliseconds } = options;
  await checkService(clusterClient, namespace, name);
  const spec = {
    serviceRef: { name },
    collect,
    ...(from === undefined ? {} : { from }),
    ...(nodes.length === 0 ? {} : { nodes: { names: [...nodes] } }),
  };
  const source = openStandalone(clusterClient, { namespace, spec, probeNamespace, probeImage, watch: false });
  const timeout = timeoutMilliseconds > 0 ? AbortSignal.timeout(timeoutMilliseconds) : undefined;
  try {
    const { status, desired, answers, cluster, nodeZones, walkFrom } = await source.engine.trace({
      namespace,
      spec,
      signal: timeout === undefined ? io.signal : AbortSignal.any([io.signal, timeout]),
      onProgress: (now) => {
        showEvent(progress, { kind: 'trace', trace: traceOf({ namespace, name, spec, status: now() }) });
      },
    });
    io.signal.throwIfAborted();
    progress.end();
    if (desired === undefined) throw new NotFoundError(await describeMissingService(clusterClient, namespace, name));
    const partial = partialText(traceOf({ namespace, name, spec, status }));
    if (!answers.some((answer) => 'report' in answer))
      throw new ClusterError(`Nothing was collected, because no node answered. ${partial ?? ''}`);
    await options.whileProbesRun?.(source.engine);
    io.signal.throwIfAborted();
    const bundle = {
      recordedAt: new Date().toISOString(),
      toolVersion: version,
      namespace,
      spec,
      desired,
      // What was read while the rules changed is recorded as not read: a file of rules that no kernel holds is refused.
      answers: withoutLoopingChains(answers),
      nodes: answers.map(({ node }) => node),
      ...(cluster === undefined ? {} : { cluster }),
      nodeZones,
      ...(walkFrom.length === 0 ? {} : { walkFrom }),
    };
    return { bundle, partial };
  } finally {
    progress.end();
    await source.close();
  }
}
