/**
 * What the kernel reports of one connection (nfnetlink_conntrack.h; net/netfilter/nf_conntrack_netlink.c,
 * ctnetlink_conntrack_event): an entry as it is in netlink, and what happened to it. Numbers are big-endian. There may be thousands
 * in a second, in a probe without an optimizing compiler: attributes are read where they stand.
 */
import { addressText } from '../net/address.ts';
import { ipProtocolName } from '../net/ip-protocol.ts';
import { tcpStates } from '../net/tcp-state.ts';
import { present } from '../lib/present.ts';
import {
  bigEndian,
  isLittleEndian,
  NetlinkError,
  padded,
  viewOf,
  type NetlinkMessage,
} from '../nftables/netlink/message.ts';
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

/** An entry's fields, as they are found. */
interface Found {
  readonly original: FoundTuple;
  readonly reply: FoundTuple;
  status: number;
  state?: number;
  timeout?: number;
  mark?: number;
  id?: number;
  zone: number;
  started?: number;
  stopped?: number;
}

interface FoundTuple {
  protocol: number;
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
  zone: number;
  packets?: number;
  bytes?: number;
  icmpType?: number;
  icmpCode?: number;
  icmpId?: number;
}

/** Undefined for a message that is none of an entry. Throws NetlinkError where it is not as the kernel writes it. */
export function parseConntrackEvent({ type, flags, payload }: NetlinkMessage): ConntrackEvent | undefined {
  if (type !== messageNew && type !== messageDelete) return undefined;
  const bits = families.get(payload[0] ?? 0);
  if (payload.length < header || bits === undefined)
    throw new NetlinkError('a message of conntrack has no family that is known');
  const view = viewOf(payload);
  const found: Found = { original: emptyTuple(), reply: emptyTuple(), status: 0, zone: 0 };
  eachAttribute(view, header, payload.length, (attributeType, at, end) => {
    readAttribute(found, view, bits, attributeType, at, end);
  });
  const { original, reply, status, state, timeout, mark, id, zone, started, stopped } = found;
  const { protocol } = original;
  return {
    kind: type === messageDelete ? 'Destroyed' : (flags & flagCreate) === 0 ? 'Updated' : 'New',
    entry: {
      family: bits === 32 ? 'IPv4' : 'IPv6',
      protocol: ipProtocolName(protocol) ?? 'unknown',
      protocolNumber: protocol,
      ...(state === undefined || protocol !== 6 ? {} : present({ state: tcpStates[state] })),
      ...(timeout === undefined ? {} : { timeout }),
      unreplied: (status & seenReply) === 0,
      assured: (status & assured) !== 0,
      ...(mark === undefined ? {} : { mark }),
      ...(zone === 0 ? {} : { zone }),
      ...(id === undefined ? {} : { id }),
      original: tupleOf(original),
      reply: tupleOf(reply),
    },
    ...(started === undefined ? {} : { started }),
    ...(stopped === undefined ? {} : { stopped }),
  };
}

function readAttribute(found: Found, view: DataView, bits: 32 | 128, type: number, at: number, end: number): void {
  switch (type) {
    case attribute.original:
      readTuple(found.original, view, bits, at, end);
      break;
    case attribute.reply:
      readTuple(found.reply, view, bits, at, end);
      break;
    case attribute.status:
      found.status = numberAt(view, at, end);
      break;
    case attribute.protocolInfo:
      // CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE.
      eachAttribute(view, at, end, (of, from, to) => {
        if (of === 1)
          eachAttribute(view, from, to, (field, start, stop) => {
            if (field === 1) found.state = numberAt(view, start, stop);
          });
      });
      break;
    case attribute.timeout:
      found.timeout = numberAt(view, at, end);
      break;
    case attribute.mark:
      found.mark = numberAt(view, at, end);
      break;
    case attribute.countersOriginal:
      readCounters(found.original, view, at, end);
      break;
    case attribute.countersReply:
      readCounters(found.reply, view, at, end);
      break;
    case attribute.id:
      found.id = numberAt(view, at, end);
      break;
    case attribute.zone:
      found.zone = numberAt(view, at, end);
      break;
    case attribute.timestamp:
      eachAttribute(view, at, end, (of, from, to) => {
        if (of === 1) found.started = millisecondsAt(view, from, to);
        if (of === 2) found.stopped = millisecondsAt(view, from, to);
      });
      break;
    default:
  }
}

/** CTA_TUPLE_IP, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE. */
function readTuple(tuple: FoundTuple, view: DataView, bits: 32 | 128, at: number, end: number): void {
  eachAttribute(view, at, end, (type, from, to) => {
    if (type === 1)
      eachAttribute(view, from, to, (of, start, stop) => {
        const isDestination = of === (bits === 32 ? 2 : 4);
        if (!isDestination && of !== (bits === 32 ? 1 : 3)) return;
        const text = addressAt(view, bits, start, stop);
        if (isDestination) tuple.destination = text;
        else tuple.source = text;
      });
    else if (type === 2)
      eachAttribute(view, from, to, (of, start, stop) => {
        const field = protocolFields[of];
        if (field !== undefined) tuple[field] = numberAt(view, start, stop);
      });
    else if (type === 3) tuple.zone = numberAt(view, from, to);
  });
}

/** enum ctattr_l4proto. */
const protocolFields = [
  undefined,
  'protocol',
  'sourcePort',
  'destinationPort',
  'icmpId',
  'icmpType',
  'icmpCode',
  'icmpId',
  'icmpType',
  'icmpCode',
] as const;

function readCounters(tuple: FoundTuple, view: DataView, at: number, end: number): void {
  eachAttribute(view, at, end, (type, from, to) => {
    if (type === 1) tuple.packets = numberAt(view, from, to);
    if (type === 2) tuple.bytes = numberAt(view, from, to);
  });
}

const emptyTuple = (): FoundTuple => ({
  protocol: -1,
  source: '',
  destination: '',
  sourcePort: 0,
  destinationPort: 0,
  zone: 0,
});

function tupleOf({ protocol, source, destination, sourcePort, destinationPort, zone, ...more }: FoundTuple): Tuple {
  if (protocol < 0 || source === '' || destination === '')
    throw new NetlinkError('an entry of conntrack has no addresses or no protocol');
  const { packets, bytes, icmpType, icmpCode, icmpId = 0 } = more;
  return {
    source,
    sourcePort,
    destination,
    destinationPort,
    ...(icmpType === undefined || icmpCode === undefined
      ? {}
      : { icmp: { type: icmpType, code: icmpCode, id: icmpId } }),
    ...(packets === undefined || bytes === undefined ? {} : { counters: { packets, bytes } }),
    ...(zone === 0 ? {} : { zone }),
  };
}

/** Throws NetlinkError where one is cut off. */
function eachAttribute(
  view: DataView,
  from: number,
  to: number,
  visit: (type: number, at: number, end: number) => void,
): void {
  for (let at = from; at < to;) {
    if (at + 4 > to) throw new NetlinkError('an attribute is cut off');
    const length = view.getUint16(at, isLittleEndian);
    if (length < 4 || at + length > to)
      throw new NetlinkError(`an attribute has the impossible length ${String(length)}`);
    // The two highest bits say that it is nested, or big-endian.
    visit(view.getUint16(at + 2, isLittleEndian) & 0x3fff, at + 4, at + length);
    at += padded(length);
  }
}

function numberAt(view: DataView, at: number, end: number): number {
  switch (end - at) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at);
    case 4:
      return view.getUint32(at);
    case 8:
      return Number(view.getBigUint64(at));
    default:
      throw new NetlinkError(`a number of conntrack has ${String(end - at)} bytes`);
  }
}

function addressAt(view: DataView, bits: 32 | 128, at: number, end: number): string {
  if (end - at !== bits / 8) throw new NetlinkError('an entry of conntrack has an address of another length');
  if (bits === 32)
    return `${String(view.getUint8(at))}.${String(view.getUint8(at + 1))}.${String(view.getUint8(at + 2))}.${String(view.getUint8(at + 3))}`;
  return addressText(bigEndian(new Uint8Array(view.buffer, view.byteOffset + at, 16)), 128);
}

/** Nanoseconds are more than a number holds. */
function millisecondsAt(view: DataView, at: number, end: number): number {
  if (end - at !== 8) throw new NetlinkError('a time of conntrack is not eight bytes long');
  return Number(view.getBigUint64(at) / 1000n) / 1000;
}
