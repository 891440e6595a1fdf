/** From what was seen while a rollout was followed to its result. */
import type { ExpectedTargetStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { compareResourceVersions } from '../convergence/slice-changes.ts';
import { comparableAddress } from '../net/address.ts';
import { present } from '../lib/present.ts';
import type { FollowedChanges } from './followed-changes.ts';
import { sumOf, type ConnectionFollowing } from './connections.ts';
import { goneEndpoint, longest, worstRisk, type Gone } from './gone-endpoint.ts';
import type { RolloutPod } from './pod-termination.ts';
import type {
  ConnectionCounts,
  DurationBounds,
  Gap,
  NewEndpoint,
  PreStopSleep,
  RolloutNode,
  RolloutResult,
  Verdict,
} from './result.ts';

export interface RolloutInput {
  readonly service: string;
  readonly namespace: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly command?: RolloutResult['command'];
  readonly followed: FollowedChanges;
  /** Of each node of the last status, whether it answered. */
  readonly nodes: readonly { readonly name: string; readonly hasAnswered: boolean }[];
  /** Endpoints that terminate in the last status. */
  readonly terminating: readonly string[];
  /** Every pod that was seen; undefined where pods may not be read. */
  readonly pods: readonly RolloutPod[] | undefined;
  /** Which nodes report connections; absent where the trace follows none. */
  readonly following?: ConnectionFollowing;
  /** What whoever followed the rollout knows not to be over. */
  readonly gaps: readonly Gap[];
}

export function rolloutResult(input: RolloutInput): RolloutResult {
  const changes = [...input.followed.changes.values()].sort((one, other) =>
    compareResourceVersions(one.resourceVersion, other.resourceVersion),
  );
  const endpoints = endpointsOf(changes);
  const gone = goneOf(endpoints, input);
  const newEndpoints = newOf(endpoints);
  const gaps = gapsOf(input, changes, gone);
  const connections = countsOf(gone.flatMap(({ endpoint }) => endpoint.nodes));
  const { service, namespace, startedAt, endedAt } = input;
  return {
    service,
    namespace,
    verdict: verdictOf(gone, gaps),
    gaps,
    startedAt,
    endedAt,
    ...present({ command: input.command }),
    changes: changes.length,
    ...present({ preStopSleep: sleepOf(gone, gaps, input.pods), connections }),
    goneEndpoints: gone.map(({ endpoint }) => endpoint),
    newEndpoints,
    nodes: nodesOf(gone, newEndpoints),
  };
}

/** What is proven wrong is so, whatever else is not known. */
function verdictOf(gone: readonly Gone[], gaps: readonly Gap[]): Verdict {
  const risk = worstRisk(gone.map(({ endpoint }) => endpoint.risk));
  if (risk === 'atRisk') return 'someAtRisk';
  return risk === 'unknown' || gaps.length > 0 ? 'partial' : 'noneAtRisk';
}

/** What the changes asked of each node for one address; the last change counts. */
interface AskedEndpoint {
  readonly address: string;
  readonly ports: Set<number>;
  readonly byNode: Map<string, { readonly change: SliceChangeStatus; readonly isPresent: boolean }>;
  /** What the changes say of it, the last last. */
  pod?: string;
  nodeName?: string;
  stop?: SliceChangeStatus;
}

function endpointsOf(changes: readonly SliceChangeStatus[]): AskedEndpoint[] {
  const endpoints = new Map<string, AskedEndpoint>();
  const of = (address: string): AskedEndpoint => {
    const own = endpoints.get(address) ?? { address, ports: new Set<number>(), byNode: new Map() };
    endpoints.set(address, own);
    return own;
  };
  for (const change of changes) {
    for (const { address, change: kind, pod, nodeName, is } of change.endpoints) {
      const own = of(address);
      if (pod !== undefined) own.pod = pod;
      if (nodeName !== undefined) own.nodeName = nodeName;
      if (kind !== 'Removed' && is?.serving !== false) delete own.stop;
      else own.stop ??= change;
    }
    const groups = change.expected.map(({ nodes, targets }) => ({
      nodes: nodes === undefined ? undefined : new Set(nodes),
      byAddress: Map.groupBy(targets, ({ address }) => address),
    }));
    for (const { node } of change.nodes) {
      const group =
        groups.find(({ nodes }) => nodes?.has(node) === true) ?? groups.find(({ nodes }) => nodes === undefined);
      for (const [address, targets] of group?.byAddress ?? []) note(of(address), node, change, targets);
    }
  }
  return [...endpoints.values()];
}

function note(
  own: AskedEndpoint,
  node: string,
  change: SliceChangeStatus,
  targets: readonly ExpectedTargetStatus[],
): void {
  for (const { port } of targets) own.ports.add(port);
  own.byNode.set(node, { change, isPresent: targets.some((target) => target.present) });
}

function goneOf(
  endpoints: readonly AskedEndpoint[],
  { pods, following }: Pick<RolloutInput, 'pods' | 'following'>,
): Gone[] {
  const byAddress = Map.groupBy(
    (pods ?? []).flatMap((pod) => pod.addresses.map((address) => ({ address: comparableAddress(address), pod }))),
    ({ address }) => address,
  );
  return endpoints.flatMap((endpoint): Gone[] => {
    const withdrawals = new Map(
      [...endpoint.byNode].flatMap(([node, { change, isPresent }]) => (isPresent ? [] : [[node, change] as const])),
    );
    if (withdrawals.size === 0) return [];
    // The pods of a StatefulSet have their names one after the other, and addresses are given out again.
    const pod = byAddress
      .get(comparableAddress(endpoint.address))
      ?.findLast(({ pod: { name } }) => endpoint.pod === undefined || name === endpoint.pod)?.pod;
    return [
      goneEndpoint({
        address: endpoint.address,
        ports: [...endpoint.ports].sort((one, other) => one - other),
        withdrawals,
        ...present({
          stop: endpoint.stop,
          pod,
          podName: endpoint.pod,
          nodeName: endpoint.nodeName,
          following,
        }),
      }),
    ];
  });
}

function newOf(endpoints: readonly AskedEndpoint[]): NewEndpoint[] {
  return endpoints.flatMap((endpoint): NewEndpoint[] => {
    const added = [...endpoint.byNode].filter(([, { isPresent }]) => isPresent);
    const [first] = added;
    if (first === undefined) return [];
    const nodes = added.map(([node, { change }]) => {
      const lag = change.nodes.find((each) => each.node === node);
      return {
        node,
        minMilliseconds: lag?.minMilliseconds ?? 0,
        ...present({ maxMilliseconds: lag?.state === 'Arrived' ? lag.maxMilliseconds : undefined }),
      };
    });
    const { earliest, latest } = first[1].change;
    return [
      {
        address: endpoint.address,
        ports: [...endpoint.ports].sort((one, other) => one - other),
        ...present({ pod: endpoint.pod, nodeName: endpoint.nodeName }),
        since: { earliest, latest },
        nodes,
        ...present({ lastNode: longest(nodes)?.node }),
      },
    ];
  });
}

function sleepOf(
  gone: readonly Gone[],
  gaps: readonly Gap[],
  pods: readonly RolloutPod[] | undefined,
): PreStopSleep | undefined {
  const all = gone.flatMap(({ endpoint, sleep }) =>
    sleep.map((each) => ({ ...each, ...each.took, address: endpoint.address, pod: endpoint.pod })),
  );
  const needed = ({ minMilliseconds, maxMilliseconds = minMilliseconds }: DurationBounds): number => maxMilliseconds;
  const [first] = all;
  if (first === undefined) return undefined;
  const last = all.reduce((one, other) => (needed(other) > needed(one) ? other : one), first);
  const isWhole = all.every(({ took, from }) => took.maxMilliseconds !== undefined && from === 'podDeletion');
  const seen = gone.flatMap(({ endpoint: { preStop, terminationGracePeriodSeconds } }) =>
    preStop === undefined || terminationGracePeriodSeconds === undefined
      ? []
      : [{ preStopMinSeconds: preStop.minSeconds, terminationGracePeriodSeconds }],
  );
  const { address, node, from, took, pod } = last;
  return {
    seconds: Math.ceil(needed(took) / 1000),
    isEnough: isWhole && pods !== undefined && !gaps.some(({ kind }) => missingKinds.has(kind)),
    from,
    took,
    address,
    ...present({ pod }),
    node,
    ...(seen.length === 0
      ? {}
      : {
          present: {
            preStopMinSeconds: Math.min(...seen.map(({ preStopMinSeconds }) => preStopMinSeconds)),
            terminationGracePeriodSeconds: Math.min(
              ...seen.map(({ terminationGracePeriodSeconds }) => terminationGracePeriodSeconds),
            ),
          },
        }),
  };
}

/** Gaps that may hide a node or an endpoint that took longer. */
const missingKinds: ReadonlySet<Gap['kind']> = new Set([
  'nodeUnanswered',
  'nodeBehind',
  'changesLost',
  'changeCut',
  'traceReplaced',
  'traceEnded',
]);

function gapsOf(input: RolloutInput, changes: readonly SliceChangeStatus[], gone: readonly Gone[]): Gap[] {
  const { command, followed, nodes, terminating, pods } = input;
  const failed =
    command === undefined || command.exitCode === 0
      ? []
      : [{ kind: 'commandFailed' as const, ...present({ exitCode: command.exitCode, signal: command.signal }) }];
  const behind = new Map<string, number>();
  for (const change of changes)
    for (const { node, state } of change.nodes) if (state === 'Pending') behind.set(node, (behind.get(node) ?? 0) + 1);
  const counted = new Map<string, number>();
  for (const { endpoint } of gone)
    for (const { node, risk } of endpoint.nodes)
      if (risk === 'unknown' && !behind.has(node)) counted.set(node, (counted.get(node) ?? 0) + 1);
  const cut = changes.filter(
    ({ expected, lag, omittedEndpoints = 0, nodes: named }) =>
      omittedEndpoints > 0 || named.length < lag.nodes || (lag.nodes > 0 && expected.length === 0),
  );
  const names = (of: (each: Gone) => boolean): string[] =>
    gone.filter(of).map(({ endpoint: { pod, address } }) => pod ?? address);
  const unseen = pods === undefined ? [] : names(({ endpoint }) => endpoint.preStop === undefined);
  const differing = names(({ clocksDiffer }) => clocksDiffer);
  return [
    ...failed,
    ...input.gaps,
    ...(followed.isReplaced ? [{ kind: 'traceReplaced' as const }] : []),
    ...nodes.flatMap(({ name, hasAnswered }) => (hasAnswered ? [] : [{ kind: 'nodeUnanswered' as const, node: name }])),
    ...[...behind].map(([node, count]) => ({ kind: 'nodeBehind' as const, node, changes: count })),
    ...[...counted].map(([node, count]) => ({ kind: 'orderUnknown' as const, node, endpoints: count })),
    ...(followed.lost === 0 ? [] : [{ kind: 'changesLost' as const, changes: followed.lost }]),
    ...cut.map(({ resourceVersion }) => ({ kind: 'changeCut' as const, resourceVersion })),
    ...(terminating.length === 0 ? [] : [{ kind: 'endpointsTerminating' as const, addresses: terminating }]),
    ...(gone.length > 0 && pods === undefined ? [{ kind: 'podsUnreadable' as const }] : []),
    ...(unseen.length === 0 ? [] : [{ kind: 'podsUnseen' as const, pods: unseen }]),
    ...(differing.length === 0 ? [] : [{ kind: 'clocksDiffer' as const, pods: differing }]),
    ...connectionGaps(gone, input.following),
  ];
}

/** Where no endpoint went, no connection could go there. */
function connectionGaps(gone: readonly Gone[], following: ConnectionFollowing | undefined): Gap[] {
  const nodes = new Set(gone.flatMap(({ unfollowed }) => unfollowed));
  if (nodes.size === 0) return [];
  return following === undefined
    ? [{ kind: 'connectionsNotFollowed' }]
    : [{ kind: 'connectionsIncomplete', nodes: [...nodes].sort() }];
}

function nodesOf(gone: readonly Gone[], newEndpoints: readonly NewEndpoint[]): RolloutNode[] {
  const own = Map.groupBy(
    gone.flatMap(({ endpoint }) => endpoint.nodes),
    ({ node }) => node,
  );
  const added = Map.groupBy(
    newEndpoints.flatMap(({ nodes }) => nodes),
    ({ node }) => node,
  );
  return [...new Set([...own.keys(), ...added.keys()])].sort().map((node): RolloutNode => {
    const ofGone = own.get(node) ?? [];
    return {
      node,
      risk: worstRisk(ofGone.map(({ risk }) => risk)),
      ...present({ sentFor: longest(ofGone.map(({ sentFor }) => sentFor)) }),
      endpointsAtRisk: ofGone.filter(({ risk }) => risk === 'atRisk').length,
      ...present({ connections: countsOf(ofGone), newEndpoints: boundsOf(longest(added.get(node) ?? [])) }),
    };
  });
}

function boundsOf(duration: DurationBounds | undefined): DurationBounds | undefined {
  if (duration === undefined) return undefined;
  const { minMilliseconds, maxMilliseconds } = duration;
  return { minMilliseconds, ...present({ maxMilliseconds }) };
}

/** Undefined where none is followed. */
function countsOf(nodes: readonly { readonly connections?: ConnectionCounts }[]): ConnectionCounts | undefined {
  const all = nodes.flatMap(({ connections }) => connections ?? []);
  return all.length === 0 ? undefined : sumOf(all);
}
