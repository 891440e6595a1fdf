/**
 * What the kernel reports of one connection (nfnetlink_conntrack.h; net/netfilter/nf_conntrack_netlink.c,
 * ctnetlink_conntrack_event): an entry as it is in netlink, and what happened to it. Numbers are big-endian.
 */
import { addressText } from '../net/address.ts';
import { ipProtocolName } from '../net/ip-protocol.ts';
import { tcpStates } from '../net/tcp-state.ts';
import { present } from '../lib/present.ts';
import { bigEndian, NetlinkAttributes, NetlinkError, type NetlinkMessage } from '../nftables/netlink/message.ts';
import type { ConntrackEntry, Tuple } from './parse-entry.ts';

export interface ConntrackEvent {
  readonly kind: 'New' | 'Updated' | 'Destroyed';
  readonly entry: ConntrackEntry;
  /** Where the kernel stamps (net.netfilter.nf_conntrack_timestamp): milliseconds since 1970. */
  readonly started?: number;
  readonly stopped?: number;
}

/** NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_DELETE; NLM_F_CREATE, without which it is an update. */
const [messageNew, messageDelete] = [0x100, 0x102];
const flagCreate = 0x400;
/** struct nfgenmsg, whose first byte is the family. */
const header = 4;
const families: ReadonlyMap<number, 32 | 128> = new Map([
  [2, 32],
  [10, 128],
]);

/** enum ctattr_type. */
const attribute = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  countersOriginal: 9,
  countersReply: 10,
  id: 12,
  zone: 18,
  timestamp: 20,
} as const;

/** IPS_SEEN_REPLY, IPS_ASSURED. */
const [seenReply, assured] = [2, 4];

/** Undefined for a message that is none of an entry. Throws NetlinkError where it is not as the kernel writes it. */
export function parseConntrackEvent({ type, flags, payload }: NetlinkMessage): ConntrackEvent | undefined {
  if (type !== messageNew && type !== messageDelete) return undefined;
  const bits = families.get(payload[0] ?? 0);
  if (payload.length < header || bits === undefined)
    throw new NetlinkError('a message of conntrack has no family that is known');
  const all = new NetlinkAttributes(payload.subarray(header));
  const { protocol, ...original } = tupleOf(
    all.nested(attribute.original),
    bits,
    all.nested(attribute.countersOriginal),
  );
  const reply = tupleOf(all.nested(attribute.reply), bits, all.nested(attribute.countersReply));
  const status = all.number(attribute.status) ?? 0;
  const state = protocol === 6 ? all.nested(attribute.protocolInfo)?.nested(1)?.number(1) : undefined;
  const zone = all.number(attribute.zone);
  const times = all.nested(attribute.timestamp);
  return {
    kind: type === messageDelete ? 'Destroyed' : (flags & flagCreate) === 0 ? 'Updated' : 'New',
    entry: {
      family: bits === 32 ? 'IPv4' : 'IPv6',
      protocol: ipProtocolName(protocol) ?? 'unknown',
      protocolNumber: protocol,
      ...present({ state: state === undefined ? undefined : tcpStates[state] }),
      ...present({ timeout: all.number(attribute.timeout) }),
      unreplied: (status & seenReply) === 0,
      assured: (status & assured) !== 0,
      ...present({
        mark: all.number(attribute.mark),
        zone: zone === 0 ? undefined : zone,
        id: all.number(attribute.id),
      }),
      original: original.tuple,
      reply: reply.tuple,
    },
    ...present({ started: millisecondsOf(times?.bytes(1)), stopped: millisecondsOf(times?.bytes(2)) }),
  };
}

function tupleOf(
  tuple: NetlinkAttributes | undefined,
  bits: 32 | 128,
  counts: NetlinkAttributes | undefined,
): { readonly protocol: number; readonly tuple: Tuple } {
  const [addresses, protocolPart] = [tuple?.nested(1), tuple?.nested(2)];
  const protocol = protocolPart?.number(1);
  if (addresses === undefined || protocolPart === undefined || protocol === undefined)
    throw new NetlinkError('an entry of conntrack has no addresses or no protocol');
  const address = (type: number): string => {
    const bytes = addresses.bytes(type);
    if (bytes?.length !== bits / 8) throw new NetlinkError('an entry of conntrack has an address of another length');
    return addressText(bigEndian(bytes), bits);
  };
  const [source, destination] = bits === 32 ? [address(1), address(2)] : [address(3), address(4)];
  const [packets, bytes] = [counts?.number(1), counts?.number(2)];
  const zone = tuple?.number(3);
  return {
    protocol,
    tuple: {
      source,
      sourcePort: protocolPart.number(2) ?? 0,
      destination,
      destinationPort: protocolPart.number(3) ?? 0,
      ...present({ icmp: icmpOf(protocolPart, bits) }),
      ...(packets === undefined || bytes === undefined ? {} : { counters: { packets, bytes } }),
      ...(zone === undefined || zone === 0 ? {} : { zone }),
    },
  };
}

/** CTA_PROTO_ICMP_ID, _TYPE, _CODE, and the three of ICMPv6. */
function icmpOf(protocol: NetlinkAttributes, bits: 32 | 128): Tuple['icmp'] {
  const first = bits === 32 ? 4 : 7;
  const [id, type, code] = [first, first + 1, first + 2].map((each) => protocol.number(each));
  return type === undefined || code === undefined ? undefined : { type, code, id: id ?? 0 };
}

/** Nanoseconds are more than a number holds. */
function millisecondsOf(bytes: Uint8Array | undefined): number | undefined {
  return bytes === undefined ? undefined : Number(bigEndian(bytes) / 1000n) / 1000;
}
