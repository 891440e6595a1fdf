/** Results of the active check's connections, by endpoint and by node: which hop fails decides the finding. */
import { hostPort, isSameAddress } from '../../net/address.ts';
import { readyEndpoints, type ConnectTarget } from '../../api/connect-targets.ts';
import type { Connection, NodeFacts } from '../../program/node-facts.ts';
import type { DesiredService } from '../../api/service.ts';
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

/** Whose fault it is that some nodes do not reach an endpoint. */
export type Blame =
  /** The pod: it reaches no node that could separate it from its own node. */
  | { readonly suspect: 'pod' }
  /** One node: where the endpoint is, which nobody but itself reaches; or where the connection came from. */
  | { readonly suspect: 'node'; readonly node: string; readonly why: 'itsEndpoints' | 'itsConnections' }
  /** Too few nodes tried it to separate the pod, its node and the nodes that failed. */
  | { readonly suspect: 'path'; readonly node: string };

export interface FailedEndpoint extends EndpointConnections {
  /** Where the endpoint is, if that is known. */
  readonly ownNode: string | undefined;
  readonly blames: readonly Blame[];
}

/** Each endpoint that some node did not reach, and what is to blame. */
export function failedEndpoints(facts: Facts): FailedEndpoint[] {
  const all = endpointConnections(facts).map((each) => ({
    ...each,
    ownNode: endpointOf(facts.desired, each.endpoint.address)?.nodeName,
  }));
  const nodesOfCluster = Math.max(facts.nodes.length, facts.cluster?.nodes?.length ?? 0);
  return all
    .filter(({ failed }) => failed.length > 0)
    .map((each) => ({ ...each, blames: blamesOf(each, all, nodesOfCluster) }));
}

type Placed = Omit<FailedEndpoint, 'blames'>;

function blamesOf({ ownNode, reachedFrom, failed }: Placed, all: readonly Placed[], nodesOfCluster: number): Blame[] {
  const [first] = failed;
  if (first === undefined) return [];
  if (reachedFrom.length === 0) {
    // A node is always let in to its own pods, so that the kubelet can ask whether they are well: where it fails too, or many do, it is the pod.
    const isSeparated = failed.some(({ node }) => node.node === ownNode) || failed.length > 1 || nodesOfCluster === 1;
    return [isSeparated ? { suspect: 'pod' } : { suspect: 'path', node: first.node.node }];
  }
  const isReachedFromElsewhere = ownNode === undefined || reachedFrom.some(({ node }) => node !== ownNode);
  if (isReachedFromElsewhere)
    return failed.map(({ node }) => ({ suspect: 'node', node: node.node, why: 'itsConnections' }));
  if (failed.length > 1) return [{ suspect: 'node', node: ownNode, why: 'itsEndpoints' }];
  // One node against the endpoint's own: what that node does with endpoints of others decides.
  const others = all.filter((each) => each.ownNode !== ownNode && each.ownNode !== first.node.node);
  if (others.some((each) => each.reachedFrom.some(({ node }) => node === first.node.node)))
    return [{ suspect: 'node', node: ownNode, why: 'itsEndpoints' }];
  if (
    others.some((each) => each.failed.some(({ node }) => node.node === first.node.node) && each.reachedFrom.length > 0)
  )
    return [{ suspect: 'node', node: first.node.node, why: 'itsConnections' }];
  return [{ suspect: 'path', node: first.node.node }];
}

export function connectionTo(
  { read }: NodeFacts,
  { address, port, protocol }: Pick<ConnectTarget, 'address' | 'port' | 'protocol'>,
): Connection | undefined {
  return read?.connections?.find(
    (connection) =>
      connection.hop === 'Endpoint' &&
      connection.port === port &&
      connection.protocol === protocol &&
      isSameAddress(connection.address, address),
  );
}

/** `10.96.0.7:80/TCP: timeout after 2000 ms` */
export function connectionText({ address, port, protocol, outcome, error, milliseconds }: Connection): string {
  return `${hostPort(address, port)}/${protocol}: ${outcome}${error === undefined ? '' : ` (${error})`} after ${String(Math.round(milliseconds))} ms`;
}

/** `10.244.1.2:8080 (pod auth-2 on node-b)` */
export function endpointText(
  desired: DesiredService,
  { address, port }: Pick<ConnectTarget, 'address' | 'port'>,
): string {
  const endpoint = endpointOf(desired, address);
  const pod = endpoint?.targetRef?.kind === 'Pod' ? endpoint.targetRef.name : undefined;
  return `${hostPort(address, port)}${pod === undefined ? '' : ` (pod ${pod}${endpoint?.nodeName === undefined ? '' : ` on ${endpoint.nodeName}`})`}`;
}

/** Where a finding about an endpoint is: its pod, where it has one. */
export function endpointPlace(desired: DesiredService, { address }: Pick<ConnectTarget, 'address'>): string {
  const endpoint = endpointOf(desired, address);
  return endpoint?.targetRef?.kind === 'Pod' && endpoint.targetRef.name !== undefined
    ? `pod/${endpoint.targetRef.name}`
    : `endpoint/${address}`;
}

function endpointOf(
  { endpointSlices }: DesiredService,
  address: string,
): DesiredService['endpointSlices'][number]['endpoints'][number] | undefined {
  return endpointSlices
    .flatMap(({ endpoints }) => endpoints)
    .find(({ addresses }) => addresses.some((each) => isSameAddress(each, address)));
}
