/**
 * The Events of traces, events.k8s.io/v1 (docs/decisions/139): what happens again counts in the series of the first one,
 * with the times of client-go's tools/events, so that a trace that flaps is a few writes and not one each time.
 */
import { messageOf } from '../engine/api-error.ts';
import type { Log } from '../engine/log.ts';
import { keyOf, traceOf } from './trace-key.ts';

/** What an Event is about. */
export interface EventSubject {
  readonly metadata: { readonly namespace?: string; readonly name?: string; readonly uid?: string };
}

export type EventType = 'Normal' | 'Warning';

export interface TraceEvent {
  readonly namespace: string;
  readonly name: string;
  readonly subject: EventSubject;
  readonly type: EventType;
  readonly reason: string;
  readonly note: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Absent where it happened once. */
  readonly series?: EventSeries;
}

export interface EventSeries {
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly lastObserved: number;
}

export interface EventStore {
  create(event: TraceEvent): Promise<void>;
  /** @returns false where the Event is no longer there: Events live for an hour */
  updateSeries(event: TraceEvent, series: EventSeries): Promise<boolean>;
}

export interface TraceEventsOptions {
  readonly store: EventStore;
  readonly log: Log;
  /** Throws where another operator may be working; called before each write. */
  readonly assertMayWrite: () => void;
}

interface Known {
  event: TraceEvent;
  count: number;
  lastObserved: number;
  /** The count that was written last, and when. */
  writtenCount: number;
  writtenAt: number;
}

/** What does not happen for so long is over: when it happens again, that is another Event. */
const seriesEndMilliseconds = 6 * 60_000;
/** A series that goes on is written again after this time. */
const refreshMilliseconds = 30 * 60_000;
const lookMilliseconds = 60_000;
/** Of the others, the one that was observed last the longest ago is forgotten: what follows it is another Event. */
const mostKnown = 1000;
/** Bytes of UTF-8 (pkg/apis/core/validation/events.go). */
const noteBytes = 1024;
const nameLength = 253;

export class TraceEvents {
  readonly #options: TraceEventsOptions;
  /** By what they are about and what they say; the one observed last is the last. */
  readonly #known = new Map<string, Known>();
  readonly #timer: NodeJS.Timeout;
  #last = 0;

  constructor(options: TraceEventsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      void this.#look();
    }, lookMilliseconds);
    this.#timer.unref();
  }

  /** Never rejects: an Event is a courtesy, without it the trace is as good. */
  async record(subject: EventSubject, type: EventType, reason: string, message: string): Promise<void> {
    const now = Date.now();
    const key = `${keyOf(subject)} ${subject.metadata.uid ?? ''} ${type} ${reason}`;
    const before = this.#known.get(key);
    this.#known.delete(key);
    if (before !== undefined && now - before.lastObserved < seriesEndMilliseconds) {
      before.count += 1;
      before.lastObserved = now;
      this.#known.set(key, before);
      // The second makes it a series; the others are counted, and written from time to time.
      if (before.count === 2) await this.#write(before);
      return;
    }
    if (before !== undefined) await this.#write(before);
    const known = {
      event: this.#eventOf(subject, type, reason, message, now),
      count: 1,
      lastObserved: now,
      writtenCount: 0,
      writtenAt: 0,
    };
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > mostKnown && oldest !== undefined) this.#known.delete(oldest);
    await this.#write(known);
  }

  /** Writes no more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#known.clear();
  }

  #eventOf(subject: EventSubject, type: EventType, reason: string, message: string, now: number): TraceEvent {
    const { namespace = '', name = '' } = subject.metadata;
    // As client-go names them, by the time, here in microseconds; two of the same millisecond have two names.
    this.#last = Math.max(now * 1000, this.#last + 1);
    const suffix = `.${this.#last.toString(16)}`;
    return {
      namespace,
      name: `${name.slice(0, nameLength - suffix.length).replace(/[^a-z0-9]+$/, '')}${suffix}`,
      subject,
      type,
      reason,
      note: firstBytes(message, noteBytes),
      time: now,
    };
  }

  async #look(): Promise<void> {
    const now = Date.now();
    for (const [key, known] of [...this.#known]) {
      const isOver = now - known.lastObserved >= seriesEndMilliseconds;
      if (isOver) this.#known.delete(key);
      if (isOver || now - known.writtenAt >= refreshMilliseconds) await this.#write(known);
    }
  }

  async #write(known: Known): Promise<void> {
    const { store, log, assertMayWrite } = this.#options;
    const { event, count, lastObserved, writtenCount } = known;
    if (count === writtenCount) return;
    try {
      // After a pause of the process, another operator may be working.
      assertMayWrite();
      if (count === 1) await store.create(event);
      else {
        const series = { count, lastObserved };
        if (writtenCount === 0 || !(await store.updateSeries(event, series))) await store.create({ ...event, series });
      }
      known.writtenCount = count;
      known.writtenAt = Date.now();
    } catch (error) {
      log.warn(`no Event ${event.reason}: ${messageOf(error)}`, { trace: traceOf(keyOf(event.subject)) });
    }
  }
}

/** As many whole characters as fit. */
function firstBytes(text: string, most: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  let end = most;
  // A byte of the form 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}
