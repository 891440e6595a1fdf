/** How the nodes follow the EndpointSlices: who is there, and when each had the last changes. */
import type {
  ConvergenceStatus,
  KeptConnectionsStatus,
  NodeStatus,
  RuleDeltaStatus,
  ServiceTraceStatus,
  SliceChangeStatus,
} from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { newArrivals, type Arrival } from '../convergence/arrivals.ts';
import {
  endpointConnections,
  withBoundedConnections,
  type ConntrackReading,
} from '../convergence/endpoint-connections.ts';
import { changeHistory, changeKey } from '../convergence/history.ts';
import { ownChains, ruleDelta } from '../convergence/rule-delta.ts';
import type { RuleDelta, RuleObservation } from '../convergence/rule-observation.ts';
import { convergenceOf } from '../diagnose/checks/frontend-drift.ts';
import { mergeDurations, quantile } from '../kube-proxy/histograms.ts';
import { kubeProxyTotals } from '../kube-proxy/metric-totals.ts';
import { present } from '../lib/present.ts';
import { comparableAddress } from '../net/address.ts';
import type { NodeFacts } from '../program/node-facts.ts';
import { fingerprintOf } from '../program/program-chains.ts';
import type { StatusInput } from './input.ts';

/** So many names of nodes are in a list. */
const maxNames = 50;

export function convergenceStatus(
  input: Pick<StatusInput, 'previous' | 'slices' | 'observations' | 'connections' | 'now' | 'spec'>,
  desired: DesiredService,
  nodes: readonly NodeFacts[],
): ConvergenceStatus {
  return {
    ...(desired.lastChange === undefined ? {} : { lastChange: desired.lastChange }),
    convergedNodes: nodes.filter((facts) => convergenceOf(facts, desired) === 'Converged').length,
    totalNodes: nodes.length,
    ...present({ networkProgramming: networkProgramming(nodes) }),
    ...changesStatus(input, desired, nodes),
  };
}

function networkProgramming(nodes: readonly NodeFacts[]): ConvergenceStatus['networkProgramming'] {
  const measured = nodes.flatMap(({ read }) =>
    read?.kubeProxy?.metrics === undefined ? [] : (kubeProxyTotals(read.kubeProxy.metrics).networkProgramming ?? []),
  );
  const together = mergeDurations(measured);
  if (together.count === 0) return undefined;
  const bound = (share: number): number | undefined => {
    const seconds = quantile(together, share);
    return seconds === Infinity ? undefined : seconds;
  };
  return {
    changes: together.count,
    nodes: measured.length,
    ...present({ p50Seconds: bound(0.5), p99Seconds: bound(0.99), maxSeconds: bound(1) }),
  };
}

function changesStatus(
  { previous, slices, observations = [], connections: records, now, spec }: Parameters<typeof convergenceStatus>[0],
  desired: DesiredService,
  nodes: readonly NodeFacts[],
): Pick<ConvergenceStatus, 'resourceVersion' | 'omittedChanges' | 'changes'> {
  const before = previous?.convergence;
  const former = before?.changes ?? [];
  if (slices === undefined) return kept(before);
  const head = { resourceVersion: slices.resourceVersion };
  const omitted = before?.omittedChanges ?? 0;
  if ((former.length === 0 && slices.history === undefined) || spec.collect?.rules === false)
    return {
      ...head,
      ...(omitted === 0 ? {} : { omittedChanges: omitted }),
      ...(former.length === 0 ? {} : { changes: former }),
    };
  const seen = [
    ...(previous?.nodes ?? []).flatMap(observationBefore),
    ...nodes.flatMap(observationOfReading),
    ...observations,
  ];
  const history = changeHistory({
    desired,
    // The rules of a node that is skipped never become known.
    nodes: nodes.flatMap(({ node, zone, answer }) =>
      'state' in answer && answer.state === 'Skipped' ? [] : [{ node, ...present({ zone }) }],
    ),
    former,
    ...present({ slices: slices.history }),
    observations: seen,
  });
  const arrivals = Map.groupBy(newArrivals(former, history.changes), ({ lag }) => lag.node);
  const deltas = deltasOf(arrivals, previous, nodes, observations);
  const restores = restoresOf(previous, nodes);
  const readings = nodes.flatMap(conntrackReadingOf);
  const changes = history.changes.map((change, index) => {
    const later = history.changes.slice(index + 1);
    const { omittedConnections, ...others } = change;
    const connections = endpointConnections({ change, later, records, readings, now: Date.parse(now) });
    return {
      ...others,
      ...present({
        rules: rulesOf(change, deltas, restores),
        conntrack: connectionsKept(change, later, nodes, now),
        connections,
        // All rows are there again where they were worked out again.
        omittedConnections: connections === change.connections ? omittedConnections : undefined,
      }),
    };
  });
  const dropped = omitted + history.dropped;
  return {
    ...head,
    ...(dropped === 0 ? {} : { omittedChanges: dropped }),
    ...(changes.length === 0 ? {} : { changes: withBoundedConnections(changes) }),
  };
}

function conntrackReadingOf({ node, read }: NodeFacts): ConntrackReading[] {
  if (read?.conntrack === undefined) return [];
  const entries = read.conntrack.groups.map(({ protocol, replySource, replySourcePort, entries: count }) => ({
    protocol,
    address: replySource,
    port: replySourcePort,
    entries: count,
  }));
  return [{ node, readAt: Date.parse(read.collectedAt), entries }];
}

function kept(
  before: ConvergenceStatus | undefined,
): Pick<ConvergenceStatus, 'resourceVersion' | 'omittedChanges' | 'changes'> {
  return present({
    resourceVersion: before?.resourceVersion,
    omittedChanges: before?.omittedChanges,
    changes: before?.changes,
  });
}

/**
 * By the collector's clock, between whose times the node was read. Rules that are watched were read at some time before, and are known
 * to have been so still where their node says that nothing has changed since.
 */
function observationOfReading({ node, read, answer }: NodeFacts): RuleObservation[] {
  if (read === undefined) return [];
  const collected = Date.parse(read.collectedAt);
  const asked = 'askedAt' in answer && answer.askedAt !== undefined ? Date.parse(answer.askedAt) : collected;
  const { rulesReadAt, rulesKnownAt } = read;
  const [readFrom, latest] =
    rulesKnownAt !== undefined
      ? [Date.parse(rulesKnownAt), Date.parse(rulesKnownAt)]
      : rulesReadAt !== undefined
        ? [0, Date.parse(rulesReadAt)]
        : [asked, collected];
  return Number.isFinite(latest) && Number.isFinite(readFrom)
    ? [{ node, latest, readFrom, source: 'Reading', frontends: read.program.frontends }]
    : [];
}

/** What the status before says of the node: its time counts as the end alone, because nothing says when it was asked. */
function observationBefore({ name, probe, ports }: NodeStatus): RuleObservation[] {
  const latest = Date.parse(probe.rulesReadAt ?? probe.collectedAt ?? '');
  if (probe.state !== 'Collected' || !Number.isFinite(latest)) return [];
  const frontends = ports.map((port) =>
    // A status that was too large has no targets.
    port.verdict === 'DNAT' && port.dnatTargets.length === 0 ? { ...port, verdict: 'Unknown' as const } : port,
  );
  return [{ node: name, latest, readFrom: 0, source: 'Reading', frontends }];
}

/** The latest moment at which a node's rules had it: milliseconds since 1970; NaN where they are not known to. */
function arrivalOf({ earliest, nodes }: SliceChangeStatus, node: string): number {
  return Date.parse(earliest) + (nodes.find((each) => each.node === node)?.maxMilliseconds ?? NaN);
}

/** By the collector's clock, the latest moment at which it arrived: milliseconds since 1970. */
function arrivedBy({ change, lag }: Arrival): number {
  return Date.parse(change.earliest) + (lag.maxMilliseconds ?? Infinity);
}

type NodeDelta = Omit<RuleDeltaStatus, 'nodes'>;

/** By change and node: the delta is the last change's, of those that arrived together. */
function deltasOf(
  arrivals: ReadonlyMap<string, readonly Arrival[]>,
  previous: ServiceTraceStatus | undefined,
  nodes: readonly NodeFacts[],
  observations: readonly RuleObservation[],
): ReadonlyMap<string, readonly { readonly node: string; readonly delta: NodeDelta }[]> {
  const deltas = new Map<string, { node: string; delta: NodeDelta }[]>();
  if (arrivals.size === 0) return deltas;
  const nodesBefore = new Map((previous?.nodes ?? []).map((node) => [node.name, node]));
  const programs = new Map((previous?.programs ?? []).map(({ fingerprint, chains }) => [fingerprint, chains]));
  const compared = new Map<string, RuleDelta>();
  const watched = Map.groupBy(
    observations.filter(({ delta }) => delta !== undefined),
    ({ node }) => node,
  );
  const add = (change: SliceChangeStatus, node: string, delta: NodeDelta): void => {
    deltas.set(changeKey(change), [...(deltas.get(changeKey(change)) ?? []), { node, delta }]);
  };
  for (const { node, read } of nodes) {
    const arrived = arrivals.get(node) ?? [];
    const last = arrived.at(-1);
    const before = nodesBefore.get(node);
    if (last === undefined || read === undefined) continue;
    const reported = (watched.get(node) ?? []).flatMap(({ latest, clock, delta }) => {
      const to = latest - (clock?.milliseconds ?? 0) + (clock?.uncertainty ?? 0);
      const of = arrived.filter((arrival) => Math.abs(arrivedBy(arrival) - to) < 1);
      const own = of.at(-1);
      return own === undefined || delta === undefined ? [] : [{ change: own.change, changes: of.length, delta }];
    });
    for (const { change, changes, delta } of reported) add(change, node, { changes, ...copyOf(delta) });
    if (reported.length > 0) continue;
    const [old, now] = [before?.program, fingerprintOf(read.program)];
    const chains = old === undefined ? undefined : programs.get(old);
    // A status that was too large has no rules.
    if (old === undefined || old === now || chains === undefined || chains.length === 0) continue;
    const key = `${old} ${now}`;
    const delta = compared.get(key) ?? ruleDelta(ownChains(chains), ownChains(read.program.chains));
    compared.set(key, delta);
    add(last.change, node, { changes: arrived.length, ...copyOf(delta) });
  }
  return deltas;
}

function copyOf(delta: RuleDelta): Omit<NodeDelta, 'changes' | 'restore'> {
  return {
    ...delta,
    addedChains: [...delta.addedChains],
    removedChains: [...delta.removedChains],
    rewrittenChains: [...delta.rewrittenChains],
  };
}

/** By what kube-proxy counted in between; where it did both, nobody knows which of them wrote these rules. */
function restoreOf(
  before: NodeStatus | undefined,
  { kubeProxy }: NonNullable<NodeFacts['read']>,
): 'Full' | 'Partial' | undefined {
  const [old, now] = [
    before?.kubeProxy,
    kubeProxy?.metrics === undefined ? undefined : kubeProxyTotals(kubeProxy.metrics),
  ];
  const more = (was: number | undefined, is: number | undefined): number | undefined =>
    was === undefined || is === undefined || is < was ? undefined : is - was;
  const [full, partial] = [more(old?.fullSyncs, now?.fullSyncs), more(old?.partialSyncs, now?.partialSyncs)];
  if (full === undefined || partial === undefined || full > 0 === partial > 0) return undefined;
  return full > 0 ? 'Full' : 'Partial';
}

/** How kube-proxy wrote between two times at which its counters were read, by the collector's clock: milliseconds since 1970. */
interface Restores {
  readonly from: number;
  readonly to: number;
  readonly restore: 'Full' | 'Partial';
}

function restoresOf(
  previous: ServiceTraceStatus | undefined,
  nodes: readonly NodeFacts[],
): ReadonlyMap<string, Restores> {
  const before = new Map((previous?.nodes ?? []).map((node) => [node.name, node]));
  return new Map(
    nodes.flatMap(({ node, read }): [string, Restores][] => {
      const old = before.get(node);
      const restore = read === undefined ? undefined : restoreOf(old, read);
      const [from, to] = [Date.parse(old?.probe.collectedAt ?? ''), Date.parse(read?.collectedAt ?? '')];
      return restore === undefined || !(from < to) ? [] : [[node, { from, to, restore }]];
    }),
  );
}

/** Rules that were watched are known before the counters are: these come with the next answer of the node. */
function rulesOf(
  change: SliceChangeStatus,
  deltas: ReturnType<typeof deltasOf>,
  restores: ReadonlyMap<string, Restores>,
): RuleDeltaStatus[] | undefined {
  const fresh = deltas.get(changeKey(change)) ?? [];
  const former = (change.rules ?? []).flatMap(({ nodes, ...delta }) => nodes.map((node) => ({ node, delta })));
  const groups = new Map<string, { readonly delta: NodeDelta; readonly nodes: string[] }>();
  for (const { node, delta: known } of [...former, ...fresh]) {
    const by = arrivalOf(change, node);
    const { from = NaN, to = NaN, restore } = restores.get(node) ?? {};
    const delta = known.restore === undefined && by >= from && by <= to ? { ...known, ...present({ restore }) } : known;
    const group = groups.get(JSON.stringify(delta));
    groups.set(JSON.stringify(delta), { delta, nodes: [...(group?.nodes ?? []), node].slice(0, maxNames) });
  }
  return groups.size === 0 ? undefined : [...groups.values()].map(({ delta, nodes }) => ({ nodes, ...delta }));
}

/** What conntrack keeps to targets that the change took away, until a later change brings them back. */
function connectionsKept(
  change: SliceChangeStatus,
  later: readonly SliceChangeStatus[],
  nodes: readonly NodeFacts[],
  now: string,
): KeptConnectionsStatus[] | undefined {
  const back = new Set(later.flatMap((each) => targetsOf(each, true)));
  const former = new Map((change.conntrack ?? []).map((each) => [endKey(each), each]));
  const gone = new Set([...targetsOf(change, false), ...former.keys()]);
  const read = nodes.filter(
    ({ read: own }) => own?.conntrack !== undefined && !(Date.parse(own.collectedAt) < Date.parse(change.earliest)),
  );
  if (read.length === 0 || gone.size === 0) return change.conntrack;
  const all = [...gone].flatMap((key): KeptConnectionsStatus[] => {
    const was = former.get(key);
    if (back.has(key)) return was === undefined ? [] : [was];
    const holders = read.flatMap((node) => {
      const entries = (node.read?.conntrack?.groups ?? [])
        .filter(({ replySource, replySourcePort }) => endKey({ address: replySource, port: replySourcePort }) === key)
        .reduce((sum, group) => sum + group.entries, 0);
      return entries === 0 ? [] : [{ node: node.node, entries }];
    });
    const entries = holders.reduce((sum, holder) => sum + holder.entries, 0);
    if (entries === 0)
      return was === undefined ? [] : [{ ...was, entries: 0, ...(was.goneBy === undefined ? { goneBy: now } : {}) }];
    const [address = '', port = ''] = key.split(' ');
    return [
      {
        address,
        port: Number(port),
        entries,
        most: Math.max(entries, was?.most ?? 0),
        nodes: holders.map(({ node }) => node).slice(0, maxNames),
        seen: now,
      },
    ];
  });
  return all.length === 0 ? undefined : all;
}

function targetsOf({ expected }: SliceChangeStatus, isPresent: boolean): string[] {
  return expected.flatMap(({ targets }) => targets.filter((target) => target.present === isPresent).map(endKey));
}

function endKey({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${comparableAddress(address)} ${String(port)}`;
}
