/** Connections to endpoints that went, from what the status says of each change. */
import type { ServiceTraceStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { comparableAddress } from '../net/address.ts';
import { present } from '../lib/present.ts';
import type { ConnectionCounts } from './result.ts';

/** Connections to one endpoint on one node. */
export interface FollowedConnections extends ConnectionCounts {
  readonly lastOpened?: string;
  /** Whether none was missed. */
  readonly isComplete: boolean;
}

/** Which nodes report connections. */
export interface ConnectionFollowing {
  readonly notFollowed: ReadonlySet<string>;
  /** Whether each of the others does. */
  readonly isOfAllOthers: boolean;
}

/** Undefined where the trace follows no connections. */
export function connectionFollowing({
  nodes = [],
  connectionEvents,
}: Pick<ServiceTraceStatus, 'nodes' | 'connectionEvents'>): ConnectionFollowing | undefined {
  if (connectionEvents === undefined) return undefined;
  const { followedNodes, notFollowed } = connectionEvents;
  const named = new Set(notFollowed.flatMap((group) => group.nodes));
  const answered = nodes.filter(({ probe }) => probe.state === 'Collected').length;
  return { notFollowed: named, isOfAllOthers: followedNodes + named.size >= answered };
}

/**
 * Of one endpoint on one node; where its connections are followed and there is no row, none came.
 * @param following undefined where the trace follows no connections
 */
export function connectionsOn(
  node: string,
  address: string,
  change: SliceChangeStatus,
  following: ConnectionFollowing | undefined,
): FollowedConnections | undefined {
  const key = comparableAddress(address);
  const rows = (change.connections ?? []).filter((row) => row.node === node && comparableAddress(row.address) === key);
  const isFollowed = following !== undefined && following.isOfAllOthers && !following.notFollowed.has(node);
  if (rows.length === 0 && !isFollowed) return undefined;
  const lastOpened = rows
    .flatMap((row) => row.lastOpened ?? [])
    .sort((one, other) => Date.parse(one) - Date.parse(other))
    .at(-1);
  return {
    ...sumOf(rows),
    ...present({ lastOpened }),
    isComplete: isFollowed && (change.omittedConnections ?? 0) === 0 && rows.every(({ isComplete }) => isComplete),
  };
}

/** `kept` is of those rows where it is known. */
export function sumOf(all: readonly ConnectionCounts[]): ConnectionCounts {
  const sum = (key: 'opened' | 'unanswered' | 'reset'): number =>
    all.reduce((before, counts) => before + counts[key], 0);
  const kept = all.flatMap((counts) => counts.kept ?? []);
  return {
    opened: sum('opened'),
    unanswered: sum('unanswered'),
    reset: sum('reset'),
    ...(kept.length === 0 ? {} : { kept: kept.reduce((before, each) => before + each, 0) }),
  };
}
