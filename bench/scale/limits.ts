/** What has to hold of a cluster of so many nodes, and which sentence is said where it does not. */

/** What a run measured; undefined where it did not. */
export interface Measured {
  readonly nodes: number;
  /** Of one trace of mode Once, from its creation to its result. */
  readonly seconds: number;
  readonly rssMiB: number;
  readonly requestsPerNode: number;
  readonly largestObjectKiB: number;
  readonly restMiB: number;
  readonly watchRssMiB: number | undefined;
  readonly watchCpuPercent: number | undefined;
  readonly handOverSeconds: number | undefined;
}

/** With fewer nodes, what is asked once for all of them is the most of what is asked. */
const leastNodesOfRequests = 500;

/** @returns a sentence for each limit that does not hold */
export function brokenLimits(measured: Measured): string[] {
  const { nodes } = measured;
  // 15 s for 1,000 nodes and 75 s for 5,000; 200 MiB for 1,000 and 500 MiB for 5,000.
  const seconds = Math.max(15, (nodes * 15) / 1000);
  const memory = Math.max(200, 200 + ((nodes - 1000) * 300) / 4000);
  const limits: readonly (readonly [what: string, value: number | undefined, most: number, unit: string])[] = [
    ['one trace took', measured.seconds, seconds, 's'],
    ['while it was collected the operator had', measured.rssMiB, memory, 'MiB'],
    ['while the traces were watched the operator had', measured.watchRssMiB, memory, 'MiB'],
    ['at rest the operator has', measured.restMiB, 80, 'MiB'],
    [
      'a node and trace cost',
      nodes < leastNodesOfRequests ? undefined : measured.requestsPerNode,
      2.1,
      'requests to the API server',
    ],
    ['the largest object has', measured.largestObjectKiB, 512, 'KiB'],
    ['watching takes', measured.watchCpuPercent, 10, '% of a core'],
    ['handing over took', measured.handOverSeconds, 20, 's'],
  ];
  return limits.flatMap(([what, value, most, unit]) =>
    value === undefined || value <= most
      ? []
      : [`${what} ${rounded(value)} ${unit}; with ${String(nodes)} nodes it may be ${rounded(most)} at most`],
  );
}

export function rounded(value: number): string {
  return String(Number(value.toPrecision(value < 100 ? 3 : 6)));
}
