/** One reading of an nft table that nothing changed in between. */
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import { NftGeneration } from './nft-generation.ts';
import { NetlinkNftTable } from './nft-netlink.ts';
import { type NftTable, listNftTable } from './nft-table.ts';
import { readOverNetlink } from './over-netlink.ts';

/**
 * Reads over netlink; where that cannot be had, from a listing.
 * @param read asks for all that is wanted; it is begun again where the table changed, and its result is taken whole
 * @returns why it could not be read, where the listing fails as well
 */
export async function readNftTable<Result>(
  commands: Commands,
  family: Family,
  table: string,
  read: (table: NftTable) => Promise<Result>,
): Promise<{ readonly result: Result } | { readonly problem: string }> {
  const reading = await readOverNetlink(commands, (socket) =>
    read(new NetlinkNftTable(new NftGeneration(socket, family), table)),
  );
  if (reading !== undefined) return reading;
  const listing = await listNftTable(commands, family, table);
  return 'problem' in listing ? listing : { result: await read(listing) };
}
