/** One look at a Service and its nodes: the API server is read, the nodes are asked, and what both say is judged. */
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { FindingStatus, ServiceTraceStatus } from '../core/api/service-trace.ts';
import { compareResourceVersions } from '../core/convergence/slice-changes.ts';
import { nearNames } from '../core/lib/near-names.ts';
import { present } from '../core/lib/present.ts';
import { limitedDetail, withoutClients, type ConntrackDetail } from '../core/status/conntrack-limit.ts';
import type { StatusInput } from '../core/status/input.ts';
import { notReady } from '../core/status/not-ready.ts';
import { progressStatus } from '../core/status/progress.ts';
import { recordsOf, type NodeAnswer, type NodeReport } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { unlessAbsent } from './api-error.ts';
import type { ClusterCache, ClusterLister } from './cluster-cache.ts';
import { connectFromNodes } from './connect-from-nodes.ts';
import { listEndpointSlices, readEndpointSlices, type SliceList } from './desired-service.ts';
import { dispatchReading, everyCollection, type Dispatch } from './dispatch-reading.ts';
import { asBefore, IncomingAnswers, isWaitedFor } from './node-answers.ts';
import type { NodeProbes } from './node-probes.ts';
import {
  proxyModeOf,
  wholeMilliseconds,
  withRules,
  type Follow,
  type HeldRules,
  type NodeWatches,
} from './node-watches.ts';
import { changedSlices, notice, type SeenServices } from './noticed-changes.ts';
import { desiredServiceOf, type TracedNode } from './observe.ts';
import { probeRequest, probeRequestService } from './probe-requests.ts';
import type { SliceLog } from './slice-log.ts';
import type { Judge } from './status-thread.ts';
import type { TraceRequest, TraceResult } from './trace-request.ts';
import { ruleObservations } from './rule-observations.ts';
import { firstAnswers, readTraceStart, type ApiReaders, type TraceStart } from './trace-start.ts';

/** EndpointSlices that were read this long before the last node answered are read again. */
const slicesFreshMilliseconds = 1000;

export interface LookParts {
  readonly readers: ApiReaders;
  /** What is watched and need not be read; absent: all is read. */
  readonly cache?: ClusterCache;
  readonly probes: Pick<NodeProbes, 'ask'>;
  readonly judge: Judge;
  /** The most that a trace may show of conntrack. */
  readonly conntrackLimit: ConntrackDetail;
  /** Written by each look. */
  readonly seen: SeenServices;
  /** Written by each look, and by a watch. */
  readonly slices: SliceLog;
  /** How often the nodes were asked for a Service, by `namespace/name`; written by each first look. */
  readonly collections: Map<string, number>;
  readonly watches: NodeWatches;
}

export interface Look {
  /** With everything that it found. */
  readonly result: TraceResult;
  /** The status without what may be a moment's, and was not found before. */
  readonly believing: (foundBefore: readonly FindingStatus[]) => Promise<ServiceTraceStatus>;
}

/** The Service and the cluster around it, once the nodes have answered. */
interface Observed {
  readonly desired: DesiredService;
  readonly cluster: ClusterFacts;
}

/**
 * @param kept answers of the look before, of nodes that are not asked again; absent at the first look
 * @throws ApiException
 */
export async function look(
  parts: LookParts,
  request: TraceRequest,
  kept?: ReadonlyMap<string, NodeAnswer>,
): Promise<Look> {
  const { namespace, spec } = request;
  const { name } = spec.serviceRef;
  const lister = parts.cache?.lister(request.watch === undefined ? 0 : leaseOf(request.watch));
  const known = lister?.service(namespace, name);
  const service = known ?? (await unlessAbsent(parts.readers.core.readNamespacedService({ namespace, name })));
  if (service === undefined) return lookAtAbsent(parts, request, lister);
  // Where the Service was not reported yet, its slices may not have been either.
  const start = await readTraceStart(parts.readers, request, service, known === undefined ? undefined : lister);
  if (request.watch !== undefined)
    parts.watches.expect(`${namespace}/${name}`, versionsOf(start.slices), isArriving(request.previous));
  const answers = firstAnswers(start);
  // While nodes are waited for, progress shows the Service as it was read last.
  let { desired } = start;
  const observed = async (refusal?: string): Promise<Observed> => {
    const found = await observe(parts, request, start, refusal, lister);
    ({ desired } = found);
    return found;
  };
  const incoming = new IncomingAnswers({
    answers,
    onProgress: () => request.onProgress?.(() => progressOf(request, desired, answers)),
    onHeldUp:
      request.onHeldUp === undefined
        ? undefined
        : () =>
            request.onHeldUp?.(async () =>
              hasReport(answers) ? statusSoFar(parts, request, start, await observed(), answers) : undefined,
            ),
  });
  await askNodes(parts, request, start, rulesReadingOf(parts, request, kept), kept, incoming);
  const refusal = await connect(parts, request, start, kept, answers);
  const last = await observed(refusal);
  const all = [...answers.values()];
  return {
    result: {
      status: await statusOf(parts, request, start, last, all),
      desired: last.desired,
      answers: all,
      cluster: last.cluster,
      nodeZones: start.nodeZones,
      walkFrom: start.client.walkFrom,
    },
    believing: (found) => statusOf(parts, request, start, last, all, found),
  };
}

async function lookAtAbsent(
  { readers, judge, seen }: LookParts,
  request: TraceRequest,
  lister: ClusterLister | undefined,
): Promise<Look> {
  const { namespace, spec } = request;
  const { name } = spec.serviceRef;
  seen.delete(`${namespace}/${name}`);
  const names =
    lister?.serviceNames(namespace) ??
    (await readers.core.listNamespacedService({ namespace })).items.flatMap(({ metadata }) => metadata?.name ?? []);
  const similarServices = nearNames(name, names);
  const status = await judge(statusInput(request, { desired: undefined, answers: [], similarServices }));
  return {
    result: { status, desired: undefined, answers: [], cluster: undefined, nodeZones: {}, walkFrom: [] },
    believing: () => Promise.resolve(status),
  };
}

/** How a look comes by the rules. */
interface RulesReading {
  /** Where they are read: the rules themselves, or counts of references. */
  readonly dispatch: Dispatch;
  /** Where those that are watched do, what has to be known of them; undefined where they are read in any case. */
  readonly held: Dispatch | undefined;
}

/** Counts the collections. */
function rulesReadingOf(
  { collections }: LookParts,
  { namespace, spec, previous, watch }: TraceRequest,
  kept: ReadonlyMap<string, NodeAnswer> | undefined,
): RulesReading {
  // What is looked for again has to quote the rules.
  if (kept !== undefined) return { dispatch: 'Rules', held: undefined };
  const key = `${namespace}/${spec.serviceRef.name}`;
  const collected = collections.get(key) ?? 0;
  collections.set(key, collected + 1);
  const isCounting = watch?.isViewed === true && collected % everyCollection === 0;
  return {
    dispatch: dispatchReading(spec.mode, collected, previous),
    held: watch === undefined || isCounting ? undefined : dispatchReading('Watch', 1, previous),
  };
}

/** What is asked for of conntrack, and the most that may be shown of it. */
function conntrackOf(
  { conntrackLimit }: LookParts,
  { spec }: TraceRequest,
): { readonly asked: ConntrackDetail; readonly shown: ConntrackDetail } {
  const asked = spec.collect?.conntrack ?? 'Summary';
  return { asked, shown: limitedDetail(asked, conntrackLimit) };
}

/** Asks all nodes at the same time, but for those whose answer is kept. */
async function askNodes(
  parts: LookParts,
  request: TraceRequest,
  { nodes, desired, dns }: TraceStart,
  reading: RulesReading,
  kept: ReadonlyMap<string, NodeAnswer> | undefined,
  incoming: IncomingAnswers,
): Promise<void> {
  const conntrack = conntrackOf(parts, request).shown;
  const { dispatch } = reading;
  const isWatched = request.watch !== undefined && request.spec.collect?.rules !== false && isProxied(desired);
  const ask = async (node: TracedNode): Promise<NodeAnswer> => {
    const whole = probeRequest(node, desired, request.spec, { dns, dispatch, conntrack });
    const askFor = (asked: ProbeRequest): Promise<NodeAnswer> =>
      parts.probes.ask(
        node,
        asked,
        (reason, message, isSlow = false) => {
          incoming.waits(node.name, reason, message, isSlow);
        },
        request.signal,
      );
    if (!isWatched) return askFor(whole);
    const follow: Follow | undefined =
      conntrack === 'None' ? undefined : { detail: conntrack, isViewed: request.watch?.isViewed === true };
    return askWatched(parts, request, { node, whole, follow }, reading.held, askFor);
  };
  try {
    await Promise.all(
      nodes.map(async (node) => {
        incoming.answered(kept?.get(node.name) ?? bounded(parts, await ask(node)));
      }),
    );
  } finally {
    incoming.stop();
  }
}

/** Longer than between two looks, whatever holds one up. */
function leaseOf(watch: TraceRequest['watch']): number {
  return 60_000 + 3 * (watch?.intervalMilliseconds ?? 0);
}

/** Asks for the rules only where they are not held; from then on they are watched. */
async function askWatched(
  { watches }: LookParts,
  { watch }: TraceRequest,
  {
    node,
    whole,
    follow,
  }: { readonly node: TracedNode; readonly whole: ProbeRequest; readonly follow: Follow | undefined },
  needed: Dispatch | undefined,
  ask: (request: ProbeRequest) => Promise<NodeAnswer>,
): Promise<NodeAnswer> {
  const [service] = whole.services;
  if (service === undefined) return ask(whole);
  const usable = (): HeldRules | undefined => {
    const held = needed === undefined ? undefined : watches.held(node.name, service);
    if (held === undefined || Date.now() - held.wholeAt > wholeMilliseconds) return undefined;
    return needed === 'Rules' && held.dispatch === 'References' ? undefined : held;
  };
  const lease = leaseOf(watch);
  if (usable() !== undefined) {
    const answer = await ask({ ...whole, collect: { ...whole.collect, rules: false } });
    if (!('report' in answer)) return answer;
    // It may have changed meanwhile, or kube-proxy has another mode now.
    const held = usable();
    if (held !== undefined && held.proxyMode === proxyModeOf(answer.report)) {
      watches.want(node, service, lease, follow);
      return {
        ...answer,
        report: withRules(answer.report, held),
        rulesReadAt: new Date(held.readAt).toISOString(),
        ...present({ rulesKnownAt: knownAt(answer.report, answer.askedAt, held) }),
      };
    }
  }
  const count = watches.count(node.name, service);
  const answer = await ask(whole);
  if ('report' in answer) {
    watches.want(node, service, lease, follow);
    watches.keep(node.name, whole, answer.report, count);
  }
  return answer;
}

/** When the node was asked, where the rules had been read then, and no change is on its way here that was made before. */
function knownAt(report: NodeReport, askedAt: string | undefined, { readAt }: HeldRules): string | undefined {
  const isSettled = recordsOf(report, 'watched')[0]?.isSettled === true;
  return isSettled && askedAt !== undefined && readAt <= Date.parse(askedAt) ? askedAt : undefined;
}

/** For so long, a node that has not got a change is expected to. */
const arrivalMilliseconds = 60_000;

/** Some node has not got a change yet that was made not long ago. */
function isArriving(previous: ServiceTraceStatus | undefined): boolean {
  return (previous?.convergence?.changes ?? []).some(
    ({ lag, latest }) => lag.pending > 0 && Date.now() - Date.parse(latest) < arrivalMilliseconds,
  );
}

function versionsOf(slices: TraceStart['slices']): string {
  return slices
    .map(({ metadata }) => `${metadata?.name ?? ''} ${metadata?.resourceVersion ?? ''}`)
    .sort()
    .join();
}

/** kube-proxy writes rules for it. */
function isProxied({ service }: DesiredService): boolean {
  return service.notProxied === undefined && service.clusterIPs.length > 0;
}

function bounded({ conntrackLimit }: LookParts, answer: NodeAnswer): NodeAnswer {
  return 'report' in answer && conntrackLimit !== 'Entries'
    ? { ...answer, report: withoutClients(answer.report) }
    : answer;
}

/**
 * The active check, where the trace asks for it, of the nodes that were asked in this look; its connections go into the answers.
 * @returns why nothing was connected to; undefined where it was, or nobody asked for it
 */
async function connect(
  { readers, probes }: LookParts,
  { namespace, spec, signal }: TraceRequest,
  { nodes, nodeList }: TraceStart,
  kept: ReadonlyMap<string, NodeAnswer> | undefined,
  answers: Map<string, NodeAnswer>,
): Promise<string | undefined> {
  const { core, discovery, holders } = readers;
  const { name } = spec.serviceRef;
  const asked = spec.collect?.connect ?? 'None';
  if (asked === 'None' || signal?.aborted === true) return undefined;
  const readDesired = async (): Promise<DesiredService | undefined> => {
    const [service, slices] = await Promise.all([
      unlessAbsent(core.readNamespacedService({ namespace, name })),
      readEndpointSlices(discovery, namespace, name),
    ]);
    if (service === undefined) return undefined;
    const desired = desiredServiceOf(service, slices);
    return { ...desired, externalAddresses: (await holders.classify(desired, nodeList)).addresses };
  };
  return connectFromNodes(
    {
      core,
      http: asked === 'HTTP',
      readDesired,
      serviceOf: probeRequestService,
      ask: (node, connections) => probes.ask(node, connections, () => undefined, signal),
    },
    nodes.filter((node) => kept?.has(node.name) !== true),
    answers,
  );
}

/** The cluster around the Service, and the Service as it is now. */
async function observe(
  parts: LookParts,
  request: TraceRequest,
  start: TraceStart,
  connectRefusal: string | undefined,
  lister: ClusterLister | undefined,
): Promise<Observed> {
  const { service, nodeList, holders, client } = start;
  const list = await recentSlices(parts, request, start, lister);
  const key = `${request.namespace}/${request.spec.serviceRef.name}`;
  parts.slices.listed(key, start.sliceList);
  if (list !== start.sliceList) parts.slices.listed(key, list);
  const slices = list.items;
  const facts = await parts.readers.observer.observe({
    service,
    slices,
    nodes: nodeList,
    ...present({ client: client.pod, lister }),
  });
  const changed = changedSlices(start.slices, slices);
  const noticedChange = notice(parts.seen, service, slices);
  const conntrack = conntrackOf(parts, request);
  return {
    desired: {
      ...desiredServiceOf(service, slices),
      externalAddresses: holders.addresses,
      ...(changed.length === 0 ? {} : { changedWhileCollecting: changed }),
      ...present({ noticedChange }),
    },
    cluster: {
      ...facts,
      ...present({
        connectRefusal,
        conntrackLimit: conntrack.shown === conntrack.asked ? undefined : conntrack,
      }),
      unread: [...facts.unread, ...(holders.unread === undefined ? [] : [holders.unread])],
    },
  };
}

/** While probes started, the endpoints may have changed: rules that are newer than the slices would look wrong. */
async function recentSlices(
  { readers }: LookParts,
  { namespace, spec, signal }: TraceRequest,
  { sliceList }: TraceStart,
  lister: ClusterLister | undefined,
): Promise<SliceList> {
  const watched = lister?.endpointSlices(namespace, spec.serviceRef.name);
  // What is watched may be of before a list that was asked for.
  if (watched !== undefined && !isBefore(watched, sliceList)) return watched;
  const isOld = Date.now() - sliceList.askedAt > slicesFreshMilliseconds && signal?.aborted !== true;
  return isOld ? listEndpointSlices(readers.discovery, namespace, spec.serviceRef.name) : sliceList;
}

function isBefore({ resourceVersion: one }: SliceList, { resourceVersion: other }: SliceList): boolean {
  return one === undefined || (other !== undefined && compareResourceVersions(one, other) < 0);
}

function statusInput(
  { spec, generation, previous }: TraceRequest,
  found: Pick<StatusInput, 'desired' | 'answers'> & Partial<StatusInput>,
): StatusInput {
  return { spec, generation, previous, now: new Date().toISOString(), ...found };
}

/** @param foundBefore where it is given, what may be a moment's is left out unless it is among these */
async function statusOf(
  parts: LookParts,
  request: TraceRequest,
  { nodeZones, client }: TraceStart,
  { desired, cluster }: Observed,
  answers: readonly NodeAnswer[],
  foundBefore?: readonly FindingStatus[],
): Promise<ServiceTraceStatus> {
  const { judge, watches } = parts;
  const { walkFrom, problem } = client;
  const name = `${request.namespace}/${request.spec.serviceRef.name}`;
  const slices = parts.slices.since(name, request.previous);
  const observations =
    request.watch === undefined ? undefined : ruleObservations(answers, desired, watches, request.previous);
  const { shown } = conntrackOf(parts, request);
  const connections =
    request.watch === undefined || shown === 'None' ? undefined : watches.connections.records(name, shown);
  const extra = present({ foundBefore, slices, observations, connections });
  const built = await judge(statusInput(request, { desired, answers, nodeZones, walkFrom, cluster, ...extra }));
  return problem === undefined || answers.some(isWaitedFor)
    ? built
    : notReady(built, 'ClientNotFound', problem, new Date().toISOString());
}

/** Of the nodes that have answered. What is found for the first time is believed when it is found again. */
async function statusSoFar(
  parts: LookParts,
  request: TraceRequest,
  start: TraceStart,
  observed: Observed,
  answers: ReadonlyMap<string, NodeAnswer>,
): Promise<ServiceTraceStatus> {
  const { previous } = request;
  return statusOf(parts, request, start, observed, asBefore([...answers.values()], previous), previous?.findings ?? []);
}

function hasReport(answers: ReadonlyMap<string, NodeAnswer>): boolean {
  return [...answers.values()].some((answer) => 'report' in answer);
}

function progressOf(
  { generation, previous }: TraceRequest,
  desired: DesiredService,
  answers: ReadonlyMap<string, NodeAnswer>,
): ServiceTraceStatus {
  return progressStatus({
    generation,
    previous,
    now: new Date().toISOString(),
    desired,
    answers: [...answers.values()],
  });
}
