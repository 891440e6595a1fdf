/** What a status is made from. */
import type { ClusterFacts } from '../api/cluster-facts.ts';
import type { ServiceTraceSpec, FindingStatus, ServiceTraceStatus } from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import type { Bundle } from '../wire/bundle.ts';
import { present } from '../lib/present.ts';
import type { ConnectionRecords } from '../convergence/connection-event.ts';
import type { RuleObservation } from '../convergence/rule-observation.ts';
import type { SliceHistory } from '../convergence/slice-changes.ts';
import type { NodeAnswer } from '../wire/node-report.ts';

export interface StatusInput {
  readonly spec: ServiceTraceSpec;
  readonly generation: number | undefined;
  /** Undefined where the Service is not there. */
  readonly desired: DesiredService | undefined;
  /** Names near a Service that is not there, at most five, the nearest first. */
  readonly similarServices?: readonly string[];
  /** One for each chosen node. */
  readonly answers: readonly NodeAnswer[];
  /** What the API server reports around the Service; absent where nobody asked. */
  readonly cluster?: ClusterFacts;
  /** Zone by node name, for topology hints. */
  readonly nodeZones?: Readonly<Record<string, string>>;
  /** The client of spec.from, by node. */
  readonly walkFrom?: readonly { readonly node: string; readonly address: string }[];
  /** What the looks before found; given, a finding that only a moment may have caused, and that is not among them, is left out. */
  readonly foundBefore?: readonly FindingStatus[];
  /** The EndpointSlices since the status before; absent where nobody follows them. */
  readonly slices?: {
    /** Up to which they are known. */
    readonly resourceVersion: string;
    /** Absent where none changed, and at the first status. */
    readonly history?: SliceHistory;
  };
  /** Changes of the nodes' rules since the status before, in any order; readings are in `answers`. */
  readonly observations?: readonly RuleObservation[];
  /** Events of the Service's connections, as far back as they are kept; absent where nobody follows them. */
  readonly connections?: ConnectionRecords;
  /** The status before, for the times at which conditions changed. */
  readonly previous: ServiceTraceStatus | undefined;
  /** RFC 3339. */
  readonly now: string;
}

/** What the recorded status of a bundle is made from: no status was before it, and its time is the bundle's. */
export function statusInputOf({
  spec,
  desired,
  answers,
  recordedAt,
  cluster,
  nodeZones,
  walkFrom,
}: Bundle): StatusInput {
  return {
    spec,
    generation: undefined,
    desired,
    answers,
    previous: undefined,
    now: recordedAt,
    ...present({ cluster, nodeZones, walkFrom }),
  };
}
