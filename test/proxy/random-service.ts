/** Random Services (fast-check): every field that changes what kube-proxy writes, drawn apart from the others. */
import fc from 'fast-check';
import type { Protocol, Family } from '../../core/net/family.ts';
import { network } from '../cluster/topology.ts';
import { outsideNetworks } from './outside.ts';
import { witnessPorts, type PlacePlan } from './place.ts';
import type { Writable } from './program-services.ts';

export type EndpointState = 'absent' | 'ready' | 'serving' | 'terminating' | 'not-ready';

export interface RandomService {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  readonly families: readonly Family[];
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol; readonly target: number }[];
  readonly internal: 'Cluster' | 'Local';
  readonly external: 'Cluster' | 'Local';
  readonly affinity: 'None' | 'ClientIP';
  readonly hasExternalIps: boolean;
  /** Of a LoadBalancer: whether it has an ingress IP, and what its packets' destination is. */
  readonly ingress: 'none' | 'VIP' | 'Proxy';
  readonly sourceRanges: readonly SourceRange[];
  readonly hasNodePorts: boolean;
  /** Of each place of the cluster, in its order. */
  readonly endpoints: readonly EndpointState[];
  /** Topology hints: every endpoint has its zone, or its node and all zones; some have their zone; none has any. */
  readonly hints: 'none' | 'zones' | 'nodes' | 'some';
  readonly trafficDistribution: 'none' | 'PreferSameZone' | 'PreferSameNode';
  /** Endpoints of one family in two EndpointSlices. */
  readonly isSplit: boolean;
}

/** Whom a LoadBalancer's source ranges let in. */
export type SourceRange = 'near' | 'far' | 'pods' | 'nodes' | 'all';

const sourceRanges: Readonly<Record<SourceRange, readonly string[]>> = {
  near: Object.values(outsideNetworks.near),
  far: Object.values(outsideNetworks.far),
  pods: network.clusterCIDRs,
  nodes: ['172.30.0.0/24', 'fd00:172:30::/64'],
  all: ['0.0.0.0/0', '::/0'],
};

const serviceTypes = ['ClusterIP', 'NodePort', 'LoadBalancer', 'LoadBalancer'] as const;
const somePorts = [80, 53, 443, 8080, 8081, 65535] as const;

/** How a Service's endpoints are: none, all of one kind, or mixed. */
function endpointStates(places: number): fc.Arbitrary<EndpointState[]> {
  const each = (...states: EndpointState[]): fc.Arbitrary<EndpointState[]> =>
    fc.array(fc.constantFrom(...states), { minLength: places, maxLength: places });
  return fc.oneof(
    { weight: 1, arbitrary: each('absent') },
    { weight: 1, arbitrary: each('absent', 'not-ready', 'terminating') },
    { weight: 2, arbitrary: each('absent', 'absent', 'serving', 'not-ready') },
    { weight: 3, arbitrary: each('absent', 'absent', 'absent', 'absent', 'ready') },
    { weight: 3, arbitrary: each('absent', 'absent', 'ready', 'serving', 'terminating', 'not-ready') },
    { weight: 1, arbitrary: each('ready') },
  );
}

/** Services for a cluster with this many places for endpoints. */
export function randomService(places: number): fc.Arbitrary<RandomService> {
  const port = fc.record({
    port: fc.constantFrom(...somePorts),
    protocol: fc.constantFrom('TCP' as const, 'TCP' as const, 'UDP' as const, 'SCTP' as const),
    target: fc.constantFrom(...witnessPorts),
  });
  return fc.record({
    type: fc.constantFrom(...serviceTypes),
    families: fc.constantFrom<readonly Family[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
    ports: fc.uniqueArray(port, {
      minLength: 1,
      maxLength: 3,
      selector: (each) => `${String(each.port)} ${each.protocol}`,
    }),
    internal: fc.constantFrom('Cluster' as const, 'Cluster' as const, 'Local' as const),
    external: fc.constantFrom('Cluster' as const, 'Local' as const),
    affinity: fc.constantFrom('None' as const, 'None' as const, 'None' as const, 'ClientIP' as const),
    hasExternalIps: fc.boolean(),
    ingress: fc.constantFrom('none' as const, 'VIP' as const, 'VIP' as const, 'VIP' as const, 'Proxy' as const),
    sourceRanges: fc.oneof(
      fc.constant<SourceRange[]>([]),
      fc.subarray<SourceRange>(['near', 'far', 'pods', 'nodes']),
      fc.constant<SourceRange[]>(['all']),
    ),
    hasNodePorts: fc.constantFrom(true, true, true, false),
    endpoints: endpointStates(places),
    hints: fc.constantFrom(
      'none' as const,
      'none' as const,
      'none' as const,
      'zones' as const,
      'nodes' as const,
      'some' as const,
    ),
    trafficDistribution: fc.constantFrom(
      'none' as const,
      'none' as const,
      'PreferSameZone' as const,
      'PreferSameNode' as const,
    ),
    isSplit: fc.boolean(),
  });
}

/** Addresses that a Service has beside those that the API server gives it: outside every other range, and its own alone. */
export function ownAddresses(number: number): {
  readonly external: readonly string[];
  readonly ingress: readonly string[];
} {
  const [high, low] = [String(number >> 8), String(number & 255)];
  return {
    external: [`198.18.${high}.${low}`, `2001:db8:e::${number.toString(16)}`],
    ingress: [`198.19.${high}.${low}`, `2001:db8:f::${number.toString(16)}`],
  };
}

/** What the API server chooses where it is not given. */
export interface Fixed {
  readonly clusterIPs?: readonly string[];
  /** Of the ports, in their order. */
  readonly nodePorts?: readonly number[];
  readonly healthCheckNodePort?: number;
}

/**
 * The Service as it is written.
 * @param number below 65,536, and its own among those that are there at once: its external and ingress IPs are of it
 */
export function writableOf(
  random: RandomService,
  name: string,
  number: number,
  places: readonly PlacePlan[],
  { nodePorts, clusterIPs, ...fixed }: Fixed = {},
): Writable {
  const isExposed = random.type !== 'ClusterIP';
  const isBalanced = random.type === 'LoadBalancer';
  const own = ownAddresses(number);
  const portName = (index: number): { name?: string } =>
    random.ports.length > 1 ? { name: `port-${String(index)}` } : {};
  const spec = {
    type: random.type,
    ...fixed,
    ...(clusterIPs === undefined ? {} : { clusterIP: clusterIPs[0], clusterIPs }),
    ports: random.ports.map(({ port, protocol }, index) => ({
      port,
      protocol,
      ...portName(index),
      ...(nodePorts === undefined ? {} : { nodePort: nodePorts[index] }),
    })),
    internalTrafficPolicy: random.internal,
    ...(isExposed || random.hasExternalIps ? { externalTrafficPolicy: random.external } : {}),
    sessionAffinity: random.affinity,
    ipFamilyPolicy: random.families.length === 2 ? 'RequireDualStack' : 'SingleStack',
    ipFamilies: random.families,
    ...(random.hasExternalIps ? { externalIPs: own.external } : {}),
    ...(isBalanced && random.sourceRanges.length > 0
      ? { loadBalancerSourceRanges: random.sourceRanges.flatMap((each) => sourceRanges[each]) }
      : {}),
    ...(isBalanced ? { allocateLoadBalancerNodePorts: random.hasNodePorts } : {}),
    ...(random.trafficDistribution === 'none' ? {} : { trafficDistribution: random.trafficDistribution }),
  };
  const ingress = own.ingress.map((ip) => ({ ip, ipMode: random.ingress }));
  return {
    service: { apiVersion: 'v1', kind: 'Service', metadata: { name, ...hintsAnnotation(random) }, spec },
    status: isBalanced && random.ingress !== 'none' ? { loadBalancer: { ingress } } : undefined,
    endpointSlices: random.families.flatMap((family) => endpointSlices(random, name, family, places, portName)),
  };
}

/** Releases before 1.33 heed hints only of Services that say so. */
function hintsAnnotation({ hints, trafficDistribution }: RandomService): object {
  return hints === 'none' || trafficDistribution !== 'none'
    ? {}
    : { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } };
}

const conditionsOf: Readonly<Record<Exclude<EndpointState, 'absent'>, object>> = {
  ready: { ready: true, serving: true, terminating: false },
  serving: { ready: false, serving: true, terminating: true },
  terminating: { ready: false, serving: false, terminating: true },
  'not-ready': { ready: false, serving: false, terminating: false },
};

function endpointSlices(
  random: RandomService,
  name: string,
  family: Family,
  places: readonly PlacePlan[],
  portName: (index: number) => { name?: string },
): object[] {
  const endpoints = places.flatMap(({ addresses, node, name: place }, index): object[] => {
    const state = random.endpoints[index] ?? 'absent';
    if (state === 'absent') return [];
    const isHinted =
      random.hints === 'zones' || random.hints === 'nodes' || (random.hints === 'some' && index % 2 === 0);
    const zones = random.hints === 'nodes' ? ['zone-a', 'zone-b', 'zone-c'] : [`zone-${node.slice(-1)}`];
    const forNodes = random.hints === 'nodes' ? { forNodes: [{ name: node }] } : {};
    const hints = isHinted ? { hints: { forZones: zones.map((zone) => ({ name: zone })), ...forNodes } } : {};
    return [
      {
        addresses: [addresses[family]],
        nodeName: node,
        zone: `zone-${node.slice(-1)}`,
        conditions: conditionsOf[state],
        ...hints,
        targetRef: { kind: 'Pod', name: place },
      },
    ];
  });
  const half = Math.ceil(endpoints.length / 2);
  const parts = random.isSplit ? [endpoints.slice(0, half), endpoints.slice(half)] : [endpoints];
  return parts.map((part, index) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${family.toLowerCase()}-${String(index)}`,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: family,
    ports: random.ports.map(({ protocol, target }, port) => ({ port: target, protocol, ...portName(port) })),
    endpoints: part,
  }));
}
