/** One reading of an nft table that nothing changed in between. */
import type { Family } from '../../core/net/family.ts';
import { NetlinkError } from '../../core/nftables/netlink/message.ts';
import type { Commands } from '../io/commands.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { NetlinkNftTable, ChangedError } from './nft-netlink.ts';
import { type NftTable, listNftTable } from './nft-table.ts';

/**
 * Reads over netlink; where the rules change each time, or hold what is not known there, or where there is no netlink
 * for us, from a listing.
 * @param read asks for all that is wanted; it is begun again where the table changed, and its result is taken whole
 * @returns why it could not be read, where the listing fails as well
 */
export async function readNftTable<Result>(
  commands: Commands,
  family: Family,
  table: string,
  read: (table: NftTable) => Promise<Result>,
): Promise<{ readonly result: Result } | { readonly problem: string }> {
  let socket = new NetlinkSocket(commands);
  try {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      try {
        return { result: await read(new NetlinkNftTable(socket, family, table)) };
      } catch (error) {
        if (error instanceof NetlinkError && socket.hasWornOut) {
          socket.close();
          socket = new NetlinkSocket(commands);
        } else if (error instanceof NetlinkError) break;
        else if (!(error instanceof ChangedError)) throw error;
      }
    }
  } finally {
    socket.close();
  }
  const listing = await listNftTable(commands, family, table);
  return 'problem' in listing ? listing : { result: await read(listing) };
}

/** kube-proxy writes once a second at most, and a reading takes some milliseconds. */
const attempts = 3;
