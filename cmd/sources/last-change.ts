/** A trace that has seen a change of the EndpointSlices: one that somebody has, or one of our own that waits for a change. */
import { changeToExplain } from '../../core/explain/explain-change.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { ClusterError } from '../cli/errors.ts';
import type { Io } from '../cli/io.ts';
import { createProgress } from '../cli/progress.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { isForbidden } from '../cluster/explain-error.ts';
import { checkService } from '../cluster/find-service.ts';
import { showEvent } from './event-text.ts';
import { openWatch } from './operator.ts';
import { awaitResult } from './source.ts';

export interface ChangeQuestion {
  readonly service: string;
  readonly timeoutMilliseconds: number;
}

/**
 * What is known is shown at once; where no trace knows a change, the operator follows the Service until one has come and
 * all nodes have it, or the time is over.
 * @throws ClusterError where no change came, or nobody answers
 */
export async function traceWithChange(
  clusterClient: ClusterClient,
  { service, timeoutMilliseconds }: ChangeQuestion,
  io: Io,
): Promise<ServiceTrace> {
  const { namespace } = clusterClient;
  await checkService(clusterClient, namespace, service);
  const traces = await clusterClient.listTraces(namespace).catch((error: unknown) => {
    if (isForbidden(error)) return [];
    throw error;
  });
  const known = traces
    .filter(({ spec, status }) => spec.serviceRef.name === service && hasChange(status))
    .sort((one, other) => Date.parse(one.status?.collectedAt ?? '') - Date.parse(other.status?.collectedAt ?? ''))
    .at(-1);
  if (known !== undefined) return known;
  const progress = createProgress(io.stderr);
  progress.update(`Waiting for a change of the EndpointSlices of ${service}`);
  const source = await openWatch(clusterClient, { namespace, spec: { serviceRef: { name: service } } });
  try {
    const { trace, silence } = await awaitResult(source, {
      timeoutMilliseconds,
      signal: io.signal,
      onEvent: (event) => {
        if (event.kind !== 'trace') showEvent(progress, event);
      },
      isEnough: ({ status }) => changeToExplain(status?.convergence ?? {})?.lag.pending === 0,
    });
    if (trace !== undefined && hasChange(trace.status)) return trace;
    throw new ClusterError(
      silence ??
        `No EndpointSlice of ${service} changed within ${String(timeoutMilliseconds / 1000)} s, and no trace has seen a change before. Wait longer with --timeout, or keep a ServiceTrace of mode Watch.`,
    );
  } finally {
    await source.close();
    progress.end();
  }
}

function hasChange(status: ServiceTrace['status']): boolean {
  return changeToExplain(status?.convergence ?? {}) !== undefined;
}
