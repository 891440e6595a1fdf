/** How long to wait before something that failed is tried again. */

export interface BackOff {
  /** Milliseconds after the first failure; doubled with each further one. */
  readonly first: number;
  /** Never longer than this. */
  readonly last: number;
}

/**
 * Between half of the pause and the whole of it, so that what failed together is not tried again together.
 * @param failures how often it failed before this time
 */
export function pauseAfter(failures: number, { first, last }: BackOff, random: () => number = Math.random): number {
  return Math.round(Math.min(first * 2 ** Math.min(failures, 30), last) * (0.5 + random() / 2));
}
