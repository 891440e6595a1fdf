/** What a packet looks like at some point of its path, and what conntrack takes it for there. */
import type { Branch, Packet, Zone } from './walk.ts';

/** undefined where it has been rewritten to an address that the kernel chose. */
export function sourceOf({ source }: Packet, { masqueradedBy, turned }: Branch): string | undefined {
  return turned?.source?.address ?? (masqueradedBy === undefined ? source : undefined);
}

export function sourcePortOf({ sourcePort }: Packet, { masqueradedBy, turned }: Branch): number | undefined {
  return turned?.source === undefined ? (masqueradedBy === undefined ? sourcePort : undefined) : turned.source.port;
}

export function destinationOf({ destination }: Packet, { dnat, turned }: Branch): string {
  return turned?.destination?.address ?? dnat?.address ?? destination;
}

/** undefined for an answer to a client whose port is not known. */
export function destinationPortOf({ destinationPort, answers }: Packet, { dnat, turned }: Branch): number | undefined {
  if (turned?.destination !== undefined) return turned.destination.port;
  return dnat?.port ?? (answers !== undefined && destinationPort === 0 ? undefined : destinationPort);
}

/** No packet is longer, and none is shorter. */
export const packetBytes = { from: 28, to: 65_535 } as const;

export const defaultZone: Zone = { original: 0, reply: 0 };

/**
 * What conntrack takes the packet for once it has seen it. An answer whose connection it does not find, for rules have
 * put the two into different zones or kept one of them from conntrack, is a new connection of its own, or none at all:
 * TCP and SCTP do not begin with an answer (nf_conntrack_proto_tcp.c tcp_new, nf_conntrack_proto_sctp.c sctp_new).
 */
export function trackedAs(
  { answers, protocol }: Packet,
  { untracked, zone }: Branch,
): 'new' | 'answer' | 'invalid' | 'untracked' {
  if (untracked === true) return 'untracked';
  if (answers === undefined) return 'new';
  // The key of a lookup is the zone for that direction (nf_conntrack_core.c nf_ct_key_equal).
  if (answers.connection !== undefined && answers.connection.zone.reply === (zone ?? defaultZone).reply)
    return 'answer';
  return protocol === 'UDP' ? 'new' : 'invalid';
}
