/** What one node's rules for one Service were known to be, and when. */
import type { FrontendProgram } from '../program/program.ts';
import type { ClockOffset } from '../wire/clock-offset.ts';

/** Where new connections to one frontend went: a node's program has these fields. */
export type ObservedFrontend = Pick<
  FrontendProgram,
  'family' | 'frontend' | 'address' | 'portName' | 'protocol' | 'port' | 'verdict'
> & {
  readonly dnatTargets: readonly { readonly address: string; readonly port: number }[];
};

/** What a write changed in the chains and maps that the Service's packets reach; `table NAME` in each list. */
export interface RuleDelta {
  readonly addedChains: readonly string[];
  readonly removedChains: readonly string[];
  /** Chains that were there before and after, and whose rules differ. */
  readonly rewrittenChains: readonly string[];
  /** Elements of maps (nftables) and real servers (IPVS). */
  readonly addedElements: number;
  readonly removedElements: number;
  /** Rules and elements that are as they were, counters apart. */
  readonly untouchedRules: number;
}

export interface RuleObservation {
  readonly node: string;
  /**
   * The rules were not so yet: milliseconds since 1970 by the node's clock. Absent where nobody looked before, where a
   * change between this observation and the one before may have been missed, and where the rules are as they were there.
   */
  readonly earliest?: number;
  /** The rules were so: milliseconds since 1970 by the node's clock. */
  readonly latest: number;
  /** Of a Reading that took time: the rules were so at some time from this one to `latest`; the same clock. */
  readonly readFrom?: number;
  /** The node's clock against the collector's; absent where it is not known: then the two count as one. */
  readonly clock?: ClockOffset;
  /**
   * Reading: the rules were read at `latest`, and may have been different in between two readings.
   * Notification: the kernel reports each change, so that the rules were nothing else in between two observations; one
   * without a change says that they still are so.
   */
  readonly source: 'Reading' | 'Notification';
  readonly frontends: readonly ObservedFrontend[];
  /** Against the rules before; absent where those are not known. */
  readonly delta?: RuleDelta;
}
