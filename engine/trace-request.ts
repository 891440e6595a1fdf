/** The request of one collection of one trace, and its result. */
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { ServiceTraceSpec, ServiceTraceStatus } from '../core/api/service-trace.ts';
import type { StatusInput } from '../core/status/input.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';

export interface TraceRequest {
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly generation?: number;
  readonly previous?: ServiceTraceStatus;
  /** Results follow each other: the nodes' rules are watched. Absent where one result is wanted. */
  readonly watch?: {
    /** Between two collections. */
    readonly intervalMilliseconds: number;
    /** Somebody looks at it, and sees what packets the rules count: those are read now and then. */
    readonly isViewed: boolean;
  };
  /**
   * Called when a node begins to wait for something or answers, but not more often than a few times a second.
   * @param now the progress at the time of its call: it costs nothing where nobody calls it
   */
  readonly onProgress?: (now: () => ServiceTraceStatus) => void;
  /**
   * Called once, when all nodes that are still waited for take long.
   * @param soFar the result of the others; undefined where no node has answered
   */
  readonly onHeldUp?: (soFar: () => Promise<ServiceTraceStatus | undefined>) => void;
  readonly signal?: AbortSignal;
}

export interface TraceResult {
  readonly status: ServiceTraceStatus;
  /** Undefined where the Service is not there. */
  readonly desired: DesiredService | undefined;
  readonly answers: readonly NodeAnswer[];
  /** Undefined where the Service is not there. */
  readonly cluster: ClusterFacts | undefined;
  /** Zone by node name. */
  readonly nodeZones: Readonly<Record<string, string>>;
  /** Where the client of spec.from is; empty where there is none. */
  readonly walkFrom: NonNullable<StatusInput['walkFrom']>;
}
