/** The shape of a fault that is made for real on the running cluster, and of the findings that it must give. */
import type { Place } from './place.ts';

/**
 * `ID` or `ID node-a`: one kind of finding at one place; with ` (error)` where it has another severity than its kind
 * usually has. The suite compares sorted sets of them, so that a finding
 * which comes once for every endpoint counts once.
 */
export type FindingAt = string;

export type Undo = () => Promise<unknown>;

export interface Fault {
  /** Unique in the suite; words joined by hyphens. */
  readonly name: string;
  /** What is done, in one sentence. */
  readonly does: string;
  /** The Service that is traced: `NAMESPACE/NAME`, or the name alone in the suite's own namespace. */
  readonly service: string;
  /** A pod of the suite's namespace that the trace asks from, as --from does. */
  readonly client?: string;
  /** Connections are made, as --connect does: from the nodes, or from the client's pod, too. */
  readonly connect?: 'nodes' | 'pod';
  /** Where faults of one group meet at one Service: this one is of this node, and so are all findings that name it. */
  readonly node?: string;
  /** Exactly these, sorted: no more and no fewer. */
  readonly expected: readonly FindingAt[];
  /** Objects that are there, and healthy, before the fault. */
  readonly objects?: readonly KubernetesObject[];
  /** Findings of the Service before the fault and after it; none, if not given. */
  readonly healthy?: readonly FindingAt[];
  /** Makes the fault. What it gives back takes all of it away. */
  readonly inject: (place: Place) => Promise<Undo>;
}

/** Faults that do not disturb each other, and are made at the same time. */
export interface FaultGroup {
  readonly name: string;
  /** How long the findings' own grace lasts after the change, in seconds; without a change of the API objects there is none. */
  readonly graceSeconds: number;
  readonly faults: readonly Fault[];
}

/** An object as kubectl takes it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The result of a fault. */
export interface FaultResult {
  readonly group: string;
  readonly fault: Fault;
  readonly found: readonly FindingAt[];
  /** Findings while the cluster was healthy, before the fault and after it, beyond `healthy`. */
  readonly foundHealthy: readonly FindingAt[];
  /** The messages of the findings, for whoever looks why one is there. */
  readonly messages: readonly string[];
}
