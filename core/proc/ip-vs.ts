/**
 * The virtual servers of /proc/net/ip_vs: `TCP  0A600007:0050 rr`, `UDP  [fd00:0000:0000:0000:0000:0000:0000:0007]:0035 rr`.
 * Unlike in other files of /proc, the address is in the order of the network. Source: net/netfilter/ipvs/ip_vs_ctl.c
 * ip_vs_info_seq_show.
 */
import { canonicalAddress } from '../net/address.ts';
import type { Protocol } from '../net/family.ts';

export interface ProcVirtualServer {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** Those by address; servers by firewall mark, and real servers, are left out. */
export function parseProcVirtualServers(text: string): ProcVirtualServer[] {
  return text.split('\n').flatMap((line) => {
    const [, protocol, v4, v6, port] =
      /^(TCP|UDP|SCTP)\s+(?:([0-9A-F]{8})|\[([0-9a-f:]+)\]):([0-9A-F]{4})\s/.exec(`${line} `) ?? [];
    const address = canonicalAddress(
      v4 === undefined ? (v6 ?? '') : (v4.match(/../g) ?? []).map((byte) => String(parseInt(byte, 16))).join('.'),
    );
    if (
      address === undefined ||
      port === undefined ||
      (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP')
    )
      return [];
    return [{ protocol, address, port: parseInt(port, 16) }];
  });
}
