/** What the kernel of a node reported of the Service's connections (conntrack's events), and what it could not. */
import type { Protocol } from '../net/family.ts';
import type { TcpState } from '../net/tcp-state.ts';
import type { ClockOffset } from '../wire/clock-offset.ts';
import type { WireConnectionEvent } from '../wire/watch-records.ts';

/** Bounds of a time: milliseconds since 1970 by the node's clock, with a fraction; as of a RuleObservation. */
interface NodeTime {
  readonly node: string;
  readonly earliest: number;
  readonly latest: number;
  /** The node's clock against the collector's; absent where it is not known: then the two count as one. */
  readonly clock?: ClockOffset;
}

export interface ConnectionEvent extends NodeTime {
  /**
   * New: an entry was made, its first packet is on its way. Answered: the endpoint answered the SYN (TCP alone). Reset: one of the
   * two ends sent RST after an answer (which one, conntrack does not know). Destroyed: the entry is no longer there, which is
   * long after the connection's end: 120 s after TIME_WAIT began and after a SYN without an answer, 10 s after a RST, at once
   * where the answer to a SYN is a RST.
   */
  readonly kind: WireConnectionEvent['kind'];
  /** So many connections that are alike in everything below; 1 where clients are shown (collect.conntrack: Entries). */
  readonly count: number;
  readonly protocol: Protocol;
  /** Where the client sent it; its own address where clients are shown. */
  readonly original: {
    readonly source?: string;
    readonly sourcePort?: number;
    readonly destination: string;
    readonly destinationPort: number;
  };
  /** The source is the endpoint that packets are sent to (the target of DNAT), or the destination of `original` where nothing was changed. */
  readonly reply: {
    readonly source: string;
    readonly sourcePort: number;
    readonly destination?: string;
    readonly destinationPort?: number;
  };
  /**
   * Of TCP, at the event. Of Destroyed, the last one, where the kernel says it (Linux 5.10 and later): CLOSE after a RST,
   * TIME_WAIT after an orderly end, SYN_SENT where no answer came, ESTABLISHED where it was idle for too long or was removed.
   */
  readonly tcpState?: TcpState;
  /** A packet has come back. Destroyed, CLOSE and not answered: the SYN was refused by a RST. */
  readonly isAnswered: boolean;
  /** conntrack's number of the entry, the same in all events of one connection; where clients are shown. */
  readonly id?: number;
  readonly zone?: number;
  readonly mark?: number;
}

/** In between these times, so many events of this node were not reported; undefined where nobody knows how many. */
export interface ConnectionGap extends NodeTime {
  readonly dropped?: number;
}

/** Whether a node's connections are followed. */
export type FollowedNode =
  | {
      readonly node: string;
      /** What is known is known from then on: milliseconds since 1970 by the node's clock. */
      readonly since: number;
      readonly clock?: ClockOffset;
    }
  /** In a sentence without its node. */
  | { readonly node: string; readonly notFollowed: string };

export interface ConnectionRecords {
  readonly nodes: readonly FollowedNode[];
  /** In the order in which they came. */
  readonly events: readonly ConnectionEvent[];
  readonly gaps: readonly ConnectionGap[];
}
