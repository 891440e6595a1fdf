/** Where the active check connects to from a node: the Service's frontends, and its ready endpoints directly. */
import { addressSet, hostPort } from '../net/address.ts';
import { desiredTargets, knownTargets } from './desired-targets.ts';
import { ownExternalAddresses } from './external-addresses.ts';
import { checkedFrontends } from './frontends.ts';
import type { DesiredService } from './service.ts';
import { familyOf, type Protocol } from '../net/family.ts';

export type Hop = 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';

export interface ConnectTarget {
  readonly hop: Hop;
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly portName?: string | undefined;
}

/** A pod of the Service's namespace, as its kubelet reported it. */
export interface ConnectPod {
  readonly addresses: readonly string[];
  /** Its phase is Succeeded or Failed: its address may be another pod's by now. */
  readonly hasEnded: boolean;
  readonly hostNetwork: boolean;
  /** That its containers declare. */
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
}

/** Connections that one node makes for one Service. */
const maxTargets = 100;

/**
 * Frontends first, then endpoints, at most 100. Of the external addresses only a load balancer's that nobody else has:
 * an externalIP is what somebody has written into the Service. A cluster IP that the node drops, for the policy is Local
 * and it has no endpoint, is left out: the drop would be counted, and the count stands for clients (RULE-LOCAL-DROP).
 * @param nodeAddresses where the node's own NodePorts are tried, one address of each family
 * @param place of the node that is to connect
 */
export function connectTargets(
  desired: DesiredService,
  nodeAddresses: readonly string[],
  place?: { readonly node: string; readonly zone?: string },
): ConnectTarget[] {
  const own = addressSet(ownExternalAddresses(desired));
  const frontends = checkedFrontends(desired).flatMap(
    ({ frontend, address, family, port, protocol, portName }): ConnectTarget[] => {
      if (frontend === 'ExternalIP' || (frontend === 'LoadBalancerIP' && !own.has(address))) return [];
      if (
        frontend === 'ClusterIP' &&
        place !== undefined &&
        targetsBehind(desired, { hop: frontend, address, port, protocol, portName }, place).length === 0
      )
        return [];
      const addresses =
        frontend === 'NodePort' ? nodeAddresses.filter((each) => familyOf(each) === family).slice(0, 1) : [address];
      return addresses.map((each) => ({
        hop: frontend,
        address: each,
        port,
        protocol,
        ...(portName === undefined ? {} : { portName }),
      }));
    },
  );
  return [...frontends, ...readyEndpoints(desired)].slice(0, maxTargets);
}

/** The ready endpoints of every port and family, each once. */
export function readyEndpoints(desired: DesiredService): ConnectTarget[] {
  return endpointsOf(desired, ({ ready }) => ready);
}

/** The addresses and ports that packets to the frontends may be DNATed to, whatever the conditions of their endpoints. */
export function connectBackends(desired: DesiredService): ConnectTarget[] {
  return endpointsOf(desired, () => true);
}

function endpointsOf(
  desired: DesiredService,
  wants: (target: { readonly ready: boolean }) => boolean,
): ConnectTarget[] {
  const targets = desired.service.ports.flatMap(({ name, protocol }) =>
    (['IPv4', 'IPv6'] as const).flatMap((family) =>
      knownTargets(desired, { family, portName: name, protocol })
        .filter(wants)
        .map(({ address, port }): ConnectTarget => ({
          hop: 'Endpoint',
          address,
          port,
          protocol,
          ...(name === undefined || name === '' ? {} : { portName: name }),
        })),
    ),
  );
  return [
    ...new Map(
      targets.map((target) => [`${target.address} ${String(target.port)} ${target.protocol}`, target]),
    ).values(),
  ];
}

/** The endpoints that packets to a frontend may be DNATed to on a node. */
export function targetsBehind(
  desired: DesiredService,
  { hop, address, protocol, portName }: ConnectTarget,
  place: { readonly node: string; readonly zone?: string },
): readonly { readonly address: string; readonly port: number }[] {
  return desiredTargets(
    desired,
    { family: familyOf(address), portName, protocol },
    { ...place, traffic: hop === 'ClusterIP' ? 'internal' : 'external' },
  );
}

/**
 * Why the check may not be made; undefined where it may. A node connects with its own rights, past every
 * NetworkPolicy: whoever may write an EndpointSlice must not choose where to. So each endpoint has to be a pod of the
 * Service's namespace that has not ended, by the address that its kubelet reported; of a pod in the network of its node,
 * whose address is the node's, on a port that it declares.
 */
export function connectRefusal(desired: DesiredService, pods: readonly ConnectPod[]): string | undefined {
  const live = pods.filter(({ hasEnded }) => !hasEnded);
  const known = addressSet(live.flatMap(({ addresses }) => addresses));
  const foreign = desired.endpointSlices.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ addresses }) => addresses.filter((address) => !known.has(address))),
  );
  if (foreign.length > 0)
    return `${foreign.slice(0, 3).join(', ')} of its EndpointSlices is not an address of a pod of namespace ${desired.namespace}`;
  const ofPods = addressSet(live.filter(({ hostNetwork }) => !hostNetwork).flatMap(({ addresses }) => addresses));
  const declared = live
    .filter(({ hostNetwork }) => hostNetwork)
    .map((pod) => ({ ...pod, own: addressSet(pod.addresses) }));
  const undeclared = connectBackends(desired).filter(
    ({ address, port, protocol }) =>
      !ofPods.has(address) &&
      !declared.some(
        ({ own, ports }) => own.has(address) && ports.some((each) => each.port === port && each.protocol === protocol),
      ),
  );
  if (undeclared.length > 0)
    return `${undeclared
      .slice(0, 3)
      .map(({ address, port }) => hostPort(address, port))
      .join(
        ', ',
      )} of its EndpointSlices is a node's address with a port that no pod of namespace ${desired.namespace} declares`;
  return readyEndpoints(desired).length === 0
    ? 'it has no ready endpoint, so whatever answered would be somebody else'
    : undefined;
}
