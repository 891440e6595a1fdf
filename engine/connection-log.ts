/**
 * Events of connections as they came from the nodes' watches, by Service: for some minutes, and so many. Where there are more,
 * the older ones are counted together, and what has no room even so is a gap.
 */
import type {
  ConnectionEvent,
  ConnectionGap,
  ConnectionRecords,
  FollowedNode,
} from '../core/convergence/connection-event.ts';
import { boundedEvents, withoutClient } from '../core/convergence/bounded-events.ts';
import { countedMilliseconds } from '../core/convergence/endpoint-connections.ts';
import { present } from '../core/lib/present.ts';
import type { ClockOffset } from '../core/wire/clock-offset.ts';
import type { ConnectionRecord, FollowRecord } from '../core/wire/watch-records.ts';

/** Of one Service. */
const maxEvents = 5000;
const maxGaps = 500;
/** Of times that are no change's any more, so much is kept for a status that is late. */
const keptMilliseconds = countedMilliseconds + 60_000;

interface ServiceLog {
  readonly nodes: Map<string, FollowedNode>;
  /** By node: everything up to here has come, by the node's clock; of those whose watch was cut, too. */
  readonly knownUntil: Map<string, number>;
  readonly cut: Set<string>;
  events: ConnectionEvent[];
  gaps: ConnectionGap[];
  /** When something came, by this process's clock: milliseconds since 1970. */
  changedAt: number;
}

export class ConnectionLog {
  readonly #services = new Map<string, ServiceLog>();

  /** @param now milliseconds since 1970, by this process's clock */
  received(node: string, record: ConnectionRecord | FollowRecord, clock: ClockOffset | undefined, now: number): void {
    const log = this.#logOf(record.service);
    log.changedAt = now;
    const at = { node, ...present({ clock }) };
    if (record.kind === 'connectionsFollowed') {
      const { since, problem } = record;
      if (since === undefined) {
        log.nodes.set(node, { node, notFollowed: problem ?? 'its probe does not say why' });
        return;
      }
      const known = log.knownUntil.get(node);
      if (log.cut.delete(node) && known !== undefined) log.gaps.push({ ...at, earliest: known, latest: since });
      log.nodes.set(node, { ...at, since });
      this.#knows(log, node, since);
      return;
    }
    for (const event of record.events) log.events.push({ ...at, ...event });
    for (const gap of record.gaps) log.gaps.push({ ...at, ...gap });
    for (const { latest } of [...record.events, ...record.gaps]) this.#knows(log, node, latest);
    bound(log, now);
  }

  /** Nothing comes from this node, until it is followed again. */
  notFollowed(node: string, service: string, reason: string, now: number): void {
    const log = this.#logOf(service);
    log.cut.add(node);
    log.nodes.set(node, { node, notFollowed: reason });
    log.changedAt = now;
  }

  /** Nobody wants it any more. */
  forget(node: string, service: string): void {
    const log = this.#services.get(service);
    if (log === undefined) return;
    log.nodes.delete(node);
    log.knownUntil.delete(node);
    log.cut.delete(node);
    log.events = log.events.filter((event) => event.node !== node);
    log.gaps = log.gaps.filter((gap) => gap.node !== node);
    if (log.nodes.size === 0) this.#services.delete(service);
  }

  /** Undefined where it is not followed. @param detail Summary: without clients */
  records(service: string, detail: 'Summary' | 'Entries'): ConnectionRecords | undefined {
    const log = this.#services.get(service);
    if (log === undefined) return undefined;
    return {
      nodes: [...log.nodes.values()],
      events: detail === 'Entries' ? [...log.events] : log.events.map(withoutClient),
      gaps: [...log.gaps],
    };
  }

  /** When something came last: milliseconds since 1970. */
  changedAt(service: string): number {
    return this.#services.get(service)?.changedAt ?? 0;
  }

  clear(): void {
    this.#services.clear();
  }

  #logOf(service: string): ServiceLog {
    const known = this.#services.get(service);
    if (known !== undefined) return known;
    const log: ServiceLog = {
      nodes: new Map(),
      knownUntil: new Map(),
      cut: new Set(),
      events: [],
      gaps: [],
      changedAt: 0,
    };
    this.#services.set(service, log);
    return log;
  }

  #knows({ knownUntil }: ServiceLog, node: string, time: number): void {
    knownUntil.set(node, Math.max(time, knownUntil.get(node) ?? 0));
  }
}

function bound(log: ServiceLog, now: number): void {
  const isKept = ({ latest, clock }: ConnectionGap): boolean =>
    latest - (clock?.milliseconds ?? 0) > now - keptMilliseconds;
  // The oldest is the first: most of the time, nothing is to be done.
  if (log.events[0] !== undefined && !isKept(log.events[0])) log.events = log.events.filter(isKept);
  if (log.gaps[0] !== undefined && !isKept(log.gaps[0])) log.gaps = log.gaps.filter(isKept);
  if (log.events.length <= maxEvents) return;
  // With room for the next ones.
  const { events, gaps } = boundedEvents(log.events, maxEvents / 2);
  log.events = [...events];
  log.gaps = [...log.gaps, ...gaps].slice(-maxGaps);
}
