/** The path of one ServicePort in one family: its frontends, and the DNAT targets on each node. */
import { hostPort } from '../../core/net/address.ts';
import { endpointsByAddress } from '../../core/api/endpoints-by-address.ts';
import type {
  DnatTargetStatus,
  EndpointStatus,
  NodePortStatus,
  ServiceTraceStatus,
} from '../../core/api/service-trace.ts';

export interface PathFrontend {
  /** Such as `ClusterIP 10.96.0.1:80` or `NodePort 30080`. */
  readonly text: string;
  /** By node name. */
  readonly byNode: ReadonlyMap<string, NodePortStatus>;
}

export interface PathTarget {
  readonly text: string;
  readonly pod: string | undefined;
  readonly endpoint: EndpointStatus | undefined;
  /** The target as the node's rules have it; absent where the node has no such rule. */
  readonly byNode: ReadonlyMap<string, DnatTargetStatus>;
}

export interface Path {
  readonly title: string;
  readonly frontends: readonly PathFrontend[];
  readonly targets: readonly PathTarget[];
}

/** One path for each port and family that any node has, in the order of the nodes' frontends. */
export function pathsOf(status: ServiceTraceStatus): Path[] {
  const byTitle = new Map<
    string,
    { frontends: Map<string, Map<string, NodePortStatus>>; ports: [string, NodePortStatus][] }
  >();
  for (const node of status.nodes ?? []) {
    for (const port of node.ports) {
      const servicePort =
        port.frontend === 'NodePort'
          ? status.service?.ports.find(({ nodePort, protocol }) => nodePort === port.port && protocol === port.protocol)
              ?.port
          : port.port;
      const title = `${port.portName === undefined ? '' : `${port.portName} `}${servicePort ?? port.port}/${port.protocol} ${port.family}`;
      const path = byTitle.get(title) ?? { frontends: new Map<string, Map<string, NodePortStatus>>(), ports: [] };
      byTitle.set(title, path);
      const text = frontendText(port);
      const byNode = path.frontends.get(text) ?? new Map<string, NodePortStatus>();
      path.frontends.set(text, byNode.set(node.name, port));
      path.ports.push([node.name, port]);
    }
  }
  return [...byTitle].map(([title, { frontends, ports }]) => ({
    title,
    frontends: [...frontends].map(([text, byNode]) => ({ text, byNode })),
    targets: targetsOf(ports, status),
  }));
}

export function frontendText({ frontend, address, port }: NodePortStatus): string {
  return frontend === 'NodePort' ? `NodePort ${port}` : `${frontend} ${hostPort(address, port)}`;
}

/** A target of several frontends is one row: the frontends of a port share the rule that counts its packets. */
function targetsOf(ports: readonly [string, NodePortStatus][], status: ServiceTraceStatus): PathTarget[] {
  const targets = new Map<string, { target: DnatTargetStatus; byNode: Map<string, DnatTargetStatus> }>();
  for (const [node, port] of ports) {
    for (const target of port.dnatTargets) {
      const text = hostPort(target.address, target.port);
      const present = targets.get(text) ?? { target, byNode: new Map<string, DnatTargetStatus>() };
      targets.set(text, present);
      if (!present.byNode.has(node)) present.byNode.set(node, target);
    }
  }
  const endpoints = endpointsByAddress(status);
  return [...targets]
    .map(([text, { target, byNode }]) => ({ text, pod: target.pod, endpoint: endpoints.get(target.address), byNode }))
    .sort((one, other) => (one.text < other.text ? -1 : 1));
}

/** ready, serving and terminating in one word, as kube-proxy looks at them. */
export function endpointState(endpoint: EndpointStatus | undefined): {
  text: string;
  tone: 'ok' | 'warning' | 'error';
} {
  if (endpoint === undefined) return { text: 'in no slice', tone: 'error' };
  if (endpoint.ready) return { text: 'ready', tone: 'ok' };
  if (endpoint.terminating) return { text: endpoint.serving ? 'terminating, serving' : 'terminating', tone: 'warning' };
  return { text: endpoint.serving ? 'not ready, serving' : 'not ready', tone: 'error' };
}
