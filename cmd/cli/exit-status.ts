/** The one place that decides the exit status (docs: README, "Exit status"); it is the same for every output format. */
import { ChainLoopError } from '../../core/evaluate/walk.ts';
import type { RolloutResult } from '../../core/rollout/result.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { ClusterError, InterruptedError, NotFoundError, UsageError } from './errors.ts';

export const exitStatus = { ok: 0, findings: 1, usage: 2, cluster: 3, notFound: 4, partial: 5 } as const;

export type FailOn = 'error' | 'warning';

/**
 * 1 where a finding is at or above `failOn`, else 5 where a node did not answer, else 0. That a node did not answer is
 * a finding as well; it counts as partial alone, so that 1 always means something that was seen.
 */
export function exitStatusOfTrace({ status }: ServiceTrace, failOn: FailOn): number {
  const failing = (status?.findings ?? []).filter(({ severity }) => severity === 'error' || severity === failOn);
  if (failing.some(({ id }) => id !== 'DATA-NODE-MISSING')) return exitStatus.findings;
  const nodes = status?.nodes;
  if (nodes === undefined || nodes.some(({ probe }) => probe.state !== 'Collected')) return exitStatus.partial;
  return exitStatus.ok;
}

/** That a connection was at risk is proven, whatever else is not known; a command that failed makes it partial. */
export function exitStatusOfRollout({ verdict }: Pick<RolloutResult, 'verdict'>): number {
  return { noneAtRisk: exitStatus.ok, someAtRisk: exitStatus.findings, partial: exitStatus.partial }[verdict];
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15 } as const;

/** Undefined for an error that is a bug: it is shown with its stack. */
export function exitStatusOfError(error: unknown): number | undefined {
  // Rules that no kernel takes: somebody altered the file, or they are being written at this moment.
  if (error instanceof UsageError || error instanceof ChainLoopError) return exitStatus.usage;
  if (error instanceof ClusterError) return exitStatus.cluster;
  if (error instanceof NotFoundError) return exitStatus.notFound;
  if (error instanceof InterruptedError) return 128 + signalNumbers[error.signal];
  return undefined;
}
