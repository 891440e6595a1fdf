/** One reading of nf_tables over netlink that nothing changed in between. */
import { NetlinkError } from '../../core/nftables/netlink/message.ts';
import type { Commands } from '../io/commands.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { ChangedError } from './nft-generation.ts';

/** kube-proxy writes once a second at most, and a reading takes some milliseconds. */
const attempts = 3;

/**
 * @param read asks for all that is wanted; it is begun again where the rules changed, and its result is taken whole
 * @returns undefined where the rules change each time, or hold what is not known over netlink, or where there is no netlink for us
 */
export async function readOverNetlink<Result>(
  commands: Commands,
  read: (socket: NetlinkSocket) => Promise<Result>,
): Promise<{ readonly result: Result } | undefined> {
  let socket = new NetlinkSocket(commands);
  try {
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      try {
        return { result: await read(socket) };
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
  return undefined;
}
