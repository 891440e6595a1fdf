/** What became of the active check's connections, by endpoint and by node: which hop fails decides the finding. */
import { hostPort, isSameAddress } from '../address.ts';
import { readyEndpoints, type ConnectTarget } from '../connect-targets.ts';
import type { Connection, NodeFacts } from '../node-facts.ts';
import type { DesiredService } from '../service.ts';
import type { Facts } from './finding.ts';

/** Three answers: a datagram that nobody answered, or what was not tried, says neither. */
export function isReached({ outcome }: Connection): boolean | undefined {
  switch (outcome) {
    case 'connected':
    case 'answered':
      return true;
    case 'refused':
    case 'timeout':
    case 'unreachable':
    case 'failed':
      return false;
    case 'noReply':
    case 'untried':
      return undefined;
  }
}

export interface EndpointConnections {
  readonly endpoint: ConnectTarget;
  readonly reachedFrom: readonly NodeFacts[];
  readonly failed: readonly { readonly node: NodeFacts; readonly connection: Connection }[];
}

/** Of each endpoint that is ready still, after the connections were made. */
export function endpointConnections({ desired, nodes }: Facts): EndpointConnections[] {
  return readyEndpoints(desired).flatMap((endpoint) => {
    const tried = nodes.flatMap((node) => {
      const connection = connectionTo(node, endpoint);
      return connection === undefined ? [] : [{ node, connection }];
    });
    if (tried.length === 0) return [];
    return [
      {
        endpoint,
        reachedFrom: tried.filter(({ connection }) => isReached(connection) === true).map(({ node }) => node),
        failed: tried.filter(({ connection }) => isReached(connection) === false),
      },
    ];
  });
}

export function connectionTo({ read }: NodeFacts, { address, port, protocol }: Pick<ConnectTarget, 'address' | 'port' | 'protocol'>): Connection | undefined {
  return read?.connections?.find((connection) => connection.hop === 'Endpoint' && connection.port === port && connection.protocol === protocol && isSameAddress(connection.address, address));
}

/** `10.96.0.7:80/TCP: timeout after 2000 ms` */
export function connectionText({ address, port, protocol, outcome, error, milliseconds }: Connection): string {
  return `${hostPort(address, port)}/${protocol}: ${outcome}${error === undefined ? '' : ` (${error})`} after ${String(Math.round(milliseconds))} ms`;
}

/** `10.244.1.2:8080 (pod auth-2 on node-b)` */
export function endpointText(desired: DesiredService, { address, port }: Pick<ConnectTarget, 'address' | 'port'>): string {
  const endpoint = endpointOf(desired, address);
  const pod = endpoint?.targetRef?.kind === 'Pod' ? endpoint.targetRef.name : undefined;
  return `${hostPort(address, port)}${pod === undefined ? '' : ` (pod ${pod}${endpoint?.nodeName === undefined ? '' : ` on ${endpoint.nodeName}`})`}`;
}

/** Where a finding about an endpoint is: its pod, where it has one. */
export function endpointPlace(desired: DesiredService, { address }: Pick<ConnectTarget, 'address'>): string {
  const endpoint = endpointOf(desired, address);
  return endpoint?.targetRef?.kind === 'Pod' && endpoint.targetRef.name !== undefined ? `pod/${endpoint.targetRef.name}` : `endpoint/${address}`;
}

function endpointOf({ endpointSlices }: DesiredService, address: string): DesiredService['endpointSlices'][number]['endpoints'][number] | undefined {
  return endpointSlices.flatMap(({ endpoints }) => endpoints).find(({ addresses }) => addresses.some((each) => isSameAddress(each, address)));
}
