/**
 * How far a node's clock is from ours, by round trips over its session: the node said its time after we had asked, and before
 * its answer was here. Each round trip bounds it; the narrowest of the last ones holds, wider by what clocks drift apart since.
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
const remembered = 10;
/** A clock that is not disciplined is off by less than 100 ppm. */
const drift = 1e-4;

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly at: number;
}

export class ClockBounds {
  #bounds: Bounds[] = [];

  add({ sent, received, clock }: RoundTrip): void {
    // Our own clock was set in between.
    if (received < sent) return;
    const next = { least: clock - received, most: clock + 1 - sent, at: received };
    const [last] = this.#bounds;
    // A clock that was set makes what is known of it void.
    if (last !== undefined && (next.least > last.most + 1 || next.most < last.least - 1)) this.#bounds = [];
    this.#bounds = [next, ...this.#bounds].slice(0, remembered);
  }

  /** @param now by our clock. Undefined where no round trip was made */
  offset(now: number): ClockOffset | undefined {
    const widths = this.#bounds.map(({ least, most, at }) => ({
      middle: (least + most) / 2,
      half: (most - least) / 2 + Math.max(0, now - at) * drift,
    }));
    const [best] = widths.sort((one, other) => one.half - other.half);
    if (best === undefined) return undefined;
    const milliseconds = Math.round(best.middle);
    return { milliseconds, uncertainty: Math.ceil(best.half + Math.abs(best.middle - milliseconds)) };
  }
}
