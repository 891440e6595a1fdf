/** Who counts what the operator does, and what there is to look at when somebody asks. */
import type { NodeLagStatus } from '../core/api/service-trace.ts';
import { noEngineObserver, type EngineObserver, type ProbeCounts } from '../engine/engine-observer.ts';
import type { TraceCounts } from './trace-counts.ts';

export interface OperatorObserver extends EngineObserver {
  /** A trace was collected. @param result ended: the trace was deleted or changed meanwhile, or another operator works */
  readonly onCollection: (mode: 'Once' | 'Watch', seconds: number, result: 'success' | 'failure' | 'ended') => void;
  /** The rules of a node had a change of the EndpointSlices; the lag is as it is in the status of one trace. */
  readonly onArrival: (lag: Pick<NodeLagStatus, 'minMilliseconds' | 'maxMilliseconds'>) => void;
  /** A trace had waited so long for its turn. */
  readonly onTurn: (seconds: number) => void;
}

export const noObserver: OperatorObserver = {
  ...noEngineObserver,
  onCollection: () => undefined,
  onArrival: () => undefined,
  onTurn: () => undefined,
};

/** Of an operator that works. */
export interface WorkState {
  readonly counts: TraceCounts;
  /** Traces that wait for their turn, and how long the first of them has waited. */
  readonly queue: { readonly keys: number; readonly milliseconds: number };
  /** Traces of mode Watch whose results come at more than twice their interval. */
  readonly behind: number;
}

export interface OperatorState {
  /** Undefined where another operator works. */
  readonly work: WorkState | undefined;
  readonly probes: ProbeCounts;
}
