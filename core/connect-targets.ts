/** Where the active check connects to from a node: the Service's frontends, and its ready endpoints directly. */
import { desiredTargets, knownTargets } from './desired-targets.ts';
import { askedFrontends } from './node-program.ts';
import { familyOf, type DesiredService, type Protocol } from './service.ts';

export type Hop = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';

export interface ConnectTarget {
  readonly hop: Hop;
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly portName?: string | undefined;
}

/** Connections that one node makes for one Service. */
const maxTargets = 100;

/**
 * Frontends first, then endpoints, at most 100.
 * @param nodeAddresses where the node's own NodePorts are tried, one address of each family
 */
export function connectTargets(desired: DesiredService, nodeAddresses: readonly string[]): ConnectTarget[] {
  const frontends = askedFrontends(desired).flatMap(({ frontend, address, family, port, protocol, portName }): ConnectTarget[] => {
    const addresses = frontend === 'NodePort' ? nodeAddresses.filter((own) => familyOf(own) === family).slice(0, 1) : [address];
    return addresses.map((each) => ({ hop: frontend, address: each, port, protocol, ...(portName === undefined ? {} : { portName }) }));
  });
  return [...frontends, ...readyEndpoints(desired)].slice(0, maxTargets);
}

/** The ready endpoints of every port and family, each once. */
export function readyEndpoints(desired: DesiredService): ConnectTarget[] {
  const targets = desired.service.ports.flatMap(({ name, protocol }) =>
    (['IPv4', 'IPv6'] as const).flatMap((family) =>
      knownTargets(desired, { family, portName: name, protocol })
        .filter(({ ready }) => ready)
        .map(({ address, port }): ConnectTarget => ({ hop: 'Endpoint', address, port, protocol, ...(name === undefined || name === '' ? {} : { portName: name }) })),
    ),
  );
  return [...new Map(targets.map((target) => [`${target.address} ${String(target.port)} ${target.protocol}`, target])).values()];
}

/** The endpoints that a frontend may lead to on a node. */
export function targetsBehind(desired: DesiredService, { hop, address, protocol, portName }: ConnectTarget, place: { readonly node: string; readonly zone?: string }): { readonly address: string; readonly port: number }[] {
  return desiredTargets(desired, { family: familyOf(address), portName, protocol }, { ...place, traffic: hop === 'ClusterIP' ? 'internal' : 'external' });
}

/**
 * Why the check may not be made; undefined where it may. A node connects with its own rights, past every
 * NetworkPolicy: whoever may write an EndpointSlice must not choose where to. So each endpoint has to be a pod of the
 * Service's namespace, by the address that its kubelet reported.
 */
export function connectRefusal(desired: DesiredService, podAddresses: ReadonlySet<string>): string | undefined {
  const foreign = desired.endpointSlices.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses.filter((address) => !podAddresses.has(address))));
  return foreign.length === 0 ? undefined : `${foreign.slice(0, 3).join(', ')} of its EndpointSlices is no address of a pod of namespace ${desired.namespace}`;
}
