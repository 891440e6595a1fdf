/** `kubectl svctrace rollout SERVICE -- COMMAND`: runs it, follows the Service until all nodes agree, and says what was at risk. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { plural } from '../../core/lib/plural.ts';
import { connectionFollowing } from '../../core/rollout/connections.ts';
import { present } from '../../core/lib/present.ts';
import { rolloutResult } from '../../core/rollout/build-result.ts';
import { beginFollowing, withStatus, type FollowedChanges } from '../../core/rollout/followed-changes.ts';
import type { Gap, RolloutResult } from '../../core/rollout/result.ts';
import { ClusterError } from '../cli/errors.ts';
import { reasonOf } from '../cli/one-line.ts';
import { explainError } from '../cluster/explain-error.ts';
import { exitStatusOfRollout } from '../cli/exit-status.ts';
import { widthOf, type Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import { createProgress, type Progress } from '../cli/progress.ts';
import type { RolloutRequest, TraceRequest } from '../cli/request.ts';
import { runCommand, type CommandEnd } from '../cli/run-command.ts';
import { checkNodes } from '../cli/trace-nodes.ts';
import { connect, type ClusterClient } from '../cluster/cluster-client.ts';
import type { Workload } from '../cluster/workloads.ts';
import { printRollout } from '../printers/rollout.ts';
import { showEvent } from '../sources/event-text.ts';
import { openSource } from '../sources/open.ts';
import { noAnswerError } from '../sources/operator.ts';
import { followOwnedPods, type OwnedPods } from '../sources/owned-pods.ts';
import { isComplete, type TraceSource } from '../sources/source.ts';
import { throwWhereNothingIsThere } from '../sources/trace-result.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';

/** How long the first result is waited for. */
const firstMilliseconds = 60_000;
/** How long after that the nodes have to begin to follow connections; some cannot. */
const connectionsMilliseconds = 10_000;
/** How often it is looked whether all is over. */
const lookMilliseconds = 500;

export interface RolloutEffects {
  readonly connectTo?: typeof connect;
  readonly run?: (words: readonly string[], signal: AbortSignal) => Promise<CommandEnd>;
}

/**
 * @param effects replaced by tests
 * @returns 0 where nothing was at risk, 1 where something was, 5 where that is not known, or the command failed
 * @throws UsageError where the command cannot be started, ClusterError where nobody follows the Service
 */
export async function runRollout(
  request: RolloutRequest,
  io: Io,
  { connectTo = connect, run = runCommand }: RolloutEffects = {},
): Promise<number> {
  const log = (line: string): void => {
    io.stderr.write(`${line}\n`);
  };
  const clusterClient = connectTo(request.flags, io.env, log);
  const progress = createProgress(io.stderr);
  const source = await openSource(traceRequestOf(request), true, io, connectTo, log);
  try {
    const result = await follow(source, clusterClient, request, io, progress, run);
    progress.end();
    await write(result, request, io);
    return exitStatusOfRollout(result);
  } finally {
    if (request.origin.kind === 'standalone') progress.update('Ending the probes');
    await source.close();
    progress.end();
  }
}

function traceRequestOf({ flags, color, service, origin, nodes }: RolloutRequest): TraceRequest {
  return {
    command: 'trace',
    flags,
    color,
    service,
    allNamespaces: false,
    origin,
    nodes,
    conntrack: 'Summary',
    connect: 'None',
    watch: true,
    timeoutMilliseconds: firstMilliseconds,
    failOn: 'error',
  };
}

async function write(result: RolloutResult, { output, color }: RolloutRequest, io: Io): Promise<void> {
  if (output === 'junit') {
    const { junitOf } = await import('../printers/rollout-junit.ts');
    io.stdout.write(junitOf(result));
    return;
  }
  writeResult(io, output, result, (shown) =>
    printRollout(shown, {
      width: widthOf(io),
      paint: createPaint(wantsColor(color, io.stdout.isTTY === true, io.env)),
      isWide: output === 'wide',
    }),
  );
}

/** What the trace has shown so far. */
interface Seen {
  trace: ServiceTrace | undefined;
  followed: FollowedChanges | undefined;
  /** When the last result came, and the first with the last change: milliseconds of the process's clock. */
  shownAt: number;
  changedAt: number;
  ended: string | undefined;
}

async function follow(
  source: TraceSource,
  clusterClient: ClusterClient,
  request: RolloutRequest,
  io: Io,
  progress: Progress,
  run: NonNullable<RolloutEffects['run']>,
): Promise<RolloutResult> {
  const stop = new AbortController();
  const signal = AbortSignal.any([io.signal, stop.signal]);
  const seen: Seen = { trace: undefined, followed: undefined, shownAt: 0, changedAt: 0, ended: undefined };
  let isRunning = false;
  let failure: { readonly error: unknown } | undefined;
  const following = source
    .follow((event) => {
      // The command writes to the same terminal.
      if (!isRunning || event.kind !== 'trace') showEvent(progress, event);
      if (event.kind === 'ended') seen.ended = event.reason;
      if (event.kind === 'silent') {
        if (seen.followed !== undefined) progress.say(`Notice: ${event.message}`);
        else failure = { error: new ClusterError(event.message) };
      }
      if (event.kind === 'trace') see(seen, event.trace);
    }, signal)
    .catch((error: unknown) => {
      failure = { error };
      seen.ended = reasonOf(explainError(error));
    })
    .finally(() => {
      if (!signal.aborted) seen.ended ??= 'nothing answers any more';
    });
  const throwFailure = (): void => {
    if (failure !== undefined && seen.followed === undefined) throw failure.error;
  };
  try {
    await untilFollowed(seen, throwFailure, request, io, signal);
    const pods = await followOwnedPods(
      clusterClient,
      { namespace: seen.trace?.metadata.namespace ?? clusterClient.namespace, selector: selectorOf(seen.trace) },
      signal,
    );
    progress.end();
    const startedAt = new Date().toISOString();
    const command = request.run.length === 0 ? undefined : { words: request.run, startedAt };
    isRunning = command !== undefined;
    const end =
      command === undefined ? undefined : { ...(await run(request.run, io.signal)), endedAt: new Date().toISOString() };
    isRunning = false;
    if (end !== undefined && end.exitCode !== 0) progress.say(`Notice: ${commandEndText(end)}`);
    const gaps = await untilSettled({ seen, pods, clusterClient, request, io, progress });
    const { trace, followed } = seen;
    if (trace === undefined || followed === undefined) throw noAnswerError(firstMilliseconds);
    return rolloutResult({
      service: request.service,
      namespace: trace.metadata.namespace ?? clusterClient.namespace,
      startedAt,
      endedAt: new Date().toISOString(),
      ...(command === undefined ? {} : { command: { ...command, ...end } }),
      followed,
      nodes: (trace.status?.nodes ?? []).map(({ name, probe }) => ({
        name,
        hasAnswered: probe.state === 'Collected',
      })),
      terminating: terminatingOf(trace),
      pods: pods.seen(),
      ...present({ following: connectionFollowing(trace.status ?? {}) }),
      gaps,
    });
  } finally {
    stop.abort();
    await following;
  }
}

function commandEndText({ exitCode, signal }: CommandEnd): string {
  return signal === undefined
    ? `the command ended with status ${String(exitCode ?? 0)}`
    : `the command was ended by ${signal}`;
}

function see(seen: Seen, trace: ServiceTrace): void {
  if (!isComplete(trace)) return;
  seen.trace = trace;
  seen.shownAt = performance.now();
  const before = seen.followed;
  seen.followed = before === undefined ? beginFollowing(trace) : withStatus(before, trace);
  if (seen.followed?.changes.size !== before?.changes.size) seen.changedAt = seen.shownAt;
}

/** Until there is a first result, from which on every change counts. */
async function untilFollowed(
  seen: Seen,
  throwFailure: () => void,
  { nodes }: RolloutRequest,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + firstMilliseconds;
  while (seen.followed === undefined) {
    io.signal.throwIfAborted();
    throwFailure();
    if (seen.ended !== undefined) throw new ClusterError(`The Service can not be followed: ${seen.ended}.`);
    if (performance.now() > end) throw noAnswerError(firstMilliseconds);
    await sleep(lookMilliseconds / 5, undefined, { signal }).catch(() => undefined);
  }
  if (seen.trace !== undefined) throwWhereNothingIsThere(seen.trace);
  const limit = performance.now() + connectionsMilliseconds;
  while (!isFollowedEverywhere(seen.trace) && performance.now() < limit && !signal.aborted)
    await sleep(lookMilliseconds / 5, undefined, { signal }).catch(() => undefined);
  io.signal.throwIfAborted();
  checkNodes(
    nodes,
    (seen.trace?.status?.nodes ?? []).map(({ name }) => name),
  );
}

/** Where nobody follows connections at all, nobody begins to. */
function isFollowedEverywhere(trace: ServiceTrace | undefined): boolean {
  const following = connectionFollowing(trace?.status ?? {});
  return following === undefined || (following.isOfAllOthers && following.notFollowed.size === 0);
}

function selectorOf(trace: ServiceTrace | undefined): string | undefined {
  const selector = Object.entries(trace?.status?.service?.selector ?? {});
  return selector.length === 0 ? undefined : selector.map(([key, value]) => `${key}=${value}`).join(',');
}

function terminatingOf({ status }: ServiceTrace): string[] {
  return (status?.endpointSlices ?? []).flatMap(({ endpoints }) =>
    endpoints.filter(({ terminating }) => terminating).flatMap(({ addresses }) => addresses),
  );
}

interface Following {
  readonly seen: Seen;
  readonly pods: OwnedPods;
  readonly clusterClient: ClusterClient;
  readonly request: RolloutRequest;
  readonly io: Io;
  readonly progress: Progress;
}

/** @returns why it ended before it had settled; empty where it had */
async function untilSettled({ seen, pods, clusterClient, request, io, progress }: Following): Promise<Gap[]> {
  const started = performance.now();
  const { settleMilliseconds, timeoutMilliseconds } = request;
  for (;;) {
    if (io.signal.aborted) return [{ kind: 'interrupted' }];
    if (seen.ended !== undefined) return [{ kind: 'traceEnded', reason: seen.ended }];
    const workloads = await workloadsOf(pods, clusterClient, seen.trace);
    const failed = workloads.flatMap(({ name, state }) =>
      state.kind === 'failed' ? [{ kind: 'workloadFailed' as const, workload: name, reason: state.reason }] : [],
    );
    const unfinished = workloads.flatMap(({ name, state }) =>
      state.kind === 'waiting' ? [{ kind: 'workloadUnfinished' as const, workload: name, reason: state.reason }] : [],
    );
    const reasons = [
      ...unfinished.map(({ workload, reason }) => `${workload}: ${reason}`),
      ...behindText(seen),
      ...terminatingText(seen),
    ];
    const now = performance.now();
    // A time of which no result says that nothing changed is not quiet.
    const quiet = Math.max(0, seen.shownAt - Math.max(started, seen.changedAt));
    if (reasons.length === 0 && quiet >= settleMilliseconds) return failed;
    if (timeoutMilliseconds > 0 && now - started >= timeoutMilliseconds)
      return [{ kind: 'timedOut', timeoutSeconds: timeoutMilliseconds / 1000 }, ...failed, ...unfinished];
    progress.update(
      reasons.length === 0
        ? `Waiting for ${String(settleMilliseconds / 1000)} s without another change`
        : `Following ${plural(seen.followed?.changes.size ?? 0, 'change')} of the EndpointSlices; ${reasons.join('; ')}`,
    );
    await sleep(lookMilliseconds, undefined, { signal: io.signal }).catch(() => undefined);
  }
}

async function workloadsOf(
  pods: OwnedPods,
  clusterClient: Pick<ClusterClient, 'readWorkload' | 'namespace'>,
  trace: ServiceTrace | undefined,
): Promise<Workload[]> {
  const namespace = trace?.metadata.namespace ?? clusterClient.namespace;
  const read = await Promise.all(
    pods.owners().map((owner) =>
      clusterClient.readWorkload(namespace, owner).catch((error: unknown): Workload => ({
        name: `${owner.kind.toLowerCase()}/${owner.name}`,
        state: { kind: 'waiting', reason: reasonOf(error) },
      })),
    ),
  );
  return [...new Map(read.flatMap((workload) => (workload === undefined ? [] : [[workload.name, workload]]))).values()];
}

/** Nodes that answer and do not have every change; one that does not answer is not waited for. */
function behindText({ trace, followed }: Seen): string[] {
  const answering = new Set(
    (trace?.status?.nodes ?? []).flatMap(({ name, probe }) => (probe.state === 'Collected' ? [name] : [])),
  );
  const behind = new Set(
    [...(followed?.changes.values() ?? [])].flatMap(({ nodes, omittedNodes }) =>
      // A change of which some nodes are left out is no longer followed.
      omittedNodes > 0
        ? []
        : nodes.flatMap(({ node, state }) => (state === 'Pending' && answering.has(node) ? [node] : [])),
    ),
  );
  const [first] = behind;
  if (first === undefined) return [];
  return [behind.size === 1 ? `${first} has not got all` : `${plural(behind.size, 'node')} have not got all`];
}

function terminatingText({ trace }: Seen): string[] {
  const count = trace === undefined ? 0 : terminatingOf(trace).length;
  return count === 0 ? [] : [`${plural(count, 'endpoint')} still terminating`];
}
