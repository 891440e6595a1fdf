/** Which endpoints a node's rules should send a Service's packets to. */
import { oncePer } from '../lib/once-per.ts';
import type { EndpointStatus } from './service-trace.ts';
import type { DesiredService } from './service.ts';
import type { Protocol, Family } from '../net/family.ts';

export interface DesiredTarget {
  readonly address: string;
  readonly port: number;
  readonly nodeName?: string;
  readonly pod?: string;
  readonly ready: boolean;
}

export interface PortKey {
  readonly family: Family;
  /** Name of the Service's port; absent where the only port has no name. */
  readonly portName?: string | undefined;
  readonly protocol: Protocol;
}

/** What a node is asked to do with a frontend under the Service's traffic policy. */
export interface TargetScope {
  readonly node: string;
  readonly zone?: string;
  /** Internal for ClusterIP; external for the other frontends. */
  readonly traffic: 'internal' | 'external';
}

/**
 * The targets of one port on one node, as kube-proxy chooses them: ready endpoints; where there is none, endpoints
 * that are serving and terminating; of those, the ones on this node alone where the traffic policy is Local; else
 * the ones that topology hints give to this node or its zone (pkg/proxy/topology.go, CategorizeEndpoints, 1.37).
 */
export function desiredTargets(desired: DesiredService, port: PortKey, scope: TargetScope): readonly DesiredTarget[] {
  return chosenFor(desired, port, scope).targets;
}

/** The same by targetKey. */
export function desiredTargetsByKey(
  desired: DesiredService,
  port: PortKey,
  scope: TargetScope,
): ReadonlyMap<string, DesiredTarget> {
  return chosenFor(desired, port, scope).byKey;
}

/** By what a target is one with another. */
export function targetKey({ address, port }: Pick<DesiredTarget, 'address' | 'port'>): string {
  return `${address} ${String(port)}`;
}

/** Chosen once for all nodes and frontends to which the same applies. */
function chosenFor(desired: DesiredService, port: PortKey, { node, zone, traffic }: TargetScope): Chosen {
  const { all, onNode, hinted } = endpointsOf(desired, port);
  const policy = traffic === 'internal' ? desired.service.internalTrafficPolicy : desired.service.externalTrafficPolicy;
  if (policy === 'Local')
    return once(onNode, node, () => chosenOf(usable(all.filter(({ endpoint }) => endpoint.nodeName === node))));
  return (
    once(hinted, `node ${node}`, () => hintedTo(readyOf(all), ({ nodeHints }) => nodeHints, node)) ??
    once(hinted, `zone ${zone ?? ''}`, () => hintedTo(readyOf(all), ({ hints }) => hints, zone)) ??
    everywhere(all)
  );
}

/** Every endpoint of the port, whatever its conditions: an address that is not here is foreign to the Service. */
export function knownTargets(desired: DesiredService, port: PortKey): readonly DesiredTarget[] {
  return known(endpointsOf(desired, port).all).targets;
}

/** The endpoints of the port that serve, whatever the traffic policy: flows to them are left as they are (pkg/proxy/conntrack/cleanup.go). */
export function servingTargets(desired: DesiredService, port: PortKey): readonly DesiredTarget[] {
  return serving(endpointsOf(desired, port).all).targets;
}

interface PortEndpoint {
  readonly endpoint: EndpointStatus;
  readonly target: DesiredTarget;
}

/** The endpoints of one port, and the targets of places for which not all of them count. */
interface PortEndpoints {
  readonly all: readonly PortEndpoint[];
  /** Under the policy Local, by node. */
  readonly onNode: Map<string, Chosen>;
  /** By node or zone; undefined where hints choose nothing for it. */
  readonly hinted: Map<string, Chosen | undefined>;
}

interface Chosen {
  readonly targets: readonly DesiredTarget[];
  readonly byKey: ReadonlyMap<string, DesiredTarget>;
}

const portEndpoints = oncePer((_slices: DesiredService['endpointSlices']) => new Map<string, PortEndpoints>());

/** Read once for all nodes, frontends and connections that ask: slices are never changed. */
function endpointsOf({ endpointSlices }: DesiredService, port: PortKey): PortEndpoints {
  return once(portEndpoints(endpointSlices), `${port.family} ${port.protocol} ${port.portName ?? ''}`, () => ({
    all: readEndpoints(endpointSlices, port),
    onNode: new Map(),
    hinted: new Map(),
  }));
}

const readyOf = oncePer((all: readonly PortEndpoint[]) => all.filter(({ endpoint }) => endpoint.ready));
const known = oncePer((all: readonly PortEndpoint[]) => chosenOf(all));
const serving = oncePer((all: readonly PortEndpoint[]) =>
  chosenOf(all.filter(({ endpoint }) => endpoint.ready || endpoint.serving)),
);
const everywhere = oncePer((all: readonly PortEndpoint[]) => chosenOf(usable(all)));

function once<Value>(kept: Map<string, Value>, key: string, workOut: () => NoInfer<Value>): Value {
  const before = kept.get(key);
  if (before !== undefined) return before;
  const value = workOut();
  kept.set(key, value);
  return value;
}

function readEndpoints(slices: DesiredService['endpointSlices'], port: PortKey): readonly PortEndpoint[] {
  const found: PortEndpoint[] = [];
  for (const slice of slices) {
    if (slice.addressType !== port.family) continue;
    const slicePort = slice.ports.find(
      (candidate) =>
        (candidate.name ?? '') === (port.portName ?? '') && (candidate.protocol ?? 'TCP') === port.protocol,
    );
    if (slicePort?.port === undefined) continue;
    for (const endpoint of slice.endpoints) {
      // Only the first address counts: EndpointSlice's field is "consumers must handle the first", and kube-proxy does that.
      const address = endpoint.addresses[0];
      if (address === undefined) continue;
      found.push({
        endpoint,
        target: {
          address,
          port: slicePort.port,
          ready: endpoint.ready,
          ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }),
          ...(endpoint.targetRef?.name === undefined ? {} : { pod: endpoint.targetRef.name }),
        },
      });
    }
  }
  return found;
}

/** Ready endpoints, or, where there is none, those that still serve while they terminate. */
function usable(endpoints: readonly PortEndpoint[]): readonly PortEndpoint[] {
  const ready = endpoints.filter(({ endpoint }) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
}

/** Hints count only where every ready endpoint has one and at least one is for this place (topologyModeFromHints). */
function hintedTo(
  ready: readonly PortEndpoint[],
  hintsOf: (endpoint: EndpointStatus) => readonly string[] | undefined,
  place: string | undefined,
): Chosen | undefined {
  if (place === undefined || ready.length === 0) return undefined;
  if (ready.some(({ endpoint }) => (hintsOf(endpoint) ?? []).length === 0)) return undefined;
  const mine = ready.filter(({ endpoint }) => hintsOf(endpoint)?.includes(place));
  return mine.length > 0 ? chosenOf(mine) : undefined;
}

/** One target for each address and port: slices may repeat an endpoint; a ready one wins over one that is not. */
function chosenOf(endpoints: readonly PortEndpoint[]): Chosen {
  const byKey = new Map<string, DesiredTarget>();
  for (const { target } of endpoints) {
    const key = targetKey(target);
    const present = byKey.get(key);
    if (present === undefined || (target.ready && !present.ready)) byKey.set(key, target);
  }
  return { targets: [...byKey.values()], byKey };
}
