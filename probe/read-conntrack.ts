/** Counts, and lists where that is asked for, the conntrack entries of Services. */
import { readFile } from 'node:fs/promises';
import { isSameAddress } from '../core/net/address.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import { parseConntrackLine, type ConntrackEntry } from '../core/conntrack/parse-entry.ts';
import { present } from '../core/lib/present.ts';
import type { ProbeRequest, ProbeRequestService } from '../core/wire/probe-request.ts';
import { familyOf, type Family } from '../core/net/family.ts';
import type { Commands } from './io/commands.ts';
import type { Emit } from './io/emit.ts';
import { isOwnConnection } from './rules/own-connection.ts';
import { provenAddresses } from './rules/service-selector.ts';

type Group = RecordOf<'conntrack'>['groups'][number];
type OtherPort = NonNullable<RecordOf<'conntrack'>['otherPorts']>[number];

/** Ports that the Service does not have are reported up to this many, and of each as many clients. */
const maxOtherPorts = 20;
const maxSources = 5;
/** Of a group of entries, so many addresses of clients are listed. */
const maxClients = 1000;

interface Tally {
  readonly service: ProbeRequestService;
  readonly groups: Map<string, { readonly group: Group; readonly clients: Set<string> }>;
  readonly lines: string[];
  readonly otherPorts: Map<string, OtherPort>;
  matched: number;
}

/** One pass over the table for each family that the Services have; an entry belongs to the frontend that it was sent to. */
export async function readConntrack(
  commands: Commands,
  request: ProbeRequest,
  nodeAddresses: readonly string[],
  emit: Emit,
): Promise<void> {
  const tallies = request.services.map((service): Tally => ({
    service,
    groups: new Map(),
    lines: [],
    otherPorts: new Map(),
    matched: 0,
  }));
  const families = new Set(request.services.flatMap(({ clusterIPs }) => clusterIPs.map(familyOf)));
  const problems: string[] = [];
  await Promise.all(
    [...families].map(async (family) => {
      const { status, problem } = await commands.stream(
        ['conntrack', '-L', '-f', family.toLowerCase(), '-o', 'extended'],
        (line) => {
          for (const tally of tallies) {
            // Most entries of a node are of other Services: a look at the text saves parsing them.
            if (!mayConcern(line, tally.service)) continue;
            const entry = parseConntrackLine(line);
            if (entry === undefined) continue;
            if (isOwnConnection(entry, tally.service, nodeAddresses)) add(tally, entry, line, request);
            else if (isToOtherPort(entry, tally.service)) addOtherPort(tally, entry);
          }
        },
      );
      if (status !== 0) problems.push(`${family}: ${problem}`);
    }),
  );
  if (problems.length > 0) {
    for (const { namespace, name } of request.services)
      emit({
        kind: 'unread',
        service: `${namespace}/${name}`,
        part: 'other',
        what: 'conntrack entries',
        reason: problems.join('; '),
      });
  } else {
    for (const { service, groups, lines, matched, otherPorts } of tallies) {
      const others = [...otherPorts.values()].sort((one, other) => other.entries - one.entries).slice(0, maxOtherPorts);
      emit({
        kind: 'conntrack',
        service: `${service.namespace}/${service.name}`,
        matched,
        groups: [...groups.values()].map(({ group, clients }) => ({ ...group, clients: clients.size })),
        lines,
        ...(others.length === 0 ? {} : { otherPorts: others }),
      });
    }
  }
  await readTableSize(emit);
}

function mayConcern(line: string, service: ProbeRequestService): boolean {
  return (
    provenAddresses(service).some((address) => line.includes(`dst=${address} `)) ||
    service.ports.some(({ nodePort }) => nodePort !== undefined && line.includes(`dport=${String(nodePort)} `))
  );
}

function add(tally: Tally, entry: ConntrackEntry, line: string, request: ProbeRequest): void {
  tally.matched += 1;
  if (request.collect.conntrack === 'Entries' && tally.lines.length < request.maxConntrackEntries)
    tally.lines.push(line);
  const family: Family = entry.family;
  const { destination, destinationPort } = entry.original;
  const { source: replySource, sourcePort: replySourcePort } = entry.reply;
  const assured = entry.state === 'CLOSE' ? entry.assured : undefined;
  const timeout = entry.state === 'SYN_SENT' && entry.unreplied ? entry.timeout : undefined;
  const key = [
    entry.protocol,
    entry.state,
    entry.unreplied,
    assured,
    destination,
    destinationPort,
    replySource,
    replySourcePort,
  ].join(' ');
  const { source } = entry.original;
  const known = tally.groups.get(key);
  if (known !== undefined) {
    const { group, clients } = known;
    group.entries += 1;
    if (timeout !== undefined) group.leastTimeout = Math.min(timeout, group.leastTimeout ?? timeout);
    if (clients.size < maxClients) clients.add(source);
  } else {
    const group: Group = {
      family,
      protocol: entry.protocol,
      ...present({ state: entry.state }),
      unreplied: entry.unreplied,
      ...present({ assured, leastTimeout: timeout }),
      destination,
      destinationPort,
      replySource,
      replySourcePort,
      entries: 1,
    };
    tally.groups.set(key, { group, clients: new Set([source]) });
  }
}

/**
 * A cluster IP is of one Service alone: what comes there on another port was meant for it. Other addresses may be shared.
 * An entry whose destination was changed is of a port that the Service had.
 */
function isToOtherPort(
  { original, reply, protocol }: ConntrackEntry,
  { clusterIPs, ports }: ProbeRequestService,
): boolean {
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') return false;
  if (
    !clusterIPs.some((address) => isSameAddress(address, original.destination)) ||
    !isSameAddress(reply.source, original.destination)
  )
    return false;
  return !ports.some((each) => each.protocol.toLowerCase() === protocol && each.port === original.destinationPort);
}

function addOtherPort({ otherPorts }: Tally, { family, protocol, original }: ConntrackEntry): void {
  const { source, destination, destinationPort } = original;
  const key = `${protocol} ${destination} ${destinationPort}`;
  const present = otherPorts.get(key);
  if (present === undefined)
    otherPorts.set(key, { family, protocol, destination, destinationPort, entries: 1, sources: [source] });
  else {
    present.entries += 1;
    if (present.sources.length < maxSources && !present.sources.includes(source)) present.sources.push(source);
  }
}

async function readTableSize(emit: Emit): Promise<void> {
  try {
    const [count, max] = await Promise.all(
      ['nf_conntrack_count', 'nf_conntrack_max'].map(async (name) =>
        Number(await readFile(`/proc/sys/net/netfilter/${name}`, 'utf8')),
      ),
    );
    if (count !== undefined && max !== undefined) emit({ kind: 'conntrackTable', count, max });
  } catch (error) {
    emit({
      kind: 'unread',
      part: 'other',
      what: 'size of the conntrack table',
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}
