import type { SoakSample } from './soak.ts';

/** From the warm half of a soak to its end, by medians: one result more or less on the heap is not a growth. */
export function growthMegabytes(samples: readonly Pick<SoakSample, 'heapMegabytes'>[]): number {
  const late = samples.slice(Math.floor(samples.length / 2));
  const size = Math.max(1, Math.floor(late.length / 3));
  return median(late.slice(-size)) - median(late.slice(0, size));
}

function median(samples: readonly Pick<SoakSample, 'heapMegabytes'>[]): number {
  const sorted = samples.map(({ heapMegabytes }) => heapMegabytes).sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
