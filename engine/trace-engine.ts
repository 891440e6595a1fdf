/** One collection of one trace, from the API server and the nodes to a status. The operator and --standalone run it. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CoreV1Api,
  DiscoveryV1Api,
  NetworkingV1Api,
  type KubeConfig,
  type V1EndpointSlice,
  type V1Pod,
  type V1Service,
} from '@kubernetes/client-node';
import { boundCondition } from '../core/status/bound.ts';
import type { CaptureRequest } from '../core/capture/request.ts';
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import { unconfirmed } from '../core/status/second-look.ts';
import { limitedDetail, withoutClients, type ConntrackDetail } from '../core/status/conntrack-limit.ts';
import { defaultClusterDomain, expectedAnswers, healthQuestion } from '../core/dns/names.ts';
import { isAddressAsked, ownExternalAddresses } from '../core/api/external-addresses.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import { present } from '../core/lib/present.ts';
import { progressStatus } from '../core/status/progress.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { FindingStatus, FromSpec, ServiceTraceSpec, ServiceTraceStatus } from '../core/api/service-trace.ts';
import type { StatusInput } from '../core/status/input.ts';
import { addressHolders } from './address-holders.ts';
import { statusCodeOf } from './api-error.ts';
import { cachedByKey } from './cached.ts';
import { connectFromNodes } from './connect-from-nodes.ts';
import { dispatchReading } from './dispatch-reading.ts';
import { NodeProbes } from './node-probes.ts';
import { clusterObserver, type ClusterObserver } from './observe-cluster.ts';
import { desiredServiceOf, selectNodes, type TracedNode } from './observe.ts';
import { judgeHere, type Judge } from './status-thread.ts';
import { nearNames } from '../core/lib/near-names.ts';

export interface TraceEngineOptions {
  readonly kubeConfig: KubeConfig;
  readonly probeNamespace: string;
  readonly probeImage: string;
  /** Default false: the capabilities of docs/privilege.md alone. */
  readonly privileged?: boolean;
  /** The operator's own pod, so that its probes go with it. */
  readonly owner?: { readonly name: string; readonly uid: string };
  /** The most that a trace may show of conntrack; default Entries. */
  readonly conntrackLimit?: ConntrackDetail;
  /** Default 60. */
  readonly probeIdleSeconds?: number;
  /** Nodes that are asked at the same time; default 32. */
  readonly maxConcurrentNodes?: number;
  /** How long to wait before what a moment can have caused is looked for again; default 2000. */
  readonly againMilliseconds?: number;
  /** Tells these probes from others in the same namespace; default operator. */
  readonly instance?: string;
  readonly log?: (message: string) => void;
  /** How long `close` waits for the probes' end; default 5 s. */
  readonly endTimeoutMilliseconds?: number;
  /** Works statuses out; default: in this thread. */
  readonly judge?: Judge;
}

export interface TraceRequest {
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly generation?: number;
  readonly previous?: ServiceTraceStatus;
  /**
   * Called when a node begins to wait for something or answers, but not more often than a few times a second.
   * @param now the progress at the time of its call: it costs nothing where nobody calls it
   */
  readonly onProgress?: (now: () => ServiceTraceStatus) => void;
  /**
   * Called once, when all nodes that are still waited for take long.
   * @param soFar the result of the others; undefined where no node has answered
   */
  readonly onHeldUp?: (soFar: () => Promise<ServiceTraceStatus | undefined>) => void;
  readonly signal?: AbortSignal;
}

export interface TraceResult {
  readonly status: ServiceTraceStatus;
  /** Undefined where the Service is not there. */
  readonly desired: DesiredService | undefined;
  readonly answers: readonly NodeAnswer[];
  /** Undefined where the Service is not there. */
  readonly cluster: ClusterFacts | undefined;
  /** Zone by node name. */
  readonly nodeZones: Readonly<Record<string, string>>;
  /** Where the client of spec.from is; empty where there is none. */
  readonly walkFrom: NonNullable<StatusInput['walkFrom']>;
}

export interface TraceEngine {
  /** @throws ApiException of the client where the API server refuses to be read */
  trace(request: TraceRequest): Promise<TraceResult>;
  /** Captures packets on the chosen nodes (all where no name is given). @throws ApiException */
  capture(request: EngineCaptureRequest): Promise<readonly CaptureEnd[]>;
  /** From now on, deletes probes that earlier processes left, and those that nobody needs, until they are gone. */
  keepClean(): void;
  /** Ends the probes that nobody asks right now. */
  release(): Promise<void>;
  /** Ends all probes that this engine started, and waits for their end. */
  close(): Promise<void>;
}

export interface EngineCaptureRequest {
  readonly nodes: readonly string[];
  /** A choice of more nodes than this is refused. */
  readonly maxNodes: number;
  /** What each node is asked for; bytes are shared among the nodes. */
  readonly capture: Omit<CaptureRequest, 'node' | 'version'>;
  readonly onWaiting: (node: string, message: string) => void;
  readonly onLine: (node: string, line: string) => void;
  readonly signal?: AbortSignal;
}

/** How the capture of one node ended. */
export interface CaptureEnd {
  readonly node: string;
  /** Why it gave nothing, or not all; undefined where it came to its end. */
  readonly problem?: string;
}

/** Thrown where the nodes of a capture are not there, or too many. */
export class NodeChoiceError extends Error {
  override readonly name = 'NodeChoiceError';
}

/** Listed by a probe for one Service at most, so that a status stays within its bounds. */
const maxConntrackEntries = 200;

/** A trace's progress is told at most this often. */
const progressMilliseconds = 250;
/** Lists of nodes are long, and nodes come and go seldom. */
const nodesFreshMilliseconds = 5000;
/** After this time, a lost packet is not lost again, kube-proxy and the controllers have followed a change, and what is deleted is gone. */
const usualAgainMilliseconds = 2000;
/** What one look alone found is not told; where each look finds something else, that waits for the next collection. */
const maxLooks = 3;
/** EndpointSlices that were read this long before the last node answered are read again. */
const slicesFreshMilliseconds = 1000;

/** @param makeProbes replaced by tests */
export function createTraceEngine(
  options: TraceEngineOptions,
  makeProbes: (
    ...args: ConstructorParameters<typeof NodeProbes>
  ) => Pick<NodeProbes, 'ask' | 'capture' | 'keepClean' | 'release' | 'close'> = (...args) => new NodeProbes(...args),
): TraceEngine {
  const { kubeConfig, judge = judgeHere } = options;
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const discovery = kubeConfig.makeApiClient(DiscoveryV1Api);
  const networking = kubeConfig.makeApiClient(NetworkingV1Api);
  const observer = clusterObserver({ core, discovery, networking });
  const holders = addressHolders(core);
  const { conntrackLimit = 'Entries' } = options;
  const bounded = (answer: NodeAnswer): NodeAnswer =>
    'report' in answer && conntrackLimit !== 'Entries' ? { ...answer, report: withoutClients(answer.report) } : answer;
  const probes = makeProbes(kubeConfig, {
    namespace: options.probeNamespace,
    image: options.probeImage,
    privileged: options.privileged ?? false,
    instance: options.instance ?? 'operator',
    idleSeconds: options.probeIdleSeconds ?? 60,
    maxConcurrent: options.maxConcurrentNodes ?? 32,
    log: options.log ?? (() => undefined),
    ...present({ owner: options.owner, endTimeoutMilliseconds: options.endTimeoutMilliseconds }),
  });

  const nodeCache = cachedByKey(
    nodesFreshMilliseconds,
    async () => (await core.listNode({ resourceVersion: '0' })).items,
  );

  /** What the Services were at their last collection, by `namespace/name`. */
  const seen: SeenServices = new Map();
  /** How often the nodes were asked for a Service, by `namespace/name`. */
  const collections = new Map<string, number>();

  const capture = async ({
    nodes: names,
    maxNodes,
    capture: asked,
    onWaiting,
    onLine,
    signal,
  }: EngineCaptureRequest): Promise<CaptureEnd[]> => {
    const { nodes, unknown } = selectNodes(await nodeCache(''), names.length === 0 ? undefined : { names: [...names] });
    if (unknown.length > 0)
      throw new NodeChoiceError(`the cluster has no Linux node ${unknown.join(', ')}; kubectl get nodes lists them`);
    if (nodes.length > maxNodes)
      throw new NodeChoiceError(
        `${String(nodes.length)} nodes are more than ${String(maxNodes)}; choose some of them with --node`,
      );
    const maxBytes = Math.max(1, Math.floor(asked.maxBytes / nodes.length));
    return Promise.all(
      nodes.map(async (node) => {
        const problem = await probes.capture(
          node,
          { ...asked, version: 1, node: node.name, maxBytes },
          {
            onWaiting: (_reason, message) => {
              onWaiting(node.name, message);
            },
            onLine: (line) => {
              onLine(node.name, line);
            },
            ...(signal === undefined ? {} : { signal }),
          },
        );
        return { node: node.name, ...(problem === undefined ? {} : { problem }) };
      }),
    );
  };

  /** @param kept answers of the look before, of nodes that are not asked again; absent at the first look */
  const look = async (request: TraceRequest, kept?: ReadonlyMap<string, NodeAnswer>): Promise<Look> => {
    const { namespace, spec } = request;
    const name = spec.serviceRef.name;
    const input = (observed: Pick<StatusInput, 'desired' | 'answers'> & Partial<StatusInput>): StatusInput => ({
      spec,
      generation: request.generation,
      previous: request.previous,
      now: new Date().toISOString(),
      ...observed,
    });
    const service = await orUndefined(core.readNamespacedService({ namespace, name }));
    if (service === undefined) {
      seen.delete(`${namespace}/${name}`);
      const { items } = await core.listNamespacedService({ namespace });
      const similarServices = nearNames(
        name,
        items.flatMap(({ metadata }) => metadata?.name ?? []),
      );
      const status = await judge(input({ desired: undefined, answers: [], similarServices }));
      return {
        result: { status, desired: undefined, answers: [], cluster: undefined, nodeZones: {}, walkFrom: [] },
        believing: () => Promise.resolve(status),
      };
    }
    const askedDetail = spec.collect?.conntrack ?? 'Summary';
    const conntrack = limitedDetail(askedDetail, conntrackLimit);
    const readSlices = async (): Promise<readonly V1EndpointSlice[]> =>
      (await discovery.listNamespacedEndpointSlice({ namespace, labelSelector: `kubernetes.io/service-name=${name}` }))
        .items;
    const readAt = Date.now();
    const [firstRead, nodeList, dns] = await Promise.all([
      readSlices(),
      nodeCache(''),
      spec.collect?.dns === false ? undefined : clusterDns(observer),
    ]);
    const whose = await holders.classify(desiredServiceOf(service, firstRead), nodeList);
    const desiredOf = (slices: readonly V1EndpointSlice[]): DesiredService => ({
      ...desiredServiceOf(service, slices),
      externalAddresses: whose.addresses,
    });
    let desired = desiredOf(firstRead);
    const { nodes, unknown } = selectNodes(nodeList, spec.nodes);
    const allNodes = selectNodes(nodeList, undefined).nodes;
    const client = await clientOf(core, namespace, spec.from, nodes, allNodes);
    const nodeZones = Object.fromEntries(
      allNodes.flatMap((node) => (node.zone === undefined ? [] : [[node.name, node.zone] as const])),
    );
    const answers = new Map<string, NodeAnswer>([
      ...unknown.map((node): [string, NodeAnswer] => [
        node,
        {
          node,
          state: 'Failed',
          reason: 'NoSuchNode',
          message: 'the cluster has no Linux node of this name; kubectl get nodes lists them',
        },
      ]),
      ...nodes.map((node): [string, NodeAnswer] => [
        node.name,
        { node: node.name, state: 'Waiting', reason: 'Asking', message: 'its probe is being asked' },
      ]),
    ]);
    const status = async (
      cluster: ClusterFacts,
      foundBefore?: readonly FindingStatus[],
      all: readonly NodeAnswer[] = [...answers.values()],
    ): Promise<ServiceTraceStatus> => {
      const built = await judge(
        input({ desired, answers: all, nodeZones, walkFrom: client.walkFrom, cluster, ...present({ foundBefore }) }),
      );
      const isWaiting = all.some(isWaitedFor);
      return client.problem === undefined || isWaiting
        ? built
        : notReady(built, 'ClientNotFound', client.problem, new Date().toISOString());
    };
    const collected = collections.get(`${namespace}/${name}`) ?? 0;
    if (kept === undefined) collections.set(`${namespace}/${name}`, collected + 1);
    // What is looked for again has to quote the rules.
    const dispatch = kept === undefined ? dispatchReading(spec.mode, collected, request.previous) : 'Rules';
    const soFar = (): ServiceTraceStatus =>
      progressStatus({
        generation: request.generation,
        previous: request.previous,
        now: new Date().toISOString(),
        desired,
        answers: [...answers.values()],
      });
    const progress = atMostEvery(progressMilliseconds, () => request.onProgress?.(soFar));
    const slow = new Set<string>();
    let isHeldUp = false;
    const answered = (answer: NodeAnswer): void => {
      answers.set(answer.node, answer);
      progress.later();
      if (isHeldUp || request.onHeldUp === undefined) return;
      const waited = [...answers.values()].filter(isWaitedFor);
      isHeldUp = waited.length > 0 && waited.every(({ node }) => slow.has(node));
      if (!isHeldUp) return;
      request.onHeldUp(async () => {
        if (![...answers.values()].some((each) => 'report' in each)) return undefined;
        // What is found for the first time is believed when it is found again.
        return status(
          await observe(),
          request.previous?.findings ?? [],
          asBefore([...answers.values()], request.previous),
        );
      });
    };
    /** The cluster around the Service, and the Service as it is now. */
    const observe = async (refusal?: string): Promise<ClusterFacts> => {
      // While probes started, the endpoints may have changed: rules that are newer than the slices would look wrong.
      const isOld = Date.now() - readAt > slicesFreshMilliseconds && request.signal?.aborted !== true;
      const slices = isOld ? await readSlices() : firstRead;
      const facts = await observer.observe({ service, slices, nodes: nodeList, ...present({ client: client.pod }) });
      const changed = changedSlices(firstRead, slices);
      const noticedChange = notice(seen, service, slices);
      desired = {
        ...desiredOf(slices),
        ...(changed.length === 0 ? {} : { changedWhileCollecting: changed }),
        ...present({ noticedChange }),
      };
      return {
        ...facts,
        ...present({
          connectRefusal: refusal,
          conntrackLimit: conntrack === askedDetail ? undefined : { asked: askedDetail, shown: conntrack },
        }),
        unread: [...facts.unread, ...(whose.unread === undefined ? [] : [whose.unread])],
      };
    };
    try {
      await Promise.all(
        nodes.map(async (node) => {
          const onWaiting = (reason: string, message: string, isSlow = false): void => {
            if (isSlow) slow.add(node.name);
            answered({ node: node.name, state: 'Waiting', reason, message });
          };
          answered(
            kept?.get(node.name) ??
              bounded(
                await probes.ask(
                  node,
                  probeRequest(node, desired, spec, { dns, dispatch, conntrack }),
                  onWaiting,
                  request.signal,
                ),
              ),
          );
        }),
      );
    } finally {
      progress.stop();
    }
    const connect = spec.collect?.connect ?? 'None';
    const refusal =
      connect === 'None' || request.signal?.aborted === true
        ? undefined
        : await connectFromNodes(
            {
              core,
              http: connect === 'HTTP',
              readDesired: async () => {
                const [again, slicesAgain] = await Promise.all([
                  orUndefined(core.readNamespacedService({ namespace, name })),
                  readSlices(),
                ]);
                if (again === undefined) return undefined;
                const anew = desiredServiceOf(again, slicesAgain);
                return { ...anew, externalAddresses: (await holders.classify(anew, nodeList)).addresses };
              },
              serviceOf: probeRequestService,
              ask: (node, asked) => probes.ask(node, asked, () => undefined, request.signal),
            },
            nodes.filter((node) => kept?.has(node.name) !== true),
            answers,
          );
    const cluster = await observe(refusal);
    return {
      result: {
        status: await status(cluster),
        desired,
        answers: [...answers.values()],
        cluster,
        nodeZones,
        walkFrom: client.walkFrom,
      },
      believing: (found) => status(cluster, found),
    };
  };

  const trace = async (request: TraceRequest): Promise<TraceResult> => {
    const quiet = withoutCallbacks(request);
    const found = [...(request.previous?.findings ?? [])];
    let last = await look(request);
    for (let count = 1; ; count += 1) {
      const all = last.result.status.findings ?? [];
      const doubted = unconfirmed(all, found);
      if (doubted.length === 0 || request.signal?.aborted === true) return last.result;
      if (count === maxLooks) return { ...last.result, status: await last.believing(found) };
      found.push(...all);
      await sleep(
        options.againMilliseconds ?? usualAgainMilliseconds,
        undefined,
        request.signal === undefined ? {} : { signal: request.signal },
      ).catch(() => undefined);
      // Nodes of which nothing is doubted need not be asked again.
      const asked = new Set(doubted.flatMap(({ node }) => node ?? []));
      const isOfAll = doubted.some(
        ({ node, where }) => node === undefined && !/^(?:service|endpointslice|endpoints)\//.test(where),
      );
      const kept = new Map(
        last.result.answers.filter(({ node }) => !isOfAll && !asked.has(node)).map((answer) => [answer.node, answer]),
      );
      last = await look(quiet, kept);
    }
  };

  return {
    trace,
    capture,
    keepClean: () => {
      probes.keepClean();
    },
    release: () => probes.release(),
    close: () => probes.close(),
  };
}

/** A second look is not seen by anybody before its end. */
function withoutCallbacks({ onProgress: _onProgress, onHeldUp: _onHeldUp, ...quiet }: TraceRequest): TraceRequest {
  return quiet;
}

function isWaitedFor(answer: NodeAnswer): boolean {
  return 'state' in answer && answer.state === 'Waiting';
}

/** A node that is waited for, and did not answer the last time, has not answered until now. */
function asBefore(answers: readonly NodeAnswer[], previous: ServiceTraceStatus | undefined): NodeAnswer[] {
  const failed = new Map(
    (previous?.nodes ?? []).flatMap(({ name, probe }) => (probe.state === 'Failed' ? [[name, probe] as const] : [])),
  );
  return answers.map((answer) => {
    const before = isWaitedFor(answer) ? failed.get(answer.node) : undefined;
    return before === undefined
      ? answer
      : {
          node: answer.node,
          state: 'Failed',
          reason: before.reason ?? 'NodeSlow',
          message: before.message ?? 'it has not answered',
        };
  });
}

/** One look at the Service and its nodes. */
interface Look {
  /** With everything that it found. */
  readonly result: TraceResult;
  /** The status without what may be a moment's, and was not found before. */
  readonly believing: (foundBefore: readonly FindingStatus[]) => Promise<ServiceTraceStatus>;
}

type SeenServices = Map<
  string,
  {
    readonly uid: string | undefined;
    readonly service: string;
    readonly written: string | undefined;
    readonly slices: readonly string[];
    readonly noticed: string | undefined;
  }
>;

/**
 * When a change was first seen that has no time of its own: an EndpointSlice that is gone, or a field that nobody owns any
 * more. A Service that was made again says itself when, and the slices of the one before went with that.
 */
function notice(seen: SeenServices, service: V1Service, slices: readonly V1EndpointSlice[]): string | undefined {
  const { namespace, name, service: status, serviceChange: written } = desiredServiceOf(service, []);
  const before = seen.get(`${namespace}/${name}`);
  const now = {
    uid: service.metadata?.uid,
    service: JSON.stringify(status),
    written,
    slices: slices.map(({ metadata }) => metadata?.name ?? ''),
  };
  const isSame = before !== undefined && before.uid === now.uid;
  const isChanged =
    isSame &&
    ((before.service !== now.service && before.written === written) ||
      before.slices.some((slice) => !now.slices.includes(slice)));
  const noticed = isChanged ? new Date().toISOString() : isSame ? before.noticed : undefined;
  seen.set(`${namespace}/${name}`, { ...now, noticed });
  return noticed;
}

/** Names of the slices that were made, changed or deleted between two readings. */
function changedSlices(before: readonly V1EndpointSlice[], after: readonly V1EndpointSlice[]): string[] {
  const versions = (slices: readonly V1EndpointSlice[]): Map<string, string | undefined> =>
    new Map(slices.map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion]));
  const [old, now] = [versions(before), versions(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((name) => !old.has(name) || !now.has(name) || old.get(name) !== now.get(name))
    .sort();
}

/** The status with Ready False for a reason that lies outside of the nodes. */
export function notReady(status: ServiceTraceStatus, reason: string, message: string, now: string): ServiceTraceStatus {
  const before = status.conditions?.find(({ type }) => type === 'Ready');
  const others = (status.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const lastTransitionTime = before?.status === 'False' ? before.lastTransitionTime : now;
  const observedGeneration =
    status.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration };
  return {
    ...status,
    conditions: [
      boundCondition({ type: 'Ready', status: 'False', reason, message, lastTransitionTime, ...observedGeneration }),
      ...others,
    ],
  };
}

/** A Service with its EndpointSlices as they are now; undefined where it is not there. */
export async function readDesiredService(
  kubeConfig: KubeConfig,
  namespace: string,
  name: string,
): Promise<DesiredService | undefined> {
  const service = await orUndefined(kubeConfig.makeApiClient(CoreV1Api).readNamespacedService({ namespace, name }));
  if (service === undefined) return undefined;
  const { items } = await kubeConfig
    .makeApiClient(DiscoveryV1Api)
    .listNamespacedEndpointSlice({ namespace, labelSelector: `kubernetes.io/service-name=${name}` });
  return desiredServiceOf(service, items);
}

/** Calls after the pause, once for all the times that it was asked to in between. */
function atMostEvery(milliseconds: number, call: () => void): { later: () => void; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  return {
    later() {
      if (stopped) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        call();
      }, milliseconds);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function probeRequest(
  node: TracedNode,
  desired: DesiredService,
  spec: ServiceTraceSpec,
  {
    dns,
    dispatch,
    conntrack,
  }: { dns: DnsServers | undefined; dispatch: ReturnType<typeof dispatchReading>; conntrack: ConntrackDetail },
): ProbeRequest {
  return {
    version: 1,
    node: node.name,
    services: [probeRequestService(desired)],
    collect: {
      rules: spec.collect?.rules ?? true,
      dispatch,
      conntrack,
      kubeProxy: spec.collect?.kubeProxy ?? true,
      system: true,
      ...(dns === undefined || dns.clusterIPs.length === 0 ? {} : { dns: dnsRequest(desired, dns) }),
    },
    maxConntrackEntries,
  };
}

/**
 * What a probe is told of the Service. Of one that kube-proxy leaves out, neither the node ports nor the external addresses:
 * no rule of it says that what comes there is its own.
 */
export function probeRequestService(desired: DesiredService): ProbeRequest['services'][number] {
  const { service, namespace, name } = desired;
  const isProxied = service.notProxied === undefined;
  const asked = (addresses: readonly string[]): string[] =>
    isProxied ? addresses.filter((address) => isAddressAsked(desired, address)) : [];
  return {
    namespace,
    name,
    clusterIPs: service.clusterIPs,
    externalIPs: asked(service.externalIPs),
    loadBalancerIPs: asked(service.loadBalancerIPs),
    ownIPs: ownExternalAddresses(desired),
    ports: service.ports.map(({ name: portName, protocol, port, nodePort }) => ({
      ...(portName === undefined ? {} : { name: portName }),
      protocol,
      port,
      ...(nodePort === undefined || !isProxied ? {} : { nodePort }),
    })),
    ...(service.healthCheckNodePort === undefined || !isProxied
      ? {}
      : { healthCheckNodePort: service.healthCheckNodePort }),
  };
}

type DnsServers = Pick<NonNullable<ClusterFacts['dns']>, 'clusterIPs' | 'servers'>;

/** Undefined where there is none, or it may not be read: then DNS is not asked. Without its EndpointSlices, only the Service is. */
async function clusterDns(observer: ClusterObserver): Promise<DnsServers | undefined> {
  const unlessForbidden = async <Value>(read: Promise<Value>): Promise<Value | undefined> => {
    try {
      return await read;
    } catch (error) {
      if (statusCodeOf(error) === 403) return undefined;
      throw error;
    }
  };
  const dns = await unlessForbidden(observer.dns());
  if (dns !== undefined) return dns ?? undefined;
  const service = await unlessForbidden(observer.dnsService());
  return service === undefined || service === null
    ? undefined
    : { clusterIPs: (service.spec?.clusterIPs ?? []).filter((address) => address !== 'None') };
}

/** CoreDNS runs with two replicas, or with a few more; past so many, the first speak for the rest. */
const maxDnsEndpoints = 10;

function dnsRequest(
  desired: DesiredService,
  { clusterIPs, servers }: DnsServers,
): NonNullable<ProbeRequest['collect']['dns']> {
  const service = `${desired.namespace}/${desired.name}`;
  return {
    servers: clusterIPs.slice(0, 2),
    endpoints: (servers ?? [])
      .filter(({ ready }) => ready)
      .slice(0, maxDnsEndpoints)
      .map(({ address, port }) => ({ address, port })),
    health: healthQuestion(defaultClusterDomain),
    questions: expectedAnswers(desired, defaultClusterDomain).map(({ name, type }) => ({ service, name, type })),
  };
}

/** The client of spec.from: on which nodes its packets enter, and with which addresses. */
async function clientOf(
  core: CoreV1Api,
  namespace: string,
  from: FromSpec | undefined,
  nodes: readonly TracedNode[],
  allNodes: readonly TracedNode[],
): Promise<{ walkFrom: NonNullable<StatusInput['walkFrom']>; pod?: V1Pod; problem?: string }> {
  if (from?.pod !== undefined) {
    const pod = await orUndefined(core.readNamespacedPod({ namespace, name: from.pod }));
    if (pod === undefined)
      return { walkFrom: [], problem: `spec.from.pod: there is no pod ${from.pod} in namespace ${namespace}` };
    const node = pod.spec?.nodeName;
    const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
    if (node === undefined || addresses.length === 0)
      return {
        walkFrom: [],
        problem: `spec.from.pod: the pod ${from.pod} has no address yet; it is ${pod.status?.phase ?? 'Pending'}`,
      };
    return { walkFrom: addresses.map((address) => ({ node, address })), pod };
  }
  if (from?.node !== undefined) {
    const node = allNodes.find(({ name }) => name === from.node);
    if (node === undefined)
      return {
        walkFrom: [],
        problem: `spec.from.node: the cluster has no Linux node ${from.node}; kubectl get nodes lists them`,
      };
    return { walkFrom: node.internalIPs.map((address) => ({ node: node.name, address })) };
  }
  const { ip } = from ?? {};
  return { walkFrom: ip === undefined ? [] : nodes.map(({ name }) => ({ node: name, address: ip })) };
}

async function orUndefined<Value>(read: Promise<Value>): Promise<Value | undefined> {
  try {
    return await read;
  } catch (error) {
    if (statusCodeOf(error) === 404) return undefined;
    throw error;
  }
}
