/** The nodes that are known to have a change of the EndpointSlices now, and were not before. */
import type { NodeLagStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { changeKey } from './history.ts';

export interface Arrival {
  readonly change: SliceChangeStatus;
  /** Of a node that has it. */
  readonly lag: NodeLagStatus;
}

/**
 * In the order of the changes.
 * @param former those of the result before; absent where there is none
 */
export function newArrivals(
  former: readonly SliceChangeStatus[] | undefined,
  changes: readonly SliceChangeStatus[] | undefined,
): Arrival[] {
  const had = new Map(
    (former ?? []).map((change) => [changeKey(change), new Set(arrivedOf(change).map(({ node }) => node))]),
  );
  return (changes ?? []).flatMap((change) => {
    const before = had.get(changeKey(change));
    return arrivedOf(change)
      .filter(({ node }) => before?.has(node) !== true)
      .map((lag) => ({ change, lag }));
  });
}

function arrivedOf({ nodes }: SliceChangeStatus): readonly NodeLagStatus[] {
  return nodes.filter(({ state }) => state === 'Arrived');
}
