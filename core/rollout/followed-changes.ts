/** The changes of the EndpointSlices since a rollout began: a status keeps the last few, and loses what is older. */
import type { ServiceTrace, SliceChangeStatus } from '../api/service-trace.ts';
import { changeKey } from '../convergence/history.ts';
import { compareResourceVersions } from '../convergence/slice-changes.ts';
import { present } from '../lib/present.ts';

export interface FollowedChanges {
  /** The last resourceVersion before the first change. */
  readonly since: string;
  /** The trace whose changes are counted. */
  readonly uid: string | undefined;
  /** Changes that the status had counted when the rollout began. */
  readonly before: number;
  readonly changes: ReadonlyMap<string, SliceChangeStatus>;
  /** Changes that came and went between two statuses. */
  readonly lost: number;
  /** Another trace took the place of the first. */
  readonly isReplaced: boolean;
}

/** Undefined where the trace does not know the EndpointSlices yet. */
export function beginFollowing({ status, metadata }: ServiceTrace): FollowedChanges | undefined {
  const convergence = status?.convergence;
  if (convergence?.resourceVersion === undefined) return undefined;
  return {
    since: convergence.resourceVersion,
    uid: metadata.uid,
    before: countOf(status),
    changes: new Map(),
    lost: 0,
    isReplaced: false,
  };
}

/** With what a newer status says. */
export function withStatus(followed: FollowedChanges, { status, metadata }: ServiceTrace): FollowedChanges {
  const changes = new Map(followed.changes);
  for (const change of status?.convergence?.changes ?? []) {
    if (compareResourceVersions(change.resourceVersion, followed.since) <= 0) continue;
    const key = changeKey(change);
    const former = changes.get(key);
    changes.set(key, former === undefined ? change : merged(former, change));
  }
  if (metadata.uid !== followed.uid)
    // What the new trace has counted before it was first seen is not known.
    return {
      ...followed,
      uid: metadata.uid,
      before: countOf(status) - changes.size + followed.lost,
      changes,
      isReplaced: true,
    };
  return { ...followed, changes, lost: Math.max(followed.lost, countOf(status) - followed.before - changes.size) };
}

function countOf(status: ServiceTrace['status']): number {
  const { omittedChanges = 0, changes = [] } = status?.convergence ?? {};
  return omittedChanges + changes.length;
}

/** A status that grows too large says less of a change than it did before. */
function merged(former: SliceChangeStatus, now: SliceChangeStatus): SliceChangeStatus {
  const isCut = (now.omittedEndpoints ?? 0) > (former.omittedEndpoints ?? 0);
  const { endpoints, omittedEndpoints } = isCut ? former : now;
  return {
    ...withoutOmission(now),
    endpoints,
    ...present({ omittedEndpoints }),
    expected: now.expected.length === 0 ? former.expected : now.expected,
    nodes: now.omittedNodes === 0 ? now.nodes : withFormer(now.nodes, former.nodes, ({ node }) => node),
    ...present({
      connections: withFormer(
        now.connections ?? [],
        former.connections ?? [],
        ({ node, address, port }) => `${node} ${address} ${String(port)}`,
      ),
    }),
  };
}

function withoutOmission({ omittedEndpoints: _omitted, ...change }: SliceChangeStatus): SliceChangeStatus {
  return change;
}

/** With those of before that are left out now. */
function withFormer<Value>(now: readonly Value[], former: readonly Value[], keyOf: (value: Value) => string): Value[] {
  const known = new Set(now.map(keyOf));
  return [...now, ...former.filter((value) => !known.has(keyOf(value)))];
}
