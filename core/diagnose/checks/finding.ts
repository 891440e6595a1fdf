/** The shape of every finding, and what a finding is decided from. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { RuleReference } from '../../program/program.ts';
import type { DesiredService } from '../../api/service.ts';
import type { FindingStatus, ServiceTraceStatus } from '../../api/service-trace.ts';
import type { Action } from '../../api/command.ts';

export type Severity = FindingStatus['severity'];

/** All that is known of one Service at one time. */
export interface Facts {
  readonly desired: DesiredService;
  /** In the order of their names. */
  readonly nodes: readonly NodeFacts[];
  /** Absent in traces that were recorded without it: then nothing is found from it. */
  readonly cluster?: ClusterFacts;
  /** The client of spec.from, with its addresses; absent where none is asked for, or it was not found. */
  readonly from?: FromFacts;
  /** When it was collected, RFC 3339. */
  readonly now: string;
  /** The status of the collection before, with which counters are compared; absent for a first one. */
  readonly previous?: ServiceTraceStatus;
  /** What had to be cut from the status for its size. */
  readonly truncated?: readonly string[];
}

export interface FromFacts {
  readonly pod?: string;
  readonly node?: string;
  readonly addresses: readonly string[];
}

/** One occurrence of a finding, without what its kind says for all occurrences. */
export interface Occurrence extends Action {
  /** What it is about: node/node-a, service/auth-service, endpointslice/auth-service-x2x. */
  readonly where: string;
  readonly node?: string;
  /** One sentence. */
  readonly message: string;
  /** The very rules, endpoints or entries that show it. */
  readonly evidence: readonly string[];
  /** The rule that it is about, where it is about one of another program. */
  readonly rule?: RuleReference;
  /** Where it is one of `otherSeverities` of its kind. */
  readonly severity?: Severity;
}

/** What a kind of finding is about. */
export type Topic =
  | 'service'
  | 'endpoints'
  | 'pods'
  | 'nodes'
  | 'network-policies'
  | 'dns'
  | 'kube-proxy'
  /** Rules of packets, of IPVS too. */
  | 'rules'
  | 'conntrack'
  | 'kernel-settings'
  | 'health-checks'
  /** How long kube-proxy takes to write a change that it has received. */
  | 'latency'
  /** The active check. */
  | 'connections'
  /** What could not be read, or not shown. */
  | 'data';

/** One kind of finding: an entry of the catalogue. */
export interface FindingKind {
  readonly id: string;
  readonly topic: Topic;
  /** Of each occurrence that says no other. */
  readonly severity: Severity;
  /** What an occurrence may be instead, and when: half a sentence that begins with "where". */
  readonly otherSeverities?: Partial<Readonly<Record<Severity, string>>>;
  /**
   * A second look cannot refute it: it is what a spec, a setting or a condition says, what was counted, or it has a long grace
   * of its own. Absent where a moment can cause it: then it is looked for again before it is reported.
   */
  readonly isLasting?: true;
  /** When it is reported, in one sentence. */
  readonly condition: string;
  /** What looks like it, and is not reported. */
  readonly notReported?: string;
  /** Where the knowledge comes from. */
  readonly source: string;
  /** @param found by the kinds before it in the catalogue, for one that only reports what they do not */
  readonly find: (facts: Facts, found: readonly Found[]) => readonly Occurrence[];
}

/** A finding, with its kind. */
export interface Found {
  readonly kind: FindingKind;
  readonly finding: FindingStatus;
}

/** `info; error where clients are seen` */
export function severityText({
  severity,
  otherSeverities = {},
}: Pick<FindingKind, 'severity' | 'otherSeverities'>): string {
  return [severity, ...Object.entries(otherSeverities).map(([other, when]) => `${other} ${when}`)].join('; ');
}

/** An occurrence on one node. */
export function onNode(node: string, rest: Omit<Occurrence, 'where' | 'node'>): Occurrence {
  return { where: `node/${node}`, node, ...rest };
}
