/**
 * How far a node's clock is from ours, by round trips over its session: the node said its time after we had asked, and before
 * its answer was here. Each round trip bounds it, wider by what clocks drift apart since; all of the last ones hold together.
 */
import type { ClockOffset } from './clock-offset.ts';

export interface RoundTrip {
  /** By our clock: milliseconds since 1970. */
  readonly sent: number;
  readonly received: number;
  /** By the node's clock, in whole milliseconds, rounded down. */
  readonly clock: number;
}

/** Round trips that are remembered. */
const remembered = 32;
/** A clock that is not disciplined is off by less than 100 ppm. */
const drift = 1e-4;

interface Bounds {
  readonly least: number;
  readonly most: number;
  /** When it was asked, by our clock. */
  readonly at: number;
}

export class ClockBounds {
  #bounds: Bounds[] = [];

  add({ sent, received, clock }: RoundTrip): void {
    // Our own clock was set in between.
    if (received < sent) return;
    const next = { least: clock - received, most: clock + 1 - sent, at: sent };
    const [last] = this.#bounds;
    // A clock that was set makes what is known of it void.
    if (last !== undefined && (next.least > last.most + 1 || next.most < last.least - 1)) this.#bounds = [];
    this.#bounds = [next, ...this.#bounds].slice(0, remembered);
  }

  /** @param now by our clock. Undefined where no round trip was made */
  offset(now: number): ClockOffset | undefined {
    if (this.#bounds.length === 0) return undefined;
    const widened = this.#bounds.map(({ least, most, at }) => {
      const drifted = Math.max(0, now - at) * drift;
      return { least: least - drifted, most: most + drifted };
    });
    const [least, most] = [
      Math.max(...widened.map((bounds) => bounds.least)),
      Math.min(...widened.map((bounds) => bounds.most)),
    ];
    const middle = (least + most) / 2;
    const milliseconds = Math.round(middle);
    return {
      milliseconds,
      // Bounds that do not meet were stretched by a clock that is being set.
      uncertainty: Math.ceil(Math.abs(most - least) / 2 + Math.abs(middle - milliseconds)),
    };
  }
}
