/** All addresses of the node's interfaces that are up. */
import { networkInterfaces } from 'node:os';

export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}
