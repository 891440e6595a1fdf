/** Durations from histograms of Prometheus. */
import type { Durations } from './metrics.ts';

/**
 * The bound that this share (0 to 1) of all was within, in seconds: the least bound of a bucket that holds so many.
 * @returns undefined where nothing was measured or there are no buckets; Infinity where it lies past the last bound
 */
export function quantile({ count, buckets }: Durations, share: number): number | undefined {
  if (count === 0 || buckets === undefined) return undefined;
  return buckets.find((bucket) => bucket.count >= share * count)?.atMost ?? Infinity;
}

/** All of them as one; buckets that one of them left out because nothing fell into it hold as many as the one before. */
export function mergeDurations(all: readonly Durations[]): Durations {
  const bounds = [...new Set(all.flatMap(({ buckets }) => (buckets ?? []).map(({ atMost }) => atMost)))].sort(
    (one, other) => one - other,
  );
  const sum = (value: (each: Durations) => number): number => all.reduce((total, each) => total + value(each), 0);
  return {
    count: sum(({ count }) => count),
    sum: sum((each) => each.sum),
    ...(all.some(({ buckets }) => buckets === undefined)
      ? {}
      : {
          buckets: bounds.map((atMost) => ({
            atMost,
            count: sum(({ buckets = [] }) => buckets.findLast((bucket) => bucket.atMost <= atMost)?.count ?? 0),
          })),
        }),
  };
}
