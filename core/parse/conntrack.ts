/**
 * Lines of `conntrack -L [-o extended]` and of /proc/net/nf_conntrack:
 * `ipv4 2 tcp 6 119 TIME_WAIT src=10.244.1.4 dst=10.96.214.4 sport=47330 dport=80 src=10.244.3.3 dst=10.244.1.4
 * sport=8080 dport=47330 [ASSURED] mark=0 use=1`
 */
import { familyOf, type Family } from '../service.ts';

/** One direction of a flow. Ports are 0 where the protocol has none. */
export interface Tuple {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export interface ConntrackEntry {
  readonly family: Family;
  /** tcp, udp, sctp, icmp …, lower case. */
  readonly protocol: string;
  /** Of tcp and sctp, such as ESTABLISHED. */
  readonly state?: string;
  /** No packet has come back. */
  readonly unreplied: boolean;
  readonly assured: boolean;
  readonly original: Tuple;
  /** The way back: its source is who answers, after DNAT. */
  readonly reply: Tuple;
}

/** The entry, or undefined for a line that is none. */
export function parseConntrackLine(line: string): ConntrackEntry | undefined {
  const words = line.trim().split(/\s+/);
  const tuples: { [key: string]: string }[] = [];
  const flags = new Set<string>();
  const plain: string[] = [];
  for (const word of words) {
    const flag = /^\[(\w+)\]$/.exec(word)?.[1];
    const pair = /^([a-z]+)=(.*)$/.exec(word);
    if (flag !== undefined) flags.add(flag);
    else if (pair === null) plain.push(word);
    else if (pair[1] === 'src') tuples.push({ src: pair[2] ?? '' });
    else {
      const tuple = tuples.at(-1);
      // Behind the second tuple come mark, use and the like, which belong to no tuple.
      if (tuple !== undefined && pair[1] !== undefined && ['dst', 'sport', 'dport'].includes(pair[1])) tuple[pair[1]] = pair[2] ?? '';
    }
  }
  // The layer 3 protocol and its number come first with -o extended, and not without.
  const start = plain[0] === 'ipv4' || plain[0] === 'ipv6' ? 2 : 0;
  const protocol = plain[start];
  const original = tupleOf(tuples[0]);
  const reply = tupleOf(tuples[1]);
  if (protocol === undefined || !/^\d+$/.test(plain[start + 1] ?? '') || original === undefined || reply === undefined) return undefined;
  const state = plain.slice(start + 2).find((word) => /^[A-Z][A-Z0-9_]+$/.test(word));
  return {
    family: familyOf(original.source),
    protocol: protocol.toLowerCase(),
    ...(state === undefined ? {} : { state }),
    unreplied: flags.has('UNREPLIED'),
    assured: flags.has('ASSURED'),
    original,
    reply,
  };
}

function tupleOf(fields: { readonly [key: string]: string } | undefined): Tuple | undefined {
  const source = fields?.['src'];
  const destination = fields?.['dst'];
  if (source === undefined || destination === undefined) return undefined;
  return { source, sourcePort: Number(fields?.['sport'] ?? 0), destination, destinationPort: Number(fields?.['dport'] ?? 0) };
}
