/**
 * What a pod's own connections say, which --connect --from POD makes in it: they enter at PREROUTING and meet FORWARD,
 * where those of a node enter at OUTPUT.
 */
import { hostPort, isSameTarget } from '../../net/address.ts';
import { targetsBehind, type ConnectTarget } from '../../api/connect-targets.ts';
import { connectionText, endpointText, isReached } from './connections.ts';
import type { Connection } from '../../program/node-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf } from '../../net/family.ts';
import type { ServiceStatus } from '../../api/service-trace.ts';

export interface ClientConnections {
  readonly pod: string;
  readonly node?: string | undefined;
  readonly addresses: readonly string[];
  readonly connections: readonly Connection[];
}

export interface NodeConnections {
  readonly node: string;
  readonly zone?: string | undefined;
  readonly connections: readonly Connection[];
}

/** A pod runs as many programs at most. */
const maxTargets = 50;

/**
 * Where the pod connects to: to what nodes were let to connect to (core/api/connect-targets.ts), of the families that it
 * has an address of; frontends first, of node ports those of its own node.
 */
export function clientTargets(
  nodes: readonly NodeConnections[],
  { node: ownNode, addresses }: Pick<ClientConnections, 'node' | 'addresses'>,
): ConnectTarget[] {
  const isOwnNodeKnown = nodes.some(({ node }) => node === ownNode);
  const families = new Set(addresses.map(familyOf));
  const all = nodes.flatMap(({ node, connections }) =>
    connections.filter(
      ({ hop, outcome, address }) =>
        outcome !== 'untried' &&
        families.has(familyOf(address)) &&
        (hop !== 'NodePort' || !isOwnNodeKnown || node === ownNode),
    ),
  );
  const byTarget = new Map(
    all.map(({ hop, address, port, protocol, portName }): [string, ConnectTarget] => [
      [hop, address, port, protocol].join(' '),
      { hop, address, port, protocol, ...(portName === undefined ? {} : { portName }) },
    ]),
  );
  const targets = [...byTarget.values()];
  return [...targets.filter(({ hop }) => hop !== 'Endpoint'), ...targets.filter(({ hop }) => hop === 'Endpoint')].slice(
    0,
    maxTargets,
  );
}

/** The name of the Service's port that a connection was made to; of an endpoint it is not asked for. */
export function portNameOf(
  service: ServiceStatus | undefined,
  { hop, port, protocol }: Pick<ConnectTarget, 'hop' | 'port' | 'protocol'>,
): string | undefined {
  if (hop === 'Endpoint') return undefined;
  return service?.ports.find(
    (each) => each.protocol === protocol && (hop === 'NodePort' ? each.nodePort : each.port) === port,
  )?.name;
}

export interface ClientFault {
  /** The connection that failed. */
  readonly connection: Connection;
  /** What shows that the pod's packet path is at fault, and not its destination. */
  readonly but: string;
}

/** Connections of the pod that failed where others show that they could have succeeded. */
export function clientFaults(
  desired: DesiredService,
  client: ClientConnections,
  nodes: readonly NodeConnections[],
): { readonly frontends: readonly ClientFault[]; readonly endpoints: readonly ClientFault[] } {
  const ownNode = nodes.find(({ node }) => node === client.node);
  const of = (
    connections: readonly Connection[],
    wanted: Pick<Connection, 'hop' | 'address' | 'port' | 'protocol'>,
  ): Connection | undefined =>
    connections.find(
      (each) => each.hop === wanted.hop && each.protocol === wanted.protocol && isSameTarget(each, wanted),
    );
  const failed = client.connections.filter((each) => isReached(each) === false);
  const endpoints = failed
    .filter(({ hop }) => hop === 'Endpoint')
    .flatMap((connection): ClientFault[] => {
      const reaching = nodes.filter((node) => {
        const own = of(node.connections, connection);
        return own !== undefined && isReached(own) === true;
      });
      const near = reaching.find(({ node }) => node === client.node) ?? reaching[0];
      return near === undefined
        ? []
        : [{ connection, but: `${near.node} reaches ${endpointText(desired, connection)}` }];
    });
  const frontends = failed
    .filter(({ hop }) => hop !== 'Endpoint')
    .flatMap((connection): ClientFault[] => {
      if (connection.hop === 'LoadBalancerIP' && (desired.service.loadBalancerSourceRanges ?? []).length > 0) return [];
      // What fails from the node as well is PROBE-FAIL-RULES.
      const fromNode = ownNode === undefined ? undefined : of(ownNode.connections, connection);
      if (fromNode !== undefined && isReached(fromNode) === false) return [];
      const behind = targetsBehind(desired, connection, {
        node: client.node ?? '',
        ...(ownNode?.zone === undefined ? {} : { zone: ownNode.zone }),
      });
      const tried = behind.flatMap(
        (target) => of(client.connections, { ...target, hop: 'Endpoint', protocol: connection.protocol }) ?? [],
      );
      if (tried.length === 0 || !tried.every((each) => isReached(each) === true)) return [];
      return [
        {
          connection,
          but: `it reaches the endpoints behind it: ${tried
            .slice(0, 3)
            .map(({ address, port }) => hostPort(address, port))
            .join(', ')}`,
        },
      ];
    });
  return { frontends, endpoints };
}

/** `ClusterIP 10.96.0.7:80/TCP: timeout after 2000 ms` */
export function clientConnectionText(connection: Connection): string {
  return `${connection.hop} ${connectionText(connection)}`;
}
