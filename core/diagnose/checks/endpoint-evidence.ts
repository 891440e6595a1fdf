/**
 * What connections say of an endpoint: those that conntrack holds on any node, and those of the active check. A refused
 * connection leaves no entry: the kernel deletes it with the RST (nf_conntrack_proto_tcp.c), unless a SYN/ACK came before.
 */
import { hostPort, comparableAddress } from '../../net/address.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import type { RecordOf } from '../../wire/node-report.ts';
import { oncePer } from '../../lib/once-per.ts';
import type { Protocol } from '../../net/family.ts';
import { isReached } from './connections.ts';

type Group = RecordOf<'conntrack'>['groups'][number];

export interface EndpointPort {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

export interface EndpointEvidence {
  /** Somebody had an answer. */
  readonly isAnswered: boolean;
  /** TCP entries that nobody answered, or that were reset before they were connections, as conntrack shows them on each node. */
  readonly failures: readonly string[];
}

const none: EndpointEvidence = { isAnswered: false, failures: [] };

export function endpointEvidence(
  nodes: readonly NodeFacts[],
  { address, port, protocol }: EndpointPort,
): EndpointEvidence {
  return evidenceByEndpoint(nodes).get(keyOf(address, port, protocol)) ?? none;
}

/** There may be thousands of endpoints, and every one is asked for. */
const evidenceByEndpoint = oncePer((nodes: readonly NodeFacts[]): ReadonlyMap<string, EndpointEvidence> => {
  const found = new Map<string, { isAnswered: boolean; failures: string[] }>();
  const at = (key: string): { isAnswered: boolean; failures: string[] } => {
    const own = found.get(key) ?? { isAnswered: false, failures: [] };
    found.set(key, own);
    return own;
  };
  for (const { node, read } of nodes) {
    for (const connection of read?.connections ?? []) {
      if (connection.hop === 'Endpoint' && isReached(connection) === true)
        at(keyOf(connection.address, connection.port, connection.protocol)).isAnswered = true;
    }
    for (const group of read?.conntrack?.groups ?? []) {
      const answer = answerOf(group);
      const { protocol, replySource, replySourcePort } = group;
      const own = at(keyOf(replySource, replySourcePort, protocol));
      if (answer === 'answered') own.isAnswered = true;
      else if (answer !== undefined && protocol === 'tcp')
        own.failures.push(
          `conntrack of ${node}: ${String(group.entries)} x tcp ${group.state ?? ''} to ${hostPort(replySource, replySourcePort)}, ${answer === 'reset' ? 'reset before it was a connection' : 'not answered'}`,
        );
    }
  }
  return found;
});

function keyOf(address: string, port: number, protocol: string): string {
  return `${comparableAddress(address)} ${String(port)} ${protocol.toUpperCase()}`;
}

/** Undefined where the entry says neither: one that was reset, where it is not known whether it was a connection before. */
export function answerOf({ state, unreplied, assured }: Group): 'answered' | 'unanswered' | 'reset' | undefined {
  if (unreplied) return 'unanswered';
  if (state !== 'CLOSE') return 'answered';
  return assured === undefined ? undefined : assured ? 'answered' : 'reset';
}
