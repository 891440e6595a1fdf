/** The clients whose packets show what a node's rules do with a frontend. */
import type { Frontend } from '../api/frontends.ts';
import type { DesiredService } from '../api/service.ts';
import type { Packet, WalkResult } from '../evaluate/walk.ts';
import { isSameAddress, reachableAddresses } from '../net/address.ts';
import { familyOf } from '../net/family.ts';
import { outsideClients } from '../program/client-walks.ts';
import type { ClientKind } from './explanation.ts';

/** One client of one frontend, walked. */
interface Walked {
  readonly kind: ClientKind;
  readonly packet: Packet;
  readonly result: WalkResult;
}

/** The clients whose packets show what the rules do with a frontend. */
export function walkClients(
  walkPacket: (packet: Packet) => WalkResult,
  desired: DesiredService,
  frontend: Frontend,
  {
    node,
    addresses,
    sample,
  }: {
    readonly node: string;
    readonly addresses: readonly string[];
    /** Those of the endpoints' addresses that are walked. */
    readonly sample: (endpoints: readonly string[]) => readonly string[];
  },
): Walked[] {
  const { family, protocol, port } = frontend;
  const own = reachableAddresses(addresses, family);
  const destinations = frontend.address === '' ? own : [frontend.address];
  const walk = (kind: ClientKind, source: string, destination: string): Walked => {
    const packet: Packet = {
      source,
      destination,
      destinationPort: port,
      protocol,
      entersAt: kind === 'node' ? 'OUTPUT' : 'PREROUTING',
    };
    return { kind, packet, result: walkPacket(packet) };
  };
  const outside = destinations.map((destination) => walk('outside', outsideClients[family][0], destination));
  // A NodePort may be served on some of the node's addresses only.
  const chosen = outside.find(({ result }) => result.leaves.some(({ verdict }) => verdict === 'DNAT')) ?? outside[0];
  if (chosen === undefined) return [];
  const { destination } = chosen.packet;
  const endpoints = desired.endpointSlices
    .filter(({ addressType }) => addressType === family)
    .flatMap((slice) => slice.endpoints);
  const pod = otherPod(
    endpoints.flatMap((endpoint) => endpoint.addresses),
    addresses,
  );
  return [
    ...(pod === undefined ? [] : [walk('pod', pod, destination)]),
    ...own.slice(0, 1).map((source) => walk('node', source, destination)),
    chosen,
    // Only a pod of this node comes to its rules.
    ...sample(
      endpoints
        .filter(({ nodeName }) => nodeName === node)
        .flatMap((endpoint) => endpoint.addresses.slice(0, 1))
        .filter((address) => familyOf(address) === family && !addresses.includes(address)),
    )
      .slice(0, mostEndpoints)
      .map((source) => walk('endpoint', source, destination)),
  ];
}

/** More endpoints of one node show nothing new. */
const mostEndpoints = 50;

/** An address beside an endpoint's that nobody of the Service has. */
function otherPod(taken: readonly string[], nodes: readonly string[]): string | undefined {
  const beside = taken.find((address) => !nodes.includes(address));
  if (beside === undefined) return undefined;
  const separator = beside.includes(':') ? ':' : '.';
  const network = beside.slice(0, beside.lastIndexOf(separator) + 1);
  for (let host = 250; host > 1; host -= 1) {
    const address = network + (separator === ':' ? host.toString(16) : String(host));
    if (![...taken, ...nodes].some((each) => isSameAddress(each, address))) return address;
  }
  return undefined;
}
