/** Counters of rules. */

/** Packets and bytes of a rule. Absent (undefined) where a rule has no counter; never 0 for "not counted". */
export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}
