/** What `rollout` reports: the keys of -o json and -o yaml. Fields may be added; none changes its meaning. */

/** Times are RFC 3339 with milliseconds: it was so at or after `earliest`, and at or before `latest`. */
export interface TimeBounds {
  readonly earliest: string;
  readonly latest: string;
}

/** It took at least, and at most, so many milliseconds; without `maxMilliseconds`, nobody knows how long at most. */
export interface DurationBounds {
  readonly minMilliseconds: number;
  readonly maxMilliseconds?: number;
}

/**
 * noneAtRisk: every node is known to have stopped sending new connections to each endpoint before that endpoint could stop
 * accepting them, and none that was sent there in between failed.
 * someAtRisk: of some endpoint and node, the contrary is known.
 * partial: neither is known; `gaps` says why.
 */
export type Verdict = 'noneAtRisk' | 'someAtRisk' | 'partial';

/** Of one endpoint and one node, or of all nodes together. */
export type Risk = 'none' | 'atRisk' | 'unknown';

/** New connections to an endpoint after the EndpointSlices asked for no more, from conntrack. */
export interface ConnectionCounts {
  readonly opened: number;
  /** Of those, without an answer. */
  readonly unanswered: number;
  /** Ended by a RST, a refused one too, whenever they were opened and whoever sent it. */
  readonly reset: number;
  /** Entries that conntrack still had in the end; absent where that was not read. */
  readonly kept?: number;
}

export interface GoneOnNode {
  readonly node: string;
  readonly risk: Risk;
  /** From when the EndpointSlices asked for no more new connections there, until the node's rules sent none. */
  readonly sentFor: DurationBounds;
  /** From when the endpoint could stop accepting connections, until the node's rules sent none; absent where no part of it is known. */
  readonly sentAfterEnd?: DurationBounds;
  /** Absent where connections to it are not followed on this node. */
  readonly connections?: ConnectionCounts & { readonly lastOpened?: string };
}

/** An endpoint to which the EndpointSlices asked for no more new connections, and did not ask for any again. */
export interface GoneEndpoint {
  readonly address: string;
  readonly ports: readonly number[];
  readonly pod?: string;
  /** Where the pod ran. */
  readonly nodeName?: string;
  readonly risk: Risk;
  /** When the EndpointSlices had it that new connections are to go elsewhere. */
  readonly withdrawn: TimeBounds;
  /** When the EndpointSlices had it as not serving, or not at all; absent where it is terminating and still serves. */
  readonly stoppedServing?: TimeBounds;
  /** When its pod was asked to terminate; absent where no such pod was seen. */
  readonly deleted?: TimeBounds;
  /**
   * From when on it could stop accepting connections: its pod's preStop hook was over, so that its containers got SIGTERM,
   * or the EndpointSlices had it as not serving. `earliest` or `latest` is absent where it is not known.
   */
  readonly end: Partial<TimeBounds>;
  /** Of the pod; absent where it was not seen. */
  readonly preStop?: { readonly minSeconds: number; readonly maxSeconds: number };
  readonly terminationGracePeriodSeconds?: number;
  /** Of each node that had something to change for it. */
  readonly nodes: readonly GoneOnNode[];
  /** The node whose rules sent there the longest. */
  readonly lastNode?: string;
}

/** An endpoint that new connections are to go to since the rollout began. */
export interface NewEndpoint {
  readonly address: string;
  readonly ports: readonly number[];
  readonly pod?: string;
  readonly nodeName?: string;
  /** When the EndpointSlices had it. */
  readonly since: TimeBounds;
  /** How long each node's rules took to have it; without `maxMilliseconds`, they are not known to have it. */
  readonly nodes: readonly (DurationBounds & { readonly node: string })[];
  readonly lastNode?: string;
}

/** One node over all endpoints. */
export interface RolloutNode {
  readonly node: string;
  readonly risk: Risk;
  /** The longest of all gone endpoints; absent where it had nothing to change for any. */
  readonly sentFor?: DurationBounds;
  /** Endpoints that it sent new connections to after they could stop accepting them. */
  readonly endpointsAtRisk: number;
  /** Absent where connections are not followed on this node. */
  readonly connections?: ConnectionCounts;
  /** The longest that its rules took to have a new endpoint; absent where it had none to write. */
  readonly newEndpoints?: DurationBounds;
}

/** How long a preStop hook has to sleep, so that every node has stopped sending new connections before SIGTERM comes. */
export interface PreStopSleep {
  /** Whole seconds, rounded up. */
  readonly seconds: number;
  /** Whether it is known to be enough; otherwise so many seconds are known to be needed at least, and maybe more. */
  readonly isEnough: boolean;
  /** From the pod's deletion, or where that is not known from the change of the EndpointSlice, which comes after it. */
  readonly from: 'podDeletion' | 'endpointSliceChange';
  readonly took: DurationBounds;
  /** The endpoint and the node that took the longest. */
  readonly address: string;
  readonly pod?: string;
  readonly node: string;
  /** What the pods have that went: the shortest preStop hook, and the shortest grace period; absent where no pod was seen. */
  readonly present?: { readonly preStopMinSeconds: number; readonly terminationGracePeriodSeconds: number };
}

/** Why something is not known, or is not over. */
export type Gap =
  /** The command failed: whatever else is seen, the rollout is not known to be the one that was meant. */
  | { readonly kind: 'commandFailed'; readonly exitCode?: number; readonly signal?: string }
  | { readonly kind: 'timedOut'; readonly timeoutSeconds: number }
  | { readonly kind: 'interrupted' }
  /** Nothing answers the trace any longer. */
  | { readonly kind: 'traceEnded'; readonly reason: string }
  /** The trace was deleted and created again: changes in between are not known. */
  | { readonly kind: 'traceReplaced' }
  | { readonly kind: 'nodeUnanswered'; readonly node: string }
  /** The node's rules are not known to have all changes. */
  | { readonly kind: 'nodeBehind'; readonly node: string; readonly changes: number }
  /** It is not known whether the node's rules sent there when the endpoint could stop accepting connections. */
  | { readonly kind: 'orderUnknown'; readonly node: string; readonly endpoints: number }
  | { readonly kind: 'changesLost'; readonly changes: number }
  /** Of so large a change, the status does not say what is asked of the nodes. */
  | { readonly kind: 'changeCut'; readonly resourceVersion: string }
  | { readonly kind: 'endpointsTerminating'; readonly addresses: readonly string[] }
  | { readonly kind: 'workloadFailed'; readonly workload: string; readonly reason: string }
  | { readonly kind: 'workloadUnfinished'; readonly workload: string; readonly reason: string }
  | { readonly kind: 'podsUnreadable' }
  | { readonly kind: 'podsUnseen'; readonly pods: readonly string[] }
  /** The clocks of API server and collector differ: the stamp of the pod's deletion does not say when that was. */
  | { readonly kind: 'clocksDiffer'; readonly pods: readonly string[] }
  | { readonly kind: 'connectionsNotFollowed' }
  | { readonly kind: 'connectionsIncomplete'; readonly nodes: readonly string[] };

export interface RolloutResult {
  readonly service: string;
  readonly namespace: string;
  readonly verdict: Verdict;
  /** Why it is partial; of another verdict, what is not known besides. */
  readonly gaps: readonly Gap[];
  /** When it was begun to follow the Service, and when it ended. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** Absent where no command was given. */
  readonly command?: {
    readonly words: readonly string[];
    readonly startedAt: string;
    readonly endedAt?: string;
    /** Absent where it did not end, or a signal ended it. */
    readonly exitCode?: number;
    readonly signal?: string;
  };
  /** Changes of the EndpointSlices since the beginning. */
  readonly changes: number;
  /** Absent where no endpoint went. */
  readonly preStopSleep?: PreStopSleep;
  /** Of all gone endpoints and nodes; absent where no node follows connections, or none went. */
  readonly connections?: ConnectionCounts;
  readonly goneEndpoints: readonly GoneEndpoint[];
  readonly newEndpoints: readonly NewEndpoint[];
  readonly nodes: readonly RolloutNode[];
}
