/** The one result of a trace that the operator, or this process, answers. */
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { ClusterError, NotFoundError, UsageError } from '../cli/errors.ts';
import { noAnswerError } from './operator.ts';
import type { Progress } from '../cli/progress.ts';
import { showEvent } from './event-text.ts';
import { awaitResult, type TraceSource } from './source.ts';
import { nearText } from '../../core/lib/near-names.ts';

/**
 * The whole result, or what there is of it when the time is over.
 * @throws ClusterError where nobody answers, NotFoundError where the Service is not there, UsageError where no node is chosen
 */
export async function resultOf(
  source: TraceSource,
  {
    timeoutMilliseconds,
    signal,
    progress,
  }: { readonly timeoutMilliseconds: number; readonly signal: AbortSignal; readonly progress: Progress },
): Promise<{ readonly trace: ServiceTrace; readonly isTimedOut: boolean }> {
  const { trace, isTimedOut, silence } = await awaitResult(source, {
    timeoutMilliseconds,
    signal,
    onEvent: (event) => {
      showEvent(progress, event);
    },
  });
  progress.end();
  if (silence !== undefined) throw new ClusterError(silence);
  if (trace?.status?.conditions === undefined) {
    if (trace === undefined && !isTimedOut)
      throw new NotFoundError('The ServiceTrace was deleted before it had a result.');
    throw noAnswerError(timeoutMilliseconds);
  }
  throwWhereNothingIsThere(trace);
  return { trace, isTimedOut };
}

/** The trace itself may be the one that reports that the Service is not there. @throws NotFoundError, UsageError */
export function throwWhereNothingIsThere({ status, metadata, spec }: ServiceTrace): void {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'False') return;
  if (ready.reason === 'ServiceNotFound') {
    const near = status?.similarServices ?? [];
    throw new NotFoundError(
      `Service "${spec.serviceRef.name}" is not in namespace "${metadata.namespace ?? 'default'}"${nearText(near)}.`,
    );
  }
  if (ready.reason === 'NoNodes') throw new UsageError(`No node is chosen: ${ready.message}.`);
}
