/**
 * The connections of a session that are followed: gives events of the Services that were asked for, of no other, and what is
 * missing in between (docs/decisions/147-connections-as-events.md). Where nothing is followed, nothing runs.
 */
import { readFile } from 'node:fs/promises';
import type { ConntrackEntry } from '../../core/conntrack/parse-entry.ts';
import { parseConntrackEvent, type ConntrackEvent } from '../../core/conntrack/parse-event.ts';
import { present } from '../../core/lib/present.ts';
import { addressNumber } from '../../core/net/address.ts';
import { serviceProtocol } from '../../core/net/ip-protocol.ts';
import { tcpStates } from '../../core/net/tcp-state.ts';
import { bigEndianBytes, NetlinkError, parseNetlinkMessages } from '../../core/nftables/netlink/message.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type {
  ConnectionRecord,
  FollowRecord,
  WireConnectionEvent,
  WireConnectionGap,
} from '../../core/wire/watch-records.ts';
import { realCommands } from '../io/commands.ts';
import { ownAddresses } from '../io/own-addresses.ts';
import { isOwnConnection } from '../rules/own-connection.ts';
import { provenAddresses } from '../rules/service-selector.ts';
import { connectionFilter } from './connection-filter.ts';
import { ConntrackEvents, type ConntrackEventTime } from './conntrack-events.ts';

export interface Followed {
  readonly service: ProbeRequestService;
  /** Summary: those that are alike are counted together, without their clients. */
  readonly detail: 'Summary' | 'Entries';
}

export interface ConnectionWatchParts {
  readonly emit: (record: ConnectionRecord | FollowRecord) => void;
  /** Replaced by tests. */
  readonly start?: (
    ...args: ConstructorParameters<typeof ConntrackEvents>
  ) => Pick<ConntrackEvents, 'want' | 'ended' | 'end'>;
  /** Of the node's interfaces. */
  readonly nodeAddresses?: () => readonly string[];
  /** Why the kernel reports no connection; undefined where it does. */
  readonly kernelProblem?: () => Promise<string | undefined>;
}

/** What came is given together after so long. */
const flushMilliseconds = 100;
/** Of one Service between two flushes, or while its peer does not read; what is more is counted as dropped. */
const maxEvents = 2000;
/** Interfaces come and go: their addresses are read again after so long. */
const addressesMilliseconds = 10_000;
/** Kinds of entries whose owners are remembered. */
const maxOwners = 10_000;
/** A program that ended is started again. */
const restarting = { first: 1000, last: 30_000 };

interface FollowedService extends Followed {
  isFollowed: boolean;
  /** Of one that was followed, and is not: everything up to here has been given, by the node's clock. */
  knownUntil: number | undefined;
  /** Why it is not followed, as it was given. */
  problem: string | undefined;
  /** In the order of their first ones; where they are counted together, by what they share. */
  events: Map<string, WireConnectionEvent>;
  /** What had no room. */
  dropped: WireConnectionGap | undefined;
  gaps: WireConnectionGap[];
}

export class ConnectionWatch {
  readonly #parts: ConnectionWatchParts;
  readonly #followed = new Map<string, FollowedService>();
  /** By destination address, and by node port. */
  #byAddress = new Map<string, FollowedService[]>();
  #byPort = new Map<number, FollowedService[]>();
  /** Whose an entry is, by what that depends on: most have been seen before. */
  #owners = new Map<string, readonly FollowedService[]>();
  #events: Pick<ConntrackEvents, 'want' | 'ended' | 'end'> | undefined;
  #ended = new AbortController();
  /** Up to here, everything has been given: by the node's clock. */
  #knownUntil = 0;
  #failures = 0;
  #isHeld = false;
  #lastKey = 0;
  #flushTimer: NodeJS.Timeout | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #addresses: { readonly all: readonly string[]; readonly readAt: number } | undefined;

  constructor(parts: ConnectionWatchParts) {
    this.#parts = parts;
  }

  /** From now on, these are followed. */
  set(followed: readonly Followed[]): void {
    const before = new Map(this.#followed);
    this.#followed.clear();
    let isNew = false;
    for (const { service, detail } of followed) {
      const key = nameOf(service);
      const present = before.get(key);
      if (present?.detail === detail && JSON.stringify(present.service) === JSON.stringify(service)) {
        this.#followed.set(key, present);
        continue;
      }
      isNew = true;
      this.#followed.set(key, {
        service,
        detail,
        isFollowed: false,
        knownUntil: undefined,
        problem: undefined,
        events: new Map(),
        dropped: undefined,
        gaps: [],
      });
    }
    const isFewer = [...before.keys()].some((key) => !this.#followed.has(key));
    if (this.#followed.size === 0) this.#stop();
    else if (isNew || isFewer) {
      this.#index();
      void this.#want();
    }
  }

  /** While it is held, nothing is given. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#flush();
  }

  end(): void {
    this.#followed.clear();
    this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#restartTimer);
    this.#flushTimer = undefined;
    this.#restartTimer = undefined;
    this.#ended.abort();
    this.#events?.end();
    this.#events = undefined;
    this.#failures = 0;
  }

  #index(): void {
    this.#byAddress = new Map();
    this.#byPort = new Map();
    this.#owners.clear();
    const add = <Key>(index: Map<Key, FollowedService[]>, key: Key, followed: FollowedService): void => {
      index.set(key, [...(index.get(key) ?? []), followed]);
    };
    for (const followed of this.#followed.values()) {
      for (const address of provenAddresses(followed.service)) {
        const number = addressNumber(address);
        if (number !== undefined) add(this.#byAddress, keyOfNumber(number), followed);
      }
      for (const { nodePort } of followed.service.ports)
        if (nodePort !== undefined) add(this.#byPort, nodePort, followed);
    }
  }

  /** Has the program hear of what is followed now; starts it where it does not run. */
  async #want(): Promise<void> {
    if (this.#restartTimer !== undefined) return;
    const problem = await (this.#parts.kernelProblem ?? eventsProblem)();
    if (this.#followed.size === 0) return;
    if (problem !== undefined) {
      this.#notFollowed(problem);
      this.#restart();
      return;
    }
    const events = (this.#events ??= this.#start());
    const asked = [...this.#followed.values()];
    const since = await events.want(this.#filter());
    // It ended: whoever starts it again asks again.
    if (since === undefined || events !== this.#events) return;
    this.#failures = 0;
    for (const followed of asked) {
      if (this.#followed.get(nameOf(followed.service)) !== followed || followed.isFollowed) continue;
      followed.isFollowed = true;
      followed.problem = undefined;
      this.#parts.emit({ kind: 'connectionsFollowed', service: nameOf(followed.service), since });
      // What came while the program did not run.
      if (followed.knownUntil !== undefined) addGap(followed, { earliest: followed.knownUntil, latest: since });
    }
    this.#knownUntil = Math.max(since, this.#knownUntil);
    this.#flushSoon();
  }

  #filter(): Buffer {
    const addresses = [...this.#byAddress.keys()].flatMap((key) => {
      const [bits, value] = key.split(' ');
      return value === undefined ? [] : [bigEndianBytes(BigInt(value), Number(bits) / 8)];
    });
    return connectionFilter({ addresses, ports: [...this.#byPort.keys()] });
  }

  #start(): Pick<ConntrackEvents, 'want' | 'ended' | 'end'> {
    this.#ended = new AbortController();
    const { signal } = this.#ended;
    const start =
      this.#parts.start ?? ((...args: ConstructorParameters<typeof ConntrackEvents>) => new ConntrackEvents(...args));
    const events = start(realCommands(Infinity, signal), {
      onMessages: (messages, time) => {
        this.#received(messages, time);
      },
      onDropped: (count, { latest, span }) => {
        this.#gap({ earliest: latest - span, latest, ...present({ dropped: count }) });
      },
    });
    void events.ended.then((problem) => {
      if (signal.aborted || events !== this.#events) return;
      this.#events = undefined;
      this.#notFollowed(`what the kernel reports of connections cannot be read: ${problem}`);
      this.#restart();
    });
    return events;
  }

  #restart(): void {
    this.#failures += 1;
    const pause = Math.min(restarting.first * 2 ** (this.#failures - 1), restarting.last);
    this.#restartTimer ??= setTimeout(() => {
      this.#restartTimer = undefined;
      void this.#want();
    }, pause);
  }

  #notFollowed(problem: string): void {
    for (const followed of this.#followed.values()) {
      if (followed.isFollowed) followed.knownUntil = this.#knownUntil;
      followed.isFollowed = false;
      if (followed.problem === problem) continue;
      followed.problem = problem;
      this.#parts.emit({ kind: 'connectionsFollowed', service: nameOf(followed.service), problem });
    }
  }

  #received(messages: readonly Buffer[], time: ConntrackEventTime): void {
    this.#knownUntil = time.latest;
    for (const bytes of messages)
      try {
        for (const message of parseNetlinkMessages(bytes)) {
          const event = parseConntrackEvent(message);
          if (event !== undefined) this.#add(event, time);
        }
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error;
        // Whose it was is not known.
        this.#gap({ earliest: time.latest - time.span, latest: time.latest, dropped: 1 });
      }
  }

  #add(event: ConntrackEvent, { latest, span }: ConntrackEventTime): void {
    const { entry } = event;
    const kind = kindOf(event);
    const protocol = serviceProtocol(entry.protocolNumber);
    if (kind === undefined || protocol === undefined) return;
    // The kernel's own stamp is exact.
    const stamp = kind === 'New' ? event.started : kind === 'Destroyed' ? event.stopped : undefined;
    const at = stamp === undefined ? { earliest: latest - span, latest } : { earliest: stamp, latest: stamp };
    for (const followed of this.#ownersOf(entry))
      this.#keep(followed, wireEvent(kind, protocol, event, at, followed.detail));
  }

  #ownersOf(entry: ConntrackEntry): readonly FollowedService[] {
    const nodeAddresses = this.#nodeAddresses();
    const { destination, destinationPort } = entry.original;
    const key = `${entry.protocol} ${destination} ${String(destinationPort)} ${entry.reply.source}`;
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const number = addressNumber(destination);
    const candidates = new Set([
      ...(number === undefined ? [] : (this.#byAddress.get(keyOfNumber(number)) ?? [])),
      ...(this.#byPort.get(destinationPort) ?? []),
    ]);
    const owners = [...candidates].filter(({ service }) => isOwnConnection(entry, service, nodeAddresses));
    if (this.#owners.size >= maxOwners) this.#owners.clear();
    this.#owners.set(key, owners);
    return owners;
  }

  #keep(followed: FollowedService, event: WireConnectionEvent): void {
    const { earliest, latest, ...same } = event;
    const key = followed.detail === 'Summary' ? JSON.stringify(same) : String((this.#lastKey += 1));
    const known = followed.events.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.earliest = Math.min(known.earliest, earliest);
      known.latest = Math.max(known.latest, latest);
    } else if (followed.events.size < maxEvents) followed.events.set(key, event);
    else {
      const { dropped } = followed;
      followed.dropped = {
        earliest: Math.min(earliest, dropped?.earliest ?? earliest),
        latest: Math.max(latest, dropped?.latest ?? latest),
        dropped: (dropped?.dropped ?? 0) + 1,
      };
    }
    this.#flushSoon();
  }

  /** Of all that are followed: whose the events were that were dropped is not known. */
  #gap(gap: WireConnectionGap): void {
    for (const followed of this.#followed.values()) if (followed.isFollowed) addGap(followed, gap);
    this.#flushSoon();
  }

  #nodeAddresses(): readonly string[] {
    const now = Date.now();
    if (this.#addresses === undefined || now - this.#addresses.readAt > addressesMilliseconds) {
      this.#addresses = { all: (this.#parts.nodeAddresses ?? ownAddresses)(), readAt: now };
      this.#owners.clear();
    }
    return this.#addresses.all;
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => {
      this.#flush();
    }, flushMilliseconds);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    if (this.#isHeld) return;
    for (const followed of this.#followed.values()) this.#give(followed);
  }

  #give(followed: FollowedService): void {
    const { dropped } = followed;
    if (dropped !== undefined) addGap(followed, dropped);
    if (followed.events.size === 0 && followed.gaps.length === 0) return;
    const [events, gaps] = [[...followed.events.values()], followed.gaps];
    followed.events = new Map();
    followed.dropped = undefined;
    followed.gaps = [];
    this.#parts.emit({ kind: 'connections', service: nameOf(followed.service), events, gaps });
  }
}

/** While nothing is given, one gap holds all: how many were dropped in it is known where it is of each. */
function addGap(followed: FollowedService, gap: WireConnectionGap): void {
  const last = followed.gaps.at(-1);
  if (last === undefined || followed.gaps.length < 10) {
    followed.gaps.push(gap);
    return;
  }
  followed.gaps[followed.gaps.length - 1] = {
    earliest: Math.min(last.earliest, gap.earliest),
    latest: Math.max(last.latest, gap.latest),
    ...(last.dropped === undefined || gap.dropped === undefined ? {} : { dropped: last.dropped + gap.dropped }),
  };
}

/** Undefined for an update that says nothing of how the connection fares. */
function kindOf({ kind, entry }: ConntrackEvent): WireConnectionEvent['kind'] | undefined {
  if (kind !== 'Updated') return kind;
  return entry.state === 'SYN_RECV' ? 'Answered' : entry.state === 'CLOSE' && !entry.unreplied ? 'Reset' : undefined;
}

function wireEvent(
  kind: WireConnectionEvent['kind'],
  protocol: WireConnectionEvent['protocol'],
  { entry }: ConntrackEvent,
  at: { readonly earliest: number; readonly latest: number },
  detail: Followed['detail'],
): WireConnectionEvent {
  const { original, reply, zone, mark, id } = entry;
  const isWhole = detail === 'Entries';
  return {
    kind,
    ...at,
    count: 1,
    protocol,
    original: {
      ...(isWhole ? { source: original.source, sourcePort: original.sourcePort } : {}),
      destination: original.destination,
      destinationPort: original.destinationPort,
    },
    reply: {
      source: reply.source,
      sourcePort: reply.sourcePort,
      ...(isWhole ? { destination: reply.destination, destinationPort: reply.destinationPort } : {}),
    },
    ...present({ tcpState: tcpStates.find((state) => state === entry.state) }),
    isAnswered: !entry.unreplied,
    ...(isWhole ? present({ id, zone, mark }) : {}),
  };
}

function keyOfNumber({ bits, value }: { readonly bits: number; readonly value: bigint }): string {
  return `${String(bits)} ${String(value)}`;
}

function nameOf({ namespace, name }: ProbeRequestService): string {
  return `${namespace}/${name}`;
}

/** 0: none; 1: all; 2, the default since Linux 5.19: of entries that were made while somebody listened. */
async function eventsProblem(): Promise<string | undefined> {
  const setting = await readFile('/proc/sys/net/netfilter/nf_conntrack_events', 'utf8').catch(() => undefined);
  return setting?.trim() === '0'
    ? 'the kernel of the node reports no connections (sysctl net.netfilter.nf_conntrack_events is 0)'
    : undefined;
}
