/**
 * Connections that the kernel tracks, as lines of `conntrack -L [-o extended,id,ktimestamp,labels]` and of
 * /proc/net/nf_conntrack have them:
 * `ipv4 2 tcp 6 119 TIME_WAIT src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 src=10.244.3.3 dst=10.244.1.4
 * sport=8080 dport=47330 [ASSURED] mark=0 use=1`
 */
import { canonicalAddress } from '../net/address.ts';
import { familyOf, type Family } from '../net/family.ts';

/** One direction of a flow. Ports are 0 where the protocol has none. */
export interface Tuple {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Of ICMP and ICMPv6; the XML does not have it. */
  readonly icmp?: { readonly type: number; readonly code: number; readonly id: number };
  /** Where the kernel counts (net.netfilter.nf_conntrack_acct). */
  readonly counters?: { readonly packets: number; readonly bytes: number };
  /** Of a zone for this direction alone. */
  readonly zone?: number;
  /** Words of the direction that have no field here, such as `srckey=0x5` of GRE. */
  readonly others?: readonly string[];
}

export interface ConntrackEntry {
  readonly family: Family;
  /** tcp, udp, sctp, icmp …, lower case; `unknown` where the tool has no name for the number. */
  readonly protocol: string;
  readonly protocolNumber: number;
  /** Of tcp, sctp and dccp, such as ESTABLISHED. */
  readonly state?: string;
  /** Seconds until it goes, if no packet comes; an offloaded flow has none. */
  readonly timeout?: number;
  /** No packet has come back. */
  readonly unreplied: boolean;
  readonly assured: boolean;
  /** A flow table forwards it, in software or in the network card: its packets meet no rule. */
  readonly offload?: 'software' | 'hardware';
  readonly mark?: number;
  /** Of both directions; absent for zone 0. */
  readonly zone?: number;
  readonly id?: number;
  readonly use?: number;
  readonly original: Tuple;
  /** The reply: its source is who answers, after DNAT. */
  readonly reply: Tuple;
  /** Words that have no field here, as printed: `secctx=null`, `delta-time=5`, `[start=Wed Nov 25 14:31:39 2026]`. */
  readonly others?: readonly string[];
}

/** What text and XML say of an entry, by the names of the text. */
export interface ConntrackFields {
  readonly protocol: string;
  readonly protocolNumber: string;
  readonly state?: string;
  readonly timeout?: string;
  readonly flags: readonly string[];
  readonly original: ReadonlyMap<string, string>;
  readonly reply: ReadonlyMap<string, string>;
  readonly both: ReadonlyMap<string, string>;
  readonly others: readonly string[];
}

/** The entry, or undefined for a line that is none. */
export function parseConntrackLine(line: string): ConntrackEntry | undefined {
  const fields = readLine(line);
  return fields === undefined ? undefined : conntrackEntryOf(fields);
}

const tupleKeys = new Set([
  'src',
  'dst',
  'sport',
  'dport',
  'type',
  'code',
  'srckey',
  'dstkey',
  'packets',
  'bytes',
  'zone-orig',
  'zone-reply',
]);

/** A time in brackets has spaces. */
const words = /\[[^\]]*\]|\S+/g;

function readLine(line: string): ConntrackFields | undefined {
  const plain: string[] = [];
  const flags: string[] = [];
  const others: string[] = [];
  const tuples: Map<string, string>[] = [];
  const both = new Map<string, string>();
  for (const word of line.match(words) ?? []) {
    const at = word.indexOf('=');
    if (word.startsWith('[')) {
      if (at < 0 && word.endsWith(']')) flags.push(word.slice(1, -1));
      else others.push(word);
    } else if (at <= 0) plain.push(word);
    else {
      const key = word.slice(0, at);
      const value = word.slice(at + 1);
      if (key === 'src') tuples.push(new Map());
      const tuple = tuples.at(-1);
      if (tuple !== undefined && (tupleKeys.has(key) || (key === 'id' && isIcmpId(tuple))))
        tuple.set(key.startsWith('zone-') ? 'zone' : key, value);
      else if (both.has(key) || !entryKeys.has(key)) others.push(word);
      else both.set(key, value);
    }
  }
  // The layer 3 protocol and its number come first with -o extended, and not without.
  const start = plain[0] === 'ipv4' || plain[0] === 'ipv6' ? 2 : 0;
  const [protocol, protocolNumber, ...rest] = plain.slice(start);
  const [original, reply] = tuples;
  if (
    protocol === undefined ||
    protocolNumber === undefined ||
    original === undefined ||
    reply === undefined ||
    tuples.length > 2
  )
    return undefined;
  const timeout = /^\d+$/.test(rest[0] ?? '') ? rest.shift() : undefined;
  const state = /^[A-Z][A-Z0-9_]+$/.test(rest[0] ?? '') ? rest.shift() : undefined;
  return {
    protocol,
    protocolNumber,
    ...(timeout === undefined ? {} : { timeout }),
    ...(state === undefined ? {} : { state }),
    flags,
    original,
    reply,
    both,
    others: [...rest, ...others],
  };
}

/** The id of an entry comes behind both directions; that of an ICMP direction behind its type and code. */
function isIcmpId(tuple: ReadonlyMap<string, string>): boolean {
  return tuple.has('type') && !tuple.has('id');
}

const entryKeys = new Set(['mark', 'zone', 'id', 'use']);
const knownFlags = new Set(['UNREPLIED', 'ASSURED', 'OFFLOAD', 'HW_OFFLOAD']);

/** undefined where an address or a number is none. */
export function conntrackEntryOf({
  protocol,
  protocolNumber,
  state,
  timeout,
  flags,
  original: originalFields,
  reply: replyFields,
  both,
  others,
}: ConntrackFields): ConntrackEntry | undefined {
  const original = tupleOf(originalFields);
  const reply = tupleOf(replyFields);
  const numbers = [protocolNumber, timeout, both.get('mark'), both.get('zone'), both.get('id'), both.get('use')];
  if (
    original === undefined ||
    reply === undefined ||
    numbers.some((number) => number !== undefined && !/^\d+$/.test(number))
  )
    return undefined;
  const offload = flags.includes('HW_OFFLOAD') ? 'hardware' : flags.includes('OFFLOAD') ? 'software' : undefined;
  const rest = [...flags.filter((flag) => !knownFlags.has(flag)).map((flag) => `[${flag}]`), ...others];
  const zone = both.get('zone');
  return {
    family: familyOf(original.source),
    protocol: protocol.toLowerCase(),
    protocolNumber: Number(protocolNumber),
    ...(state === undefined ? {} : { state }),
    ...(timeout === undefined ? {} : { timeout: Number(timeout) }),
    unreplied: flags.includes('UNREPLIED'),
    assured: flags.includes('ASSURED'),
    ...(offload === undefined ? {} : { offload }),
    ...numberOf('mark', both.get('mark')),
    ...(zone === '0' ? {} : numberOf('zone', zone)),
    ...numberOf('id', both.get('id')),
    ...numberOf('use', both.get('use')),
    original,
    reply,
    ...(rest.length === 0 ? {} : { others: rest }),
  };
}

function numberOf<Name extends string>(name: Name, text: string | undefined): { readonly [key in Name]?: number } {
  return text === undefined ? {} : ({ [name]: Number(text) } as { readonly [key in Name]: number });
}

function tupleOf(fields: ReadonlyMap<string, string>): Tuple | undefined {
  const source = addressOf(fields.get('src'));
  const destination = addressOf(fields.get('dst'));
  const [sourcePort, destinationPort] = [portOf(fields.get('sport')), portOf(fields.get('dport'))];
  const [type, code, id] = [fields.get('type'), fields.get('code'), fields.get('id')];
  const [packets, bytes, zone] = [fields.get('packets'), fields.get('bytes'), fields.get('zone')];
  const isNumber = (text: string | undefined): boolean => text === undefined || /^\d+$/.test(text);
  if (
    source === undefined ||
    destination === undefined ||
    sourcePort === undefined ||
    destinationPort === undefined ||
    ![type, code, id, packets, bytes, zone].every(isNumber)
  )
    return undefined;
  const others = [...fields]
    .filter(([key]) => key === 'srckey' || key === 'dstkey')
    .map(([key, value]) => `${key}=${value}`);
  return {
    source,
    sourcePort,
    destination,
    destinationPort,
    ...(type === undefined || code === undefined
      ? {}
      : { icmp: { type: Number(type), code: Number(code), id: Number(id ?? 0) } }),
    ...(packets === undefined || bytes === undefined
      ? {}
      : { counters: { packets: Number(packets), bytes: Number(bytes) } }),
    ...(zone === undefined || zone === '0' ? {} : { zone: Number(zone) }),
    ...(others.length === 0 ? {} : { others }),
  };
}

/** /proc writes all of an IPv6 address: `fd00:0000:…:0004`. */
function addressOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(text)) return text;
  return text.includes(':') ? canonicalAddress(text) : undefined;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  const port = Number(text);
  return /^\d+$/.test(text) && port <= 65535 ? port : undefined;
}
