import { hostPort } from '../../net/address.ts';
import {
  clientConnectionText,
  clientFaults,
  type ClientConnections,
  type NodeConnections,
} from '../checks/client-connections.ts';
import type { DesiredService } from '../../api/service.ts';
import { kubectl } from '../../api/command.ts';
import { endpointText } from '../checks/connections.ts';
import type { FindingKind, Occurrence } from '../checks/finding.ts';
import { namesText } from '../checks/listed.ts';

export const probeFailClient: FindingKind = {
  id: 'PROBE-FAIL-CLIENT',
  topic: 'connections',
  severity: 'error',
  condition:
    "By the active check from within a pod (--connect --from POD), the pod does not reach a frontend though it reaches the endpoints behind it, or an endpoint that a node reaches: the fault is in what pods' packets meet, PREROUTING and FORWARD on the pod's node, or a NetworkPolicy.",
  notReported:
    "A frontend that the pod's node does not reach either (PROBE-FAIL-RULES), an endpoint that no node reaches (PROBE-FAIL-POD); a frontend with source ranges; UDP that nobody answers.",
  source: 'Debug Services, "Does the Service work by IP?"; netfilter hooks',
  find: ({ desired, nodes, cluster }) => {
    const client = cluster?.client;
    if (client?.connected === undefined) return [];
    return findClientFaults(
      desired,
      { pod: client.pod, node: client.node, addresses: client.addresses, connections: client.connected.connections },
      nodes.map(({ node, zone, read }) => ({ node, zone, connections: read?.connections ?? [] })),
    );
  },
};

/** The same of what a status holds. */
export function findClientFaults(
  desired: DesiredService,
  client: ClientConnections,
  nodes: readonly NodeConnections[],
): Occurrence[] {
  const { frontends, endpoints } = clientFaults(desired, client, nodes);
  const [first] = [...frontends, ...endpoints];
  if (first === undefined) return [];
  const { pod, node } = client;
  const where = node === undefined ? '' : ` on ${node}`;
  const source = client.addresses[0];
  const target = hostPort(first.connection.address, first.connection.port);
  return [
    {
      where: `pod/${pod}`,
      ...(node === undefined ? {} : { node }),
      message: [
        ...(frontends.length === 0
          ? []
          : [
              `Pod ${pod}${where} reaches the endpoints of ${desired.name}, but not its ${namesText(frontends.map(({ connection }) => clientConnectionText(connection)))}.`,
            ]),
        ...(endpoints.length === 0
          ? []
          : [
              `Pod ${pod}${where} does not reach ${namesText(endpoints.map(({ connection }) => endpointText(desired, connection)))}, which ${endpoints.length === 1 ? 'a node reaches' : 'nodes reach'}.`,
            ]),
      ].join(' '),
      evidence: [...frontends, ...endpoints]
        .slice(0, 10)
        .map(({ connection, but }) => `from pod ${pod}: ${clientConnectionText(connection)}, but ${but}`),
      advice: `Packets of pods enter at PREROUTING and pass FORWARD${where}, those of the node enter at OUTPUT: look there for third-party rules that drop, redirect or do not track them, and for a NetworkPolicy of the pod or of the endpoints.`,
      commands: [
        ...(source === undefined || node === undefined
          ? []
          : [
              kubectl(
                'svctrace',
                'simulate',
                desired.name,
                '-n',
                desired.namespace,
                '--node',
                node,
                '--from',
                source,
                '--to',
                target,
              ),
            ]),
        kubectl('svctrace', 'explain', desired.name, '-n', desired.namespace, '--from', pod),
      ],
    },
  ];
}
