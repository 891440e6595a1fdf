/** A pod's own connections in a status that was judged without them: the plugin makes them after an operator has judged. */
import type { ClientFacts } from '../api/cluster-facts.ts';
import { clientTargets, portNameOf, type NodeConnections } from '../diagnose/checks/client-connections.ts';
import { errorsVerdict } from './conditions.ts';
import type { ConnectTarget } from '../api/connect-targets.ts';
import { findingOf, inOrder } from '../diagnose/diagnose.ts';
import { findClientFaults, probeFailClient } from '../diagnose/findings/probe-fail-client.ts';
import { present } from '../lib/present.ts';
import type { DesiredService } from '../api/service.ts';
import type { ServiceTraceStatus } from '../api/service-trace.ts';

export type Connected = NonNullable<ClientFacts['connected']>;

export interface ClientPod {
  readonly pod: string;
  readonly node?: string | undefined;
  readonly addresses: readonly string[];
}

/** Where the pod is to connect to, by what nodes connected to. */
export function clientTargetsOf(status: ServiceTraceStatus, client: ClientPod): ConnectTarget[] {
  return clientTargets(nodeConnections(status), client);
}

/** The status with them: with what is found by them, and its errors in the condition Healthy. */
export function withClient(
  status: ServiceTraceStatus,
  { namespace, name }: Pick<DesiredService, 'namespace' | 'name'>,
  client: ClientPod,
  { connections, by, untried }: Connected,
): ServiceTraceStatus {
  const { service, endpointSlices = [], findings = [], summary, conditions } = status;
  const found =
    service === undefined
      ? []
      : findClientFaults(
          { namespace, name, service, endpointSlices },
          { ...client, connections },
          nodeConnections(status),
        ).map((occurrence) => findingOf(probeFailClient, occurrence));
  const all = inOrder([...findings, ...found]);
  const shown: ServiceTraceStatus = {
    ...status,
    client: clientStatus(client, { connections, ...present({ by, untried }) }),
  };
  if (found.length === 0) return shown;
  return {
    ...shown,
    findings: all,
    ...(summary === undefined
      ? {}
      : {
          summary: {
            ...summary,
            findings: all.length,
            errors: all.filter(({ severity }) => severity === 'error').length,
          },
        }),
    ...(conditions === undefined
      ? {}
      : {
          conditions: conditions.map((condition) =>
            condition.type === 'Healthy' ? { ...condition, ...errorsVerdict(all) } : condition,
          ),
        }),
  };
}

export function clientStatus(
  { pod, node }: ClientPod,
  { connections, by, untried }: Connected,
): NonNullable<ServiceTraceStatus['client']> {
  return {
    ...present({ node, by, untried }),
    pod,
    connections: connections.map(({ hop, address, port, protocol, outcome, milliseconds }) => ({
      hop,
      address,
      port,
      protocol,
      outcome,
      milliseconds,
    })),
  };
}

function nodeConnections({ nodes = [], service }: ServiceTraceStatus): NodeConnections[] {
  return nodes.map(({ name, connections = [] }) => ({
    node: name,
    connections: connections.map((each) => ({ ...each, ...present({ portName: portNameOf(service, each) }) })),
  }));
}
