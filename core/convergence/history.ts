/** The last changes of a Service's EndpointSlices, with what is known of each on every node. */
import { oncePer } from '../lib/once-per.ts';
import { present } from '../lib/present.ts';
import type {
  ExpectedTargetsStatus,
  ExpectedTargetStatus,
  LagBounds,
  LagStatus,
  NodeLagStatus,
  SliceChangeStatus,
} from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { expectedTargets, type PlacedNode } from './expected-targets.ts';
import { nodeLag, type NodeChange } from './node-lag.ts';
import type { RuleObservation } from './rule-observation.ts';
import { compareResourceVersions, sliceChanges, type SliceChange, type SliceHistory } from './slice-changes.ts';

export interface HistoryInput {
  readonly desired: DesiredService;
  /** That are asked now. */
  readonly nodes: readonly PlacedNode[];
  readonly former: readonly SliceChangeStatus[];
  /** Absent where no slice changed. */
  readonly slices?: SliceHistory;
  readonly observations: readonly RuleObservation[];
}

/** So many changes are kept. */
const keptChanges = 20;
/** Of all changes together, so many nodes are kept; the newest changes have them first. */
const keptNodes = 3000;
/** Of all changes together, so many endpoints and targets; of older changes with more, so many endpoints. */
const keptTargets = 1000;
const fewEndpoints = 10;
/** Of a change whose nodes are too many, so many. */
const slowestNodes = 10;

export interface History {
  readonly changes: readonly SliceChangeStatus[];
  /** Older changes that are left out now. */
  readonly dropped: number;
}

/** A change of which some nodes are left out stays as it is: its numbers are of all nodes. */
export function changeHistory({ desired, nodes, former, slices, observations }: HistoryInput): History {
  const known = new Set(former.map(changeKey));
  const fresh = (slices === undefined ? [] : sliceChanges(slices))
    .filter((change) => !known.has(changeKey(change)))
    .map((change) => statusOf(change, desired, nodes));
  const all = [...former, ...fresh].sort((one, other) =>
    compareResourceVersions(one.resourceVersion, other.resourceVersion),
  );
  const byNode = Map.groupBy(observations, ({ node }) => node);
  const asked = new Set(nodes.map(({ node }) => node));
  const timed = all.map(timesOf);
  const updated = all.map((change, index) =>
    change.omittedNodes > 0 ? change : withLags(change, index, { all, timed, byNode, asked }),
  );
  return { changes: bounded(updated.slice(-keptChanges)), dropped: Math.max(0, updated.length - keptChanges) };
}

/** What makes two changes the same. */
export function changeKey({
  endpointSlice,
  resourceVersion,
}: Pick<SliceChangeStatus, 'endpointSlice' | 'resourceVersion'>): string {
  return `${endpointSlice} ${resourceVersion}`;
}

function statusOf(change: SliceChange, desired: DesiredService, nodes: readonly PlacedNode[]): SliceChangeStatus {
  const expected = expectedTargets(desired, change, nodes);
  const concerned = nodes.filter(({ node }) => expectedOf(expected, node).length > 0);
  const pending = concerned.map(({ node }): NodeLagStatus => ({ node, state: 'Pending', minMilliseconds: 0 }));
  return {
    endpointSlice: change.endpointSlice,
    resourceVersion: change.resourceVersion,
    earliest: new Date(change.earliest).toISOString(),
    latest: new Date(change.latest).toISOString(),
    ...present({ triggered: change.triggered }),
    endpoints: [...change.endpoints],
    expected,
    lag: lagOf(pending),
    nodes: pending,
    omittedNodes: 0,
  };
}

interface Known {
  readonly all: readonly SliceChangeStatus[];
  readonly timed: readonly { readonly earliest: number; readonly latest: number }[];
  readonly byNode: ReadonlyMap<string, readonly RuleObservation[]>;
  readonly asked: ReadonlySet<string>;
}

function withLags(change: SliceChangeStatus, index: number, { all, timed, byNode, asked }: Known): SliceChangeStatus {
  const asks = (at: number, node: string): NodeChange => ({
    earliest: timed[at]?.earliest ?? 0,
    latest: timed[at]?.latest ?? 0,
    targets: expectedOf(all[at]?.expected ?? [], node),
  });
  let isChanged = false;
  const nodes = change.nodes.flatMap((former): NodeLagStatus[] => {
    const { node } = former;
    // Nobody will see its rules any more.
    if (!asked.has(node) && former.state !== 'Arrived') {
      isChanged = true;
      return [];
    }
    const observations = byNode.get(node);
    const own = asks(index, node);
    if (observations === undefined || isSettled(former, own, observations)) return [former];
    const others = all.map((_, at) => asks(at, node));
    const isAsked = ({ targets }: NodeChange): boolean => targets.length > 0;
    const [earlier, later] = [others.slice(0, index).filter(isAsked), others.slice(index + 1).filter(isAsked)];
    isChanged = true;
    return [nodeLag(former, own, { earlier, later }, observations)];
  });
  return isChanged ? { ...change, nodes, lag: lagOf(nodes) } : change;
}

/** What is seen after its rules had it says nothing new. */
function isSettled(
  { state, maxMilliseconds }: NodeLagStatus,
  { earliest }: NodeChange,
  observations: readonly RuleObservation[],
): boolean {
  if (state !== 'Arrived' || maxMilliseconds === undefined) return false;
  const had = earliest + maxMilliseconds;
  return observations.every(
    ({ latest, clock }) => latest - (clock?.milliseconds ?? 0) - (clock?.uncertainty ?? 0) > had,
  );
}

const timesOf = ({ earliest, latest }: SliceChangeStatus): { earliest: number; latest: number } => ({
  earliest: Date.parse(earliest),
  latest: Date.parse(latest),
});

/** What a change asks of one node; empty where nothing is. */
export function expectedOf(expected: readonly ExpectedTargetsStatus[], node: string): readonly ExpectedTargetStatus[] {
  const { byNode, ofAll } = targetsByNode(expected);
  return byNode.get(node) ?? ofAll;
}

const targetsByNode = oncePer((expected: readonly ExpectedTargetsStatus[]) => ({
  byNode: new Map(expected.flatMap(({ nodes = [], targets }) => nodes.map((node) => [node, targets] as const))),
  ofAll: expected.find(({ nodes }) => nodes === undefined)?.targets ?? [],
}));

/** Of the nodes whose rules had it; each share by the least and the most that the lags of so many can be. */
function lagOf(nodes: readonly NodeLagStatus[]): LagStatus {
  const count = (state: NodeLagStatus['state']): number => nodes.filter((node) => node.state === state).length;
  const arrived = nodes.flatMap(({ node, state, minMilliseconds, maxMilliseconds }) =>
    state === 'Arrived' && maxMilliseconds !== undefined ? [{ node, minMilliseconds, maxMilliseconds }] : [],
  );
  const ascending = (values: readonly number[]): number[] => [...values].sort((one, other) => one - other);
  const least = ascending(arrived.map(({ minMilliseconds }) => minMilliseconds));
  const most = ascending(arrived.map(({ maxMilliseconds }) => maxMilliseconds));
  const share = (part: number): LagBounds | undefined => {
    const place = Math.max(0, Math.ceil(part * arrived.length) - 1);
    const [minMilliseconds, maxMilliseconds] = [least[place], most[place]];
    return minMilliseconds === undefined || maxMilliseconds === undefined
      ? undefined
      : { minMilliseconds, maxMilliseconds };
  };
  const last = [...arrived].sort(
    (one, other) => other.maxMilliseconds - one.maxMilliseconds || other.minMilliseconds - one.minMilliseconds,
  )[0];
  return {
    nodes: nodes.length,
    arrived: arrived.length,
    pending: count('Pending'),
    neverArrived: count('NeverArrived'),
    unseen: count('Unseen'),
    ...present({ p50: share(0.5), p90: share(0.9), p99: share(0.99), max: share(1), lastNode: last?.node }),
  };
}

/** What does not fit is left out of the older ones. */
function bounded(changes: readonly SliceChangeStatus[]): SliceChangeStatus[] {
  const room = { nodes: keptNodes, targets: keptTargets };
  return [...changes]
    .reverse()
    .map((change) => {
      const targets = change.expected.reduce((sum, group) => sum + group.targets.length, 0) + change.endpoints.length;
      const kept = targets > room.targets ? withFirstEndpoints(change, fewEndpoints) : change;
      room.targets -= Math.min(targets, room.targets);
      if (kept.nodes.length > room.nodes && kept.omittedNodes === 0) return withSlowestNodes(kept, slowestNodes);
      room.nodes -= kept.nodes.length;
      return kept;
    })
    .reverse();
}

function withFirstEndpoints(change: SliceChangeStatus, most: number): SliceChangeStatus {
  const omitted = (change.omittedEndpoints ?? 0) + Math.max(0, change.endpoints.length - most);
  return {
    ...change,
    endpoints: change.endpoints.slice(0, most),
    ...(omitted === 0 ? {} : { omittedEndpoints: omitted }),
    expected: [],
  };
}

/** The same with so many nodes at most: those that have not got it, then the slowest. */
export function withSlowestNodes(change: SliceChangeStatus, most: number): SliceChangeStatus {
  if (change.nodes.length <= most) return change;
  const rank = ({ state, maxMilliseconds }: NodeLagStatus): number =>
    state === 'Arrived' ? (maxMilliseconds ?? 0) : Infinity;
  const slowest = [...change.nodes].sort((one, other) => (rank(one) === rank(other) ? 0 : rank(other) - rank(one)));
  return {
    ...change,
    nodes: slowest.slice(0, most),
    omittedNodes: change.omittedNodes + change.nodes.length - most,
  };
}
