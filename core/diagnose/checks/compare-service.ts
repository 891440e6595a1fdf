/**
 * Service, EndpointSlices, pods, each node's rules and conntrack, side by side: for every port and endpoint what each of
 * them says, and which of them contradict the others.
 */
import { isSameAddress, comparableAddress } from '../../net/address.ts';
import type { ClusterFacts, PodFacts } from '../../api/cluster-facts.ts';
import { nodeOutliers } from './compare-nodes.ts';
import { desiredTargetsByKey, targetKey, type DesiredTarget } from '../../api/desired-targets.ts';
import { isChanging } from './age.ts';
import { frontendDrifts, frontendText, isSyncing, scopeOf } from './frontend-drift.ts';
import { legacyComparison } from './legacy-endpoints.ts';
import { namesText } from './listed.ts';
import { limitsNodePorts } from './pod-addresses.ts';
import { missingPods, readyDifferences, staleEndpoints } from './pod-endpoints.ts';
import { serviceFlows, type ServiceFlow } from './service-flows.ts';
import { targetPortOf } from './target-port.ts';
import { isAddressChecked } from '../../api/external-addresses.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { plural } from '../../lib/plural.ts';
import { present } from '../../lib/present.ts';
import type { FrontendProgram } from '../../program/program.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf, type Protocol, type Family } from '../../net/family.ts';
import type {
  ComparisonRowStatus,
  ComparisonStatus,
  EndpointStatus,
  ServicePortStatus,
} from '../../api/service-trace.ts';

/** What is compared. */
export interface Compared {
  readonly desired: DesiredService;
  readonly nodes: readonly NodeFacts[];
  readonly cluster?: ClusterFacts;
  /** When it was collected, RFC 3339. */
  readonly now: string;
}

/** Of one port of the Service, in one family. */
export interface PortComparison {
  readonly family: Family;
  readonly portName?: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly rows: readonly ComparisonRow[];
}

/** One address and port that any of them names. */
export interface ComparisonRow {
  readonly address: string;
  readonly port: number;
  /** Of the EndpointSlices; absent where none has it. */
  readonly endpoint?: Pick<EndpointStatus, 'ready' | 'serving' | 'terminating'> & {
    readonly endpointSlice: string;
    readonly nodeName?: string;
  };
  /** Absent where no pod has the address, or pods were not read. */
  readonly pod?: {
    readonly name: string;
    readonly ready: boolean;
    readonly phase: string;
    readonly isDeleting: boolean;
    readonly selected: boolean;
  };
  /** Of each node that was asked, in the order of their names. */
  readonly nodes: readonly NodeComparison[];
  /** In words, what contradicts what; empty where all agree. */
  readonly disagreements: readonly string[];
}

export interface NodeComparison {
  readonly node: string;
  /** unknown: the rules were not read, or not understood. */
  readonly rules: 'present' | 'absent' | 'unknown';
  /** Of new connections to the frontend that sends the most there; absent where it is not known. */
  readonly share?: number;
  /** Whether the node should send packets there, by any frontend, under the traffic policies and topology hints. */
  readonly wanted: boolean;
  /** Conntrack entries whose replies come from there; absent where conntrack was not read. */
  readonly connections?: number;
}

/** All ports, in the order of the Service; a port's rows in the order of its EndpointSlices, then what only pods, rules or conntrack have. */
export function compareService(compared: Compared): PortComparison[] {
  return portsOf(compared).map(({ key, targets, disagreements, row }) => ({
    ...key,
    rows: targets.map((target) => row(target, disagreements(target))),
  }));
}

/** What a result says of it: where the sources disagree, and which nodes differ from their peers. */
export function comparisonOf(compared: Compared): ComparisonStatus {
  return { ...disagreeingRows(compared), outliers: nodeOutliers(compared.desired, compared.nodes, compared.cluster) };
}

/** The rows whose sources disagree, at most so many, and how many more there are: what a status has room for. */
export function disagreeingRows(
  compared: Compared,
  most = 50,
): { readonly rows: ComparisonRowStatus[]; readonly omitted: number } {
  const found = portsOf(compared).flatMap(({ key, targets, disagreements, row }) =>
    targets.flatMap((target) => {
      const words = disagreements(target);
      return words.length === 0 ? [] : [(): ComparisonRowStatus => statusOf(key, row(target, words))];
    }),
  );
  return { rows: found.slice(0, most).map((make) => make()), omitted: Math.max(0, found.length - most) };
}

function statusOf(
  { port: servicePort, ...key }: PortKey,
  { address, port, endpoint, pod, nodes, disagreements }: ComparisonRow,
): ComparisonRowStatus {
  const counted = nodes.flatMap(({ connections }) => connections ?? []);
  const withRules = (state: NodeComparison['rules']): number => nodes.filter(({ rules }) => rules === state).length;
  return {
    ...key,
    servicePort,
    address,
    port,
    ...present({ endpoint, pod }),
    nodes: { present: withRules('present'), absent: withRules('absent'), unknown: withRules('unknown') },
    ...(counted.length === 0 ? {} : { connections: counted.reduce((sum, each) => sum + each, 0) }),
    disagreements: [...disagreements],
  };
}

type PortKey = Omit<PortComparison, 'rows'>;

interface Target {
  readonly address: string;
  readonly port: number;
}

/** How one port is compared: nothing of it is worked out before it is asked for, but what all its targets share. */
interface PortReading {
  readonly key: PortKey;
  readonly targets: readonly Target[];
  readonly disagreements: (target: Target) => string[];
  readonly row: (target: Target, disagreements: readonly string[]) => ComparisonRow;
}

type Endpoint = Target & { readonly endpoint: EndpointStatus; readonly endpointSlice: string };

function portsOf(compared: Compared): PortReading[] {
  const { desired, nodes } = compared;
  const { service } = desired;
  if (service.notProxied !== undefined) return [];
  const families = [...new Set(service.clusterIPs.map(familyOf))];
  const pods = podSide(compared);
  const flows = new Map(nodes.map((facts) => [facts, serviceFlows(facts, desired)]));
  return service.ports.flatMap((port) => families.map((family) => readPort(port, family, compared, { pods, flows })));
}

interface Shared {
  readonly pods: PodSide;
  readonly flows: ReadonlyMap<NodeFacts, readonly ServiceFlow[]>;
}

function readPort(
  servicePort: ServicePortStatus,
  family: Family,
  { desired, nodes, cluster }: Compared,
  { pods, flows }: Shared,
): PortReading {
  const { name, protocol, port } = servicePort;
  const key: PortKey = { family, ...(name === undefined || name === '' ? {} : { portName: name }), protocol, port };
  const isOfPort = (frontend: FrontendProgram): boolean =>
    frontend.family === family && frontend.protocol === protocol && (frontend.portName ?? '') === (name ?? '');
  const endpoints = Map.groupBy(endpointsOf(desired, family, servicePort), targetKey);
  const sides = nodes.map((facts): NodeSide => {
    const frontends = (facts.read?.program.frontends ?? []).filter(isOfPort);
    const own = flows.get(facts)?.filter(({ frontend }) => isOfPort(frontend)) ?? [];
    const drifts = frontendDrifts(facts, desired);
    return {
      facts,
      isUnknown:
        frontends.length === 0 ||
        frontends.some(({ verdict, address }) => verdict === 'Unknown' && isAddressChecked(desired, address)),
      isSyncing: isSyncing(facts, desired, cluster),
      frontends: frontends.map((frontend) => {
        const wanted = desiredTargetsByKey(desired, frontend, scopeOf(facts, frontend));
        // Of a verdict that is not known there is none: nothing is there.
        const drift = drifts.find((each) => each.frontend === frontend);
        // Where kube-proxy serves node ports on other addresses alone, that this one has no rule says nothing.
        const isLimited =
          frontend.frontend === 'NodePort' && frontend.verdict === 'None' && limitsNodePorts(facts, cluster);
        return {
          frontend,
          wanted,
          lacking: isLimited ? [] : (drift?.missing.map(targetKey) ?? [...wanted.keys()]),
          // Rules may name a target twice.
          extra: [...new Map((drift?.stale ?? []).map((target) => [targetKey(target), target])).values()].map(
            ({ address, port: number }) => ({ address, port: number }),
          ),
        };
      }),
      flows: Map.groupBy(own, ({ group }) => targetKey({ address: group.replySource, port: group.replySourcePort })),
    };
  });
  const unlisted = pods.missing.flatMap(({ pod, addresses }) => {
    const target = targetPortOf(pod, servicePort);
    return target === undefined
      ? []
      : addresses.filter((address) => familyOf(address) === family).map((address) => ({ address, port: target }));
  });
  const known = [
    ...[...endpoints.values()].flatMap(([first]) => first ?? []),
    ...unlisted,
    ...sides.flatMap((side) => side.frontends.flatMap(({ extra }) => extra)),
    ...sides.flatMap((side) =>
      [...side.flows.values()].flatMap((own) =>
        own.filter(isDead).map(({ group }) => ({ address: group.replySource, port: group.replySourcePort })),
      ),
    ),
  ];
  const targets = [
    ...new Map(
      known.map(({ address, port: number }) => [targetKey({ address, port: number }), { address, port: number }]),
    ).values(),
  ];
  const differences = differencesOf(sides);
  const holding = sides.filter((side) => !side.isSyncing && [...side.flows.values()].some((own) => own.some(isDead)));
  const endpointOf = (target: Target): Endpoint | undefined => {
    const same = endpoints.get(targetKey(target));
    return same?.find(({ endpoint }) => endpoint.ready) ?? same?.[0];
  };
  return {
    key,
    targets,
    disagreements: (target) => [
      ...ofPods(target, endpointOf(target), pods),
      ...ofRules(differences.get(targetKey(target)) ?? []),
      ...ofConntrack(targetKey(target), holding),
    ],
    row: (target, disagreements) => rowOf(target, endpointOf(target), cluster, sides, disagreements),
  };
}

function endpointsOf(
  { endpointSlices }: DesiredService,
  family: Family,
  { name, protocol }: ServicePortStatus,
): Endpoint[] {
  return endpointSlices
    .filter(({ addressType }) => addressType === family)
    .flatMap((slice) => {
      const port = slice.ports.find(
        (each) => (each.name ?? '') === (name ?? '') && (each.protocol ?? 'TCP') === protocol,
      )?.port;
      return port === undefined
        ? []
        : slice.endpoints.flatMap((endpoint) =>
            endpoint.addresses.slice(0, 1).map((address) => ({ address, port, endpoint, endpointSlice: slice.name })),
          );
    });
}

interface NodeSide {
  readonly facts: NodeFacts;
  readonly isUnknown: boolean;
  readonly isSyncing: boolean;
  readonly frontends: readonly {
    readonly frontend: FrontendProgram;
    readonly wanted: ReadonlyMap<string, DesiredTarget>;
    /** Keys of what is wanted and not there. */
    readonly lacking: readonly string[];
    /** What is there and not wanted. */
    readonly extra: readonly Target[];
  }[];
  readonly flows: ReadonlyMap<string, readonly ServiceFlow[]>;
}

/** UDP that goes on to what does not serve, and TCP that is held open to what is in no EndpointSlice: other entries end by themselves. */
function isDead({ group, isServing, isKnown, isUnnatted }: ServiceFlow): boolean {
  if (isUnnatted) return false;
  return group.protocol === 'udp' ? !isServing : group.protocol === 'tcp' && group.state === 'ESTABLISHED' && !isKnown;
}

/** What one node's rules do differently from what they should with one target. */
interface Difference {
  readonly node: string;
  readonly should: boolean;
  /** The frontends of which it is so; empty: all that lead there, or should. */
  readonly of: readonly FrontendProgram[];
}

/** By target; none of nodes whose rules are not known, or may rightly be older. */
function differencesOf(sides: readonly NodeSide[]): ReadonlyMap<string, readonly Difference[]> {
  const all = new Map<string, Difference[]>();
  for (const {
    facts: { node },
    frontends,
    isUnknown,
    isSyncing: isWriting,
  } of sides) {
    if (isUnknown || isWriting) continue;
    for (const should of [true, false]) {
      const found = frontends.flatMap(({ frontend, lacking, extra }) =>
        (should ? lacking : extra.map(targetKey)).map((key) => ({ key, frontend })),
      );
      for (const [key, each] of Map.groupBy(found, (one) => one.key)) {
        const leading = frontends.filter(({ frontend, wanted }) =>
          should ? wanted.has(key) : frontend.dnatTargets.some((target) => targetKey(target) === key),
        );
        const difference = {
          node,
          should,
          of: each.length === leading.length ? [] : each.map(({ frontend }) => frontend),
        };
        const known = all.get(key);
        if (known === undefined) all.set(key, [difference]);
        else known.push(difference);
      }
    }
  }
  return all;
}

function ofRules(differences: readonly Difference[]): string[] {
  const described = differences.map(({ node, should, of }) => ({
    node,
    should,
    what: of.length === 0 ? 'packets' : `packets of ${namesText(of.map(frontendText))}`,
  }));
  return [...Map.groupBy(described, ({ should, what }) => `${String(should)} ${what}`).values()].flatMap((alike) => {
    const [first] = alike;
    if (first === undefined) return [];
    const names = namesText(alike.map(({ node }) => node));
    const isOne = alike.length === 1;
    return [
      first.should
        ? `${names} should send ${first.what} there, and ${isOne ? 'does' : 'do'} not`
        : `${names} ${isOne ? 'sends' : 'send'} ${first.what} there, and should not`,
    ];
  });
}

/** @param holding those nodes that have such entries, and whose entries may not rightly be older */
function ofConntrack(key: string, holding: readonly NodeSide[]): string[] {
  const sentences = holding
    .filter((side) => side.flows.has(key))
    .flatMap(({ facts: { node }, flows }) => {
      const dead = (flows.get(key) ?? []).filter(isDead);
      const count = dead.reduce((sum, { group }) => sum + group.entries, 0);
      return count === 0
        ? []
        : [
            `conntrack of ${node} still sends ${String(count)} ${dead.every(({ group }) => group.protocol === 'udp') ? 'UDP' : 'TCP'} ${count === 1 ? 'connection' : 'connections'} there`,
          ];
    });
  return [
    ...sentences.slice(0, 3),
    ...(sentences.length > 3 ? [`and conntrack of ${plural(sentences.length - 3, 'other node')}`] : []),
  ];
}

/** What pods, EndpointSlices and the legacy Endpoints object say of each other, with the guards of the findings that are made of it. */
interface PodSide {
  readonly missing: ReturnType<typeof missingPods>;
  /** By address; what is wrong with the endpoint of it, in words. */
  readonly ofEndpoint: ReadonlyMap<string, readonly string[]>;
}

function podSide({ desired, cluster, now }: Compared): PodSide {
  if (cluster === undefined || isChanging(desired, now)) return { missing: [], ofEndpoint: new Map() };
  const stale = staleEndpoints(desired, cluster).map(({ endpoint, why }) => ({
    endpoint,
    words: `an EndpointSlice has it for pod ${endpoint.targetRef?.name ?? ''}, ${why}`,
  }));
  const differing = readyDifferences(desired, cluster, now).map(({ endpoint, pod }) => ({
    endpoint,
    words: `its endpoint is ${endpoint.ready ? 'ready' : 'not ready'}, and pod ${pod.name} is ${pod.ready ? 'ready' : 'not'}`,
  }));
  const legacy = legacyComparison(desired, cluster);
  const unlisted =
    legacy === undefined || legacy.isTruncated
      ? []
      : [...legacy.slices]
          .filter((address) => !legacy.legacy.has(address))
          .map((address) => ({ address, words: 'the legacy Endpoints object does not have it' }));
  const all = [
    ...[...stale, ...differing].flatMap(({ endpoint: { addresses }, words }) =>
      addresses.slice(0, 1).map((address) => ({ address, words })),
    ),
    ...unlisted,
  ];
  return {
    missing: missingPods(desired, cluster, now),
    ofEndpoint: new Map(
      [...Map.groupBy(all, ({ address }) => comparableAddress(address))].map(([address, each]) => [
        address,
        each.map(({ words }) => words),
      ]),
    ),
  };
}

function ofPods(
  { address }: Target,
  endpoint: Endpoint | undefined,
  { missing, ofEndpoint }: PodSide,
): readonly string[] {
  if (endpoint !== undefined) return ofEndpoint.get(comparableAddress(address)) ?? [];
  const pod = missing.find(({ addresses }) => addresses.some((each) => isSameAddress(each, address)))?.pod;
  return [
    pod === undefined
      ? 'no EndpointSlice has it'
      : `the selector matches pod ${pod.name}, which is ready, and no EndpointSlice has it`,
  ];
}

function rowOf(
  target: Target,
  found: Endpoint | undefined,
  cluster: ClusterFacts | undefined,
  sides: readonly NodeSide[],
  disagreements: readonly string[],
): ComparisonRow {
  const pod = podOf(target, found, cluster?.pods ?? []);
  return {
    ...target,
    ...(found === undefined
      ? {}
      : {
          endpoint: {
            ready: found.endpoint.ready,
            serving: found.endpoint.serving,
            terminating: found.endpoint.terminating,
            endpointSlice: found.endpointSlice,
            ...present({ nodeName: found.endpoint.nodeName }),
          },
        }),
    ...(pod === undefined
      ? {}
      : {
          pod: {
            name: pod.name,
            ready: pod.ready,
            phase: pod.phase,
            isDeleting: pod.deletionTimestamp !== undefined,
            selected: pod.selected,
          },
        }),
    nodes: sides.map((side) => nodeComparison(targetKey(target), side)),
    disagreements,
  };
}

/** Pods of the host network share an address: the endpoint's own comes first, then one that the selector matches. */
function podOf({ address }: Target, found: Endpoint | undefined, pods: readonly PodFacts[]): PodFacts | undefined {
  const same = pods.filter(({ addresses }) => addresses.some((each) => isSameAddress(each, address)));
  return (
    same.find(({ uid }) => uid === found?.endpoint.targetRef?.uid) ?? same.find(({ selected }) => selected) ?? same[0]
  );
}

function nodeComparison(key: string, { facts, isUnknown, frontends, flows }: NodeSide): NodeComparison {
  const found = frontends.flatMap(({ frontend }) => frontend.dnatTargets.filter((target) => targetKey(target) === key));
  const shares = found.flatMap(({ probability }) => probability ?? []);
  return {
    node: facts.node,
    rules: isUnknown ? 'unknown' : found.length > 0 ? 'present' : 'absent',
    ...(shares.length === 0 ? {} : { share: Math.max(...shares) }),
    wanted: frontends.some(({ wanted }) => wanted.has(key)),
    ...(facts.read?.conntrack === undefined
      ? {}
      : { connections: (flows.get(key) ?? []).reduce((sum, { group }) => sum + group.entries, 0) }),
  };
}
