/** When nodes had changes of the EndpointSlices: cells and bars. */
import type { NodeLagStatus, ServiceTraceStatus, SliceChangeStatus } from '../../core/api/service-trace.ts';
import { changeKey } from '../../core/convergence/history.ts';
import { lagText } from '../../core/convergence/lag-text.ts';
import { oncePer } from '../../core/lib/once-per.ts';
import { cell, type Cell } from './tone.ts';

/** Whether any change is known that nodes had something to write for. */
export function knowsLags({ convergence }: ServiceTraceStatus): boolean {
  return convergence?.changes?.some(({ lag }) => lag.nodes > 0) === true;
}

/** Of the newest change that the node had something to write for; `-` where there is none. */
export function nodeLagCell(node: string, { convergence }: ServiceTraceStatus): Cell {
  const changes = convergence?.changes ?? [];
  const newest = changes.findLast((change) => lagsByNode(change.nodes).has(node) || change.omittedNodes > 0);
  const lag = newest === undefined ? undefined : lagsByNode(newest.nodes).get(node);
  if (lag !== undefined) return lagCell(lag);
  return newest === undefined ? cell('-', 'dim') : cell('unknown', 'dim');
}

const lagsByNode = oncePer((nodes: readonly NodeLagStatus[]) => new Map(nodes.map((lag) => [lag.node, lag])));

/** `1.2 s`, `< 10 s`; of a node that has not got it, since when it has not: `> 12 s`. */
export function lagCell(lag: NodeLagStatus): Cell {
  switch (lag.state) {
    case 'Arrived':
      return cell(lagText(lag));
    case 'Pending':
      return lag.minMilliseconds === 0 ? cell('not yet', 'warning') : cell(lagText(lag), 'warning');
    case 'NeverArrived':
      return cell('never', 'dim');
    case 'Unseen':
      return cell('unseen', 'dim');
  }
}

/** The lag of the last node; where some have not got it, how many have. */
export function changeLagCell({ lag }: SliceChangeStatus): Cell {
  if (lag.nodes === 0) return cell('-', 'dim');
  if (lag.pending > 0) return cell(`${String(lag.arrived)}/${String(lag.nodes)} nodes`, 'warning');
  if (lag.max !== undefined) return cell(lagText(lag.max));
  return cell(lag.neverArrived > 0 ? 'never' : 'unseen', 'dim');
}

/** The change of which a line of the timeline is; undefined where it is no longer kept. */
export function sliceChangeOf({ convergence }: ServiceTraceStatus, key: string): SliceChangeStatus | undefined {
  return convergence?.changes?.find((change) => changeKey(change) === key);
}

/** `█████▒▒▒`, of the longest lag at full width: certainly so long, and perhaps so much longer; `█████…` where it goes on. */
export function lagBar(
  { state, minMilliseconds, maxMilliseconds }: NodeLagStatus,
  longest: number,
  width: number,
): string {
  if (state === 'NeverArrived' || state === 'Unseen') return '';
  const cells = (milliseconds: number): number =>
    longest === 0 ? 0 : Math.min(width, Math.round((milliseconds / longest) * width));
  const sure = cells(minMilliseconds);
  if (state === 'Pending') return `${'█'.repeat(Math.max(0, Math.min(sure, width - 1)))}…`;
  const most = Math.max(1, cells(maxMilliseconds ?? minMilliseconds));
  return '█'.repeat(Math.min(sure, most)) + '▒'.repeat(Math.max(0, most - sure));
}

/** The nodes of a change, the slowest first. */
export function slowestFirst(nodes: readonly NodeLagStatus[]): NodeLagStatus[] {
  const rank = ({ state, maxMilliseconds }: NodeLagStatus): number =>
    state === 'Arrived' ? (maxMilliseconds ?? 0) : state === 'Pending' ? Infinity : -1;
  return [...nodes].sort((one, other) => {
    const [first, second] = [rank(one), rank(other)];
    if (first !== second) return first < second ? 1 : -1;
    return one.node < other.node ? -1 : 1;
  });
}
