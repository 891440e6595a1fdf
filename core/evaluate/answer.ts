/** The answer to a connection's first packet: what it is as it comes to a machine, and its verdict there. */
import { isSameAddress } from '../net/address.ts';
import { isOwnAddress } from './walk-hooks.ts';
import type { Leaf, Machine, Packet } from './walk.ts';

/**
 * The answer as it comes to the machine that the first packet went through: from where that was sent to, to the source
 * that it had then.
 * @param own the address that the machine puts in where it masquerades
 */
export function answerTo(
  packet: Packet,
  { dnat, masquerade, connection }: Leaf,
  machine: Machine,
  own: string,
): Packet {
  const source = dnat?.address ?? packet.destination;
  return {
    source,
    sourcePort: dnat?.port ?? packet.destinationPort,
    destination: masquerade ? own : packet.source,
    destinationPort: masquerade ? 0 : (packet.sourcePort ?? 0),
    protocol: packet.protocol,
    entersAt: isOwnAddress(machine, source) ? 'OUTPUT' : 'PREROUTING',
    // It comes back by the interface by which the first packet left.
    ...(packet.outInterface === undefined ? {} : { inInterface: packet.outInterface }),
    ...(packet.inInterface === undefined ? {} : { outInterface: packet.inInterface }),
    answers: connection === undefined ? {} : { connection },
  };
}

/** The verdict on an answer: it comes to the client as the answer of whom the client asked; it is stopped; or it comes as somebody else's, and the client has no use for it; or a rule takes it of which it is not known what it does. */
export type AnswerFate = 'arrives' | 'stopped' | 'lost' | 'unknown';

export function fateOf(first: Packet, answer: Packet, { verdict, turned, dnat }: Leaf): AnswerFate {
  if (verdict === 'DROP' || verdict === 'REJECT') return 'stopped';
  if (verdict === 'UNKNOWN') return 'unknown';
  const source = turned?.source ?? { address: answer.source, port: answer.sourcePort };
  const destination = dnat ?? turned?.destination ?? { address: answer.destination };
  return isSameAddress(source.address, first.destination) &&
    source.port === first.destinationPort &&
    isSameAddress(destination.address, first.source)
    ? 'arrives'
    : 'lost';
}
