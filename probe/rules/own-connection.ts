/** Whose a connection is: an entry of conntrack names no Service. */
import type { ConntrackEntry } from '../../core/conntrack/parse-entry.ts';
import { isSameAddress } from '../../core/net/address.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';

/**
 * It is this Service's where it was sent to an address that nobody else has. Whatever a tenant writes into externalIPs may be of
 * the world outside, where others have been connected to before: there, an entry counts only where it was sent elsewhere, as
 * kube-proxy's rules of this Service do it.
 */
export function isOwnConnection(
  entry: Pick<ConntrackEntry, 'protocol' | 'original' | 'reply'>,
  { clusterIPs, ownIPs = [], ports }: ProbeRequestService,
  nodeAddresses: readonly string[],
): boolean {
  const { destination, destinationPort } = entry.original;
  const isTo = (address: string): boolean => isSameAddress(address, destination);
  return ports.some(({ protocol, port, nodePort }) => {
    if (protocol.toLowerCase() !== entry.protocol) return false;
    if (
      destinationPort === port &&
      (clusterIPs.some(isTo) || (!isSameAddress(entry.reply.source, destination) && ownIPs.some(isTo)))
    )
      return true;
    return destinationPort === nodePort && nodeAddresses.some((address) => isSameAddress(address, destination));
  });
}
