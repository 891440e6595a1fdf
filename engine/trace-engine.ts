/** One collection of one trace, from the API server and the nodes to a status. The operator and --standalone run it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoreV1Api, DiscoveryV1Api, NetworkingV1Api, type KubeConfig } from '@kubernetes/client-node';
import { countOf, type CountOrPercent } from '../core/lib/count-or-percent.ts';
import { present } from '../core/lib/present.ts';
import type { ConntrackDetail } from '../core/status/conntrack-limit.ts';
import { unconfirmed } from '../core/status/second-look.ts';
import type { FindingStatus, ServiceTraceStatus } from '../core/api/service-trace.ts';
import type { SliceChange } from '../core/convergence/slice-changes.ts';
import type { NodeAnswer } from '../core/wire/node-report.ts';
import { addressHolders } from './address-holders.ts';
import { cachedByKey } from './cached.ts';
import { captureOnNodes, type CaptureEnd, type EngineCaptureRequest } from './capture-on-nodes.ts';
import type { ClusterCache } from './cluster-cache.ts';
import type { EngineObserver, ProbeCounts } from './engine-observer.ts';
import { serviceKeyOf, type KeptSlice } from './kept-objects.ts';
import { noLog, type Log } from './log.ts';
import { LastResults } from './last-results.ts';
import { look, type Look, type LookParts } from './look.ts';
import { NodeProbes } from './node-probes.ts';
import { NodeWatches } from './node-watches.ts';
import { clusterObserver } from './observe-cluster.ts';
import { judgeHere, type Judge } from './status-thread.ts';
import { reuseConnections } from './reuse-connections.ts';
import { SliceLog } from './slice-log.ts';
import type { TraceRequest, TraceResult } from './trace-request.ts';

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
  /** Probes that are started at the same time: so many, or so many per cent of the cluster's nodes; default: without bound. */
  readonly maxStartingProbes?: CountOrPercent;
  /** Probes that there are at the same time; default: without bound. */
  readonly maxProbes?: number;
  /** How long to wait before what a moment can have caused is looked for again; default 2000. */
  readonly againMilliseconds?: number;
  /** Distinguishes these probes from others in the same namespace; default operator. */
  readonly instance?: string;
  readonly log?: Log;
  readonly observer?: EngineObserver;
  /** How long `close` waits for the probes' end; default 5 s. */
  readonly endTimeoutMilliseconds?: number;
  /** Works statuses out; default: in this thread. */
  readonly judge?: Judge;
  /** Objects that are watched, and not read for each collection; default: all are read. */
  readonly cache?: ClusterCache;
}

export interface TraceEngine {
  /** @throws ApiException of the client where the API server refuses to be read */
  trace(request: TraceRequest): Promise<TraceResult>;
  /** Captures packets on the chosen nodes (all where no name is given). @throws ApiException */
  capture(request: EngineCaptureRequest): Promise<readonly CaptureEnd[]>;
  /**
   * What a watch delivered just now, of any Service: changes in between two collections are not missed then.
   * @param notBefore where the watch was cut before, the last time that it was known to be complete: milliseconds since 1970
   * @returns whether it changes what rules are made from, of a Service that was traced already
   */
  sawEndpointSlice(slice: KeptSlice, isGone: boolean, notBefore?: number): boolean;
  /** The last change of a Service's EndpointSlices that the status was not made from. */
  changeAfter(namespace: string, name: string, status: ServiceTraceStatus): SliceChange | undefined;
  /** From now on, calls with `namespace/name` when rules of a watched Service have changed on some node. */
  onRuleChange(listener: (service: string) => void): void;
  /** From now on, deletes probes that earlier processes left, and those that nobody needs, until they are gone. */
  keepClean(): void;
  /** What there is of probes right now. */
  probeCounts(): ProbeCounts;
  /** Ends the probes that nobody asks right now. */
  release(): Promise<void>;
  /** Ends all probes that this engine started, and waits for their end. */
  close(): Promise<void>;
}

/** Lists of nodes are long, and nodes come and go seldom. */
const nodesFreshMilliseconds = 5000;
/** After this time, a lost packet is not lost again, kube-proxy and the controllers have followed a change, and what is deleted is gone. */
const usualAgainMilliseconds = 2000;
/** What one look alone found is not reported; where each look finds something else, that waits for the next collection. */
const maxLooks = 3;

/** @param makeProbes replaced by tests */
export function createTraceEngine(
  options: TraceEngineOptions,
  makeProbes: (
    ...args: ConstructorParameters<typeof NodeProbes>
  ) => Pick<NodeProbes, 'ask' | 'watch' | 'capture' | 'counts' | 'keepClean' | 'release' | 'close'> = (...args) =>
    new NodeProbes(...args),
): TraceEngine {
  const { kubeConfig } = options;
  reuseConnections(kubeConfig);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const discovery = kubeConfig.makeApiClient(DiscoveryV1Api);
  const networking = kubeConfig.makeApiClient(NetworkingV1Api);
  const starting = options.maxStartingProbes;
  /** Of the whole cluster, as they were listed last. */
  let nodeCount = 0;
  const nodeCache = cachedByKey(nodesFreshMilliseconds, async () => {
    const { items } = await core.listNode({ resourceVersion: '0' });
    return items;
  });
  const probes = makeProbes(kubeConfig, {
    namespace: options.probeNamespace,
    image: options.probeImage,
    privileged: options.privileged ?? false,
    instance: options.instance ?? 'operator',
    idleSeconds: options.probeIdleSeconds ?? 60,
    maxConcurrent: options.maxConcurrentNodes ?? 32,
    log: options.log ?? noLog,
    ...present({
      observer: options.observer,
      maxProbes: options.maxProbes,
      maxStarting: starting === undefined ? undefined : () => countOf(starting, nodeCount),
      owner: options.owner,
      endTimeoutMilliseconds: options.endTimeoutMilliseconds,
    }),
  });
  const listeners = new Set<(service: string) => void>();
  const parts: LookParts = {
    readers: {
      core,
      discovery,
      observer: clusterObserver({ core, discovery, networking }),
      holders: addressHolders(core),
      listNodes: async (lister) => {
        const nodes = lister?.nodes() ?? (await nodeCache(''));
        nodeCount = nodes.length;
        return nodes;
      },
    },
    probes,
    ...present({ cache: options.cache }),
    judge: options.judge ?? judgeHere,
    conntrackLimit: options.conntrackLimit ?? 'Entries',
    seen: new Map(),
    slices: new SliceLog(),
    collections: new Map(),
    watches: new NodeWatches(probes, (service) => {
      for (const listener of listeners) listener(service);
    }),
  };
  const lastResults = new LastResults(parts.watches);
  return {
    trace: async (request) => {
      const begun = Date.now();
      const kept = lastResults.withNewRules(request);
      const again = options.againMilliseconds ?? usualAgainMilliseconds;
      const result = await lookUntilConfirmed(parts, request, again, kept);
      lastResults.add(request, result, begun, kept !== undefined);
      return result;
    },
    onRuleChange: (listener) => {
      listeners.add(listener);
    },
    capture: async (request) => captureOnNodes(probes, await parts.readers.listNodes(), request),
    sawEndpointSlice: (slice, isGone, notBefore) => {
      const isChange = parts.slices.saw(slice, isGone, Date.now(), notBefore);
      // Without waiting for the collection that follows: kube-proxy does not wait for it either.
      if (isChange) parts.watches.hurry(serviceKeyOf(slice));
      return isChange;
    },
    changeAfter: (namespace, name, status) => parts.slices.lastAfter(`${namespace}/${name}`, status),
    keepClean: () => {
      probes.keepClean();
    },
    probeCounts: () => probes.counts(),
    release: () => {
      parts.watches.close();
      lastResults.clear();
      return probes.release();
    },
    close: () => {
      parts.watches.close();
      return probes.close();
    },
  };
}

/** Looks again where a moment can have caused what the last look found, so many times at most. */
async function lookUntilConfirmed(
  parts: LookParts,
  request: TraceRequest,
  againMilliseconds: number,
  kept: ReadonlyMap<string, NodeAnswer> | undefined,
): Promise<TraceResult> {
  const quiet = withoutCallbacks(request);
  // What is found in what a watch reported is believed when the API server itself says so.
  const asking = withoutCache(parts);
  const found = [...(request.previous?.findings ?? [])];
  let last = await look(parts, request, kept);
  for (let count = 1; ; count += 1) {
    const all = last.result.status.findings ?? [];
    const doubted = unconfirmed(all, found);
    if (doubted.length === 0 || request.signal?.aborted === true) return last.result;
    if (count === maxLooks) return { ...last.result, status: await last.believing(found) };
    found.push(...all);
    await sleep(againMilliseconds, undefined, present({ signal: request.signal })).catch(() => undefined);
    last = await look(asking, quiet, undoubted(last, doubted));
  }
}

/** Answers of nodes of which nothing is doubted: they need not be asked again. */
function undoubted({ result }: Look, doubted: readonly FindingStatus[]): Map<string, NodeAnswer> {
  const asked = new Set(doubted.flatMap(({ node }) => node ?? []));
  const isOfAll = doubted.some(
    ({ node, where }) => node === undefined && !/^(?:service|endpointslice|endpoints)\//.test(where),
  );
  return new Map(
    result.answers.filter(({ node }) => !isOfAll && !asked.has(node)).map((answer) => [answer.node, answer]),
  );
}

function withoutCache({ cache: _cache, ...parts }: LookParts): LookParts {
  return parts;
}

/** A second look is not seen by anybody before its end. */
function withoutCallbacks({ onProgress: _onProgress, onHeldUp: _onHeldUp, ...quiet }: TraceRequest): TraceRequest {
  return quiet;
}
