/** Who counts what the engine does. */

export interface EngineObserver {
  /** One reading of a node ended: for all traces that were due. */
  readonly onReading: (seconds: number, result: 'success' | 'failure') => void;
  /** A node gave no answer to one trace. @param reason as its status has it */
  readonly onNoAnswer: (reason: string) => void;
}

export const noEngineObserver: EngineObserver = { onReading: () => undefined, onNoAnswer: () => undefined };

export interface ProbeCounts {
  /** Pods of probes that this process made, and that are there. */
  readonly probes: number;
  /** Nodes whose probe is being started. */
  readonly starting: number;
  /** Sessions with probes that are open. */
  readonly sessions: number;
}
