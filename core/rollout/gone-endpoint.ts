/** An endpoint that went: until when each node sent new connections there, and whether it could have refused them by then. */
import type { NodeLagStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { compareResourceVersions } from '../convergence/slice-changes.ts';
import { present } from '../lib/present.ts';
import { connectionsOn, type ConnectionFollowing, type FollowedConnections } from './connections.ts';
import { preStopBounds, type RolloutPod } from './pod-termination.ts';
import type { DurationBounds, GoneEndpoint, GoneOnNode, Risk, TimeBounds } from './result.ts';

/** All that is known of an endpoint that went. */
export interface GoneInput {
  readonly address: string;
  readonly ports: readonly number[];
  /** For each node, the change with which its rules were to send no more there. */
  readonly withdrawals: ReadonlyMap<string, SliceChangeStatus>;
  /** The change with which it no longer served; absent where it still does. */
  readonly stop?: SliceChangeStatus;
  readonly pod?: RolloutPod;
  readonly podName?: string;
  readonly nodeName?: string;
  /** Absent where connections are not followed. */
  readonly following?: ConnectionFollowing;
}

export interface Gone {
  readonly endpoint: GoneEndpoint;
  /** Nodes that do not follow its connections, or missed some. */
  readonly unfollowed: readonly string[];
  /** The pod was deleted, by a clock that differs too much to say when. */
  readonly clocksDiffer: boolean;
  readonly sleep: readonly NodeSleep[];
}

/** How long after the pod's deletion a node's rules sent no more there. */
export interface NodeSleep {
  readonly node: string;
  readonly from: 'podDeletion' | 'endpointSliceChange';
  readonly took: DurationBounds;
}

interface Times {
  readonly earliest: number;
  readonly latest: number;
}

/** Either bound is infinite where nobody knows it. */
interface End extends Times {
  /** It is known to come before the change with which the endpoint was withdrawn, whatever the clocks say. */
  readonly isBeforeWithdrawal: boolean;
}

/** Of stamps in whole seconds that are cut off. */
const stampMilliseconds = 999;

export function goneEndpoint(input: GoneInput): Gone {
  const { address, ports, withdrawals, stop, pod, nodeName, following } = input;
  const changes = [...new Set(withdrawals.values())];
  const [first] = changes;
  const withdrawn: Times = {
    earliest: Math.min(...changes.map((change) => timesOf(change).earliest)),
    latest: Math.min(...changes.map((change) => timesOf(change).latest)),
  };
  const { deleted, clocksDiffer } = deletionOf(input, first, withdrawn);
  const preStop = pod === undefined ? undefined : preStopBounds(pod, ports);
  const nodes = [...withdrawals].map(
    ([node, change]): GoneOnNode & { readonly sleep: NodeSleep; readonly isFollowed: boolean } => {
      const own = timesOf(change);
      const lag = change.nodes.find((each) => each.node === node);
      const until = untilOf(own, lag);
      const end = endOf(input, change, { deleted, clocksDiffer });
      const followed = connectionsOn(node, address, change, following);
      return {
        node,
        risk: riskOf(end, until, followed),
        sentFor: durationOf(until, own),
        ...present({
          sentAfterEnd: afterEnd(end, until),
          connections: followed === undefined ? undefined : countsOf(followed),
        }),
        isFollowed: followed?.isComplete === true,
        sleep: {
          node,
          from: deleted === undefined ? 'endpointSliceChange' : 'podDeletion',
          took: durationOf(until, deleted ?? own),
        },
      };
    },
  );
  const ends = changes.map((change) => endOf(input, change, { deleted, clocksDiffer }));
  const end = {
    earliest: Math.min(...ends.map(({ earliest }) => earliest)),
    latest: Math.min(...ends.map(({ latest }) => latest)),
  };
  return {
    clocksDiffer,
    unfollowed: nodes.flatMap(({ node, isFollowed }) => (isFollowed ? [] : [node])),
    sleep: nodes.map(({ sleep }) => sleep),
    endpoint: {
      address,
      ports,
      ...present({ pod: input.podName ?? pod?.name, nodeName }),
      risk: worstRisk(nodes.map(({ risk }) => risk)),
      withdrawn: textOf(withdrawn),
      ...(stop === undefined ? {} : { stoppedServing: textOf(timesOf(stop)) }),
      ...(deleted === undefined ? {} : { deleted: textOf(deleted) }),
      end: {
        ...(Number.isFinite(end.earliest) ? { earliest: new Date(end.earliest).toISOString() } : {}),
        ...(Number.isFinite(end.latest) ? { latest: new Date(end.latest).toISOString() } : {}),
      },
      ...present({ preStop, terminationGracePeriodSeconds: pod?.terminationGracePeriodSeconds }),
      nodes: nodes.map(({ sleep: _, isFollowed: __, ...node }) => node),
      ...present({ lastNode: longest(nodes.map(({ node, sentFor }) => ({ node, ...sentFor })))?.node }),
    },
  };
}

/**
 * A pod that terminates was deleted before its EndpointSlice said so, so that the change bounds the stamp. One whose stamp
 * lies after that has a clock that differs.
 */
function deletionOf(
  { address, pod }: GoneInput,
  change: SliceChangeStatus | undefined,
  withdrawn: Times,
): { deleted?: Times; clocksDiffer: boolean } {
  if (pod?.deletedAt === undefined) return { clocksDiffer: false };
  const stamped = { earliest: pod.deletedAt, latest: pod.deletedAt + stampMilliseconds };
  if (change === undefined || !isOfDeletion(change, address)) return { deleted: stamped, clocksDiffer: false };
  if (stamped.earliest > withdrawn.latest) return { clocksDiffer: true };
  return { deleted: { ...stamped, latest: Math.min(stamped.latest, withdrawn.latest) }, clocksDiffer: false };
}

/** Whether the change shows that the pod is asked to terminate, or is gone. */
function isOfDeletion({ endpoints }: SliceChangeStatus, address: string): boolean {
  const own = endpoints.find((each) => each.address === address);
  return own !== undefined && (own.change === 'Removed' || own.is?.terminating === true);
}

/** When it could stop accepting connections, as far as that matters to who follows this change. */
function endOf(
  { address, ports, pod, stop }: GoneInput,
  change: SliceChangeStatus,
  { deleted, clocksDiffer }: { readonly deleted?: Times | undefined; readonly clocksDiffer: boolean },
): End {
  const stopped = stop === undefined ? undefined : timesOf(stop);
  // The change that withdraws it, or one before, says that it does not serve: no rules are written before their change.
  const isStopped = stop !== undefined && compareResourceVersions(stop.resourceVersion, change.resourceVersion) <= 0;
  if (pod !== undefined && (deleted !== undefined || clocksDiffer)) {
    const { minSeconds, maxSeconds } = preStopBounds(pod, ports);
    return {
      earliest: deleted === undefined ? -Infinity : deleted.earliest + minSeconds * 1000,
      latest: Math.min(
        deleted === undefined ? Infinity : deleted.latest + maxSeconds * 1000,
        stopped?.latest ?? Infinity,
      ),
      isBeforeWithdrawal: isStopped || (maxSeconds === 0 && isOfDeletion(change, address)),
    };
  }
  // A pod that nobody deletes serves until the EndpointSlices say that it does not.
  if (pod !== undefined)
    return {
      earliest: stopped?.earliest ?? Infinity,
      latest: stopped?.latest ?? Infinity,
      isBeforeWithdrawal: isStopped,
    };
  return { earliest: -Infinity, latest: stopped?.latest ?? Infinity, isBeforeWithdrawal: isStopped };
}

/** When the node's rules sent no more there. */
function untilOf({ earliest, latest }: Times, lag: NodeLagStatus | undefined): Times {
  const least = lag === undefined || lag.minMilliseconds === 0 ? earliest : latest + lag.minMilliseconds;
  const most =
    lag?.state === 'Arrived' && lag.maxMilliseconds !== undefined ? earliest + lag.maxMilliseconds : Infinity;
  return { earliest: Math.min(least, most), latest: most };
}

function riskOf(end: End, until: Times, connections: FollowedConnections | undefined): Risk {
  if (connections !== undefined && hasFailed(connections)) return 'atRisk';
  if (end.isBeforeWithdrawal || until.earliest > end.latest) return 'atRisk';
  return until.latest <= end.earliest ? 'none' : 'unknown';
}

/** Of the new connections: a RST that ended one of before says nothing of where new ones went. */
function hasFailed({ opened, unanswered, reset }: FollowedConnections): boolean {
  return unanswered > 0 || Math.min(opened, reset) > 0;
}

function afterEnd(end: End, until: Times): DurationBounds | undefined {
  const most = until.latest - end.earliest;
  const least = Math.max(0, until.earliest - end.latest);
  if (least === 0 && !Number.isFinite(most)) return undefined;
  return {
    minMilliseconds: Math.floor(least),
    ...(Number.isFinite(most) ? { maxMilliseconds: Math.max(0, Math.ceil(most)) } : {}),
  };
}

function durationOf(until: Times, from: Times): DurationBounds {
  const most = until.latest - from.earliest;
  return {
    minMilliseconds: Math.max(0, Math.floor(until.earliest - from.latest)),
    ...(Number.isFinite(most) ? { maxMilliseconds: Math.max(0, Math.ceil(most)) } : {}),
  };
}

function countsOf({ isComplete: _, ...counts }: FollowedConnections): NonNullable<GoneOnNode['connections']> {
  return counts;
}

export function worstRisk(risks: readonly Risk[]): Risk {
  return risks.includes('atRisk') ? 'atRisk' : risks.includes('unknown') ? 'unknown' : 'none';
}

/** The one that took the longest at most; one of which nobody knows how long takes the longest. */
export function longest<Value extends DurationBounds>(values: readonly Value[]): Value | undefined {
  const most = ({ maxMilliseconds = Infinity }: DurationBounds): number => maxMilliseconds;
  return values.reduce<Value | undefined>(
    (last, each) =>
      last === undefined ||
      most(each) > most(last) ||
      (most(each) === most(last) && each.minMilliseconds > last.minMilliseconds)
        ? each
        : last,
    undefined,
  );
}

function timesOf({ earliest, latest }: Pick<SliceChangeStatus, 'earliest' | 'latest'>): Times {
  return { earliest: Date.parse(earliest), latest: Date.parse(latest) };
}

function textOf({ earliest, latest }: Times): TimeBounds {
  return { earliest: new Date(earliest).toISOString(), latest: new Date(latest).toISOString() };
}
