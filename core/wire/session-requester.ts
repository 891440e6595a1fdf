/**
 * What an engine knows of its session with one probe: the requests that have no answer yet, over all streams that the
 * session goes through. A request is asked on a second stream where the first one was cut, and not on a third; half an
 * answer goes with the stream that it came on. No I/O and no clock: what is to be done is returned.
 */
import { maxReportBytes } from './report-limit.ts';
import { NodeReportError, NodeReportReader, type NodeReport } from './node-report.ts';
import type { ProbeRequest } from './probe-request.ts';
import type { RoundTrip } from './clock-bounds.ts';
import { watchRecordSchema, type WatchRecord } from './watch-records.ts';
import type { WatchRequest } from './watch-request.ts';
import {
  connectionsProblem,
  disagreement,
  helloFrame,
  maxDeadlineMilliseconds,
  maxSilentBeats,
  parseProbeFrame,
  SessionFrameError,
  type EngineFrame,
  type ProbeFrame,
  type SessionOutcome,
} from './session-frames.ts';

/** Why a request has no answer. */
export interface SessionFailure {
  readonly reason:
    'StreamBroke' | 'ExecFailed' | 'ProbeFailed' | 'ProbeBusy' | 'TimedOut' | 'ReportTooLarge' | 'NotAReport';
  readonly message: string;
}

export type RequesterEffect =
  | { readonly do: 'send'; readonly frame: EngineFrame }
  | { readonly do: 'answer'; readonly id: number; readonly report: NodeReport }
  | { readonly do: 'fail'; readonly id: number; readonly failure: SessionFailure }
  /** The peer is dead: closes the stream, which is `cut` with it. */
  | { readonly do: 'close' }
  /** The peer does not speak as we do: no session with it, now or later. All requests are to be asked in another way. */
  | { readonly do: 'abandon'; readonly sentence: string }
  | { readonly do: 'watched'; readonly record: WatchRecord }
  /** The peer does not know how to follow connections: what is watched is watched without them. */
  | { readonly do: 'unfollowed'; readonly reason: string }
  /** What is not known from now on is not known before a Service's next record. */
  | { readonly do: 'unwatched'; readonly reason: string }
  | { readonly do: 'roundTrip'; readonly trip: RoundTrip };

interface Open {
  readonly request: ProbeRequest;
  /** Milliseconds since 1970. */
  readonly until: number;
  /** Streams that it was asked on. */
  streams: number;
  reader: NodeReportReader;
  bytes: number;
  /** Something has come from the peer since it was asked. */
  hasResponded: boolean;
}

export class SessionRequester {
  readonly #version: string;
  readonly #open = new Map<number, Open>();
  #lastId = 0;
  #silentBeats = 0;
  #phase: 'closed' | 'greeting' | 'open' = 'closed';
  /** Undefined where nothing is watched; its id is undefined where the peer was not asked for it. */
  #watch: { readonly request: WatchRequest; readonly id: number | undefined } | undefined;
  #peerWatches = false;
  /** Of all that was asked to be watched on this stream: what comes of one before the newest was on its way, and comes once. */
  readonly #watchIds = new Set<number>();
  /** Of this stream. */
  #roundTrips = 0;
  #peerFollowsNot: string | undefined;

  /** @param version of this program */
  constructor(version: string) {
    this.#version = version;
  }

  get phase(): 'closed' | 'greeting' | 'open' {
    return this.#phase;
  }

  /** Requests that have no answer yet. */
  get size(): number {
    return this.#open.size;
  }

  /** Whether something has come from the peer since this request was asked for the first time. */
  hasResponded(id: number): boolean {
    return this.#open.get(id)?.hasResponded === true;
  }

  /** Whether there is something to be watched. */
  get isWatching(): boolean {
    return this.#watch !== undefined;
  }

  /** In the place of what was watched before: on this stream, and on each one after it. Undefined where nothing is watched any more. */
  watch(request: WatchRequest | undefined, now: number): RequesterEffect[] {
    const before = this.#watch?.id;
    this.#watch = request === undefined ? undefined : { request, id: undefined };
    if (this.#phase !== 'open') return [];
    if (request !== undefined) return this.#watching(now);
    return before === undefined ? [] : [{ do: 'send', frame: { type: 'cancel', id: before } }];
  }

  #watching(now: number): RequesterEffect[] {
    if (this.#watch === undefined) return [];
    if (!this.#peerWatches) return [{ do: 'unwatched', reason: 'its probe is of a version that does not watch rules' }];
    const id = (this.#lastId += 1);
    const { request } = this.#watch;
    this.#watch = { request, id };
    this.#watchIds.add(id);
    // By this round trip and those after it, the node's clock is known before the first change.
    return [
      { do: 'send', frame: { type: 'watch', id, request } },
      { do: 'send', frame: { type: 'beat', sent: now } },
      ...(request.connections === undefined || this.#peerFollowsNot === undefined
        ? []
        : [{ do: 'unfollowed', reason: this.#peerFollowsNot } as const]),
    ];
  }

  /** A stream is there. */
  opened(): RequesterEffect[] {
    this.#phase = 'greeting';
    this.#silentBeats = 0;
    this.#roundTrips = 0;
    this.#watchIds.clear();
    return [{ do: 'send', frame: helloFrame(this.#version) }];
  }

  /** @param until when nobody wants the answer any more; milliseconds since 1970, as `now` is */
  ask(request: ProbeRequest, until: number, now: number): { readonly id: number; readonly effects: RequesterEffect[] } {
    const id = (this.#lastId += 1);
    const open: Open = { request, until, streams: 0, reader: new NodeReportReader(), bytes: 0, hasResponded: false };
    this.#open.set(id, open);
    return { id, effects: this.#phase === 'open' ? [this.#asking(id, open, now)] : [] };
  }

  /** Nobody wants this answer any more. */
  cancel(id: number): RequesterEffect[] {
    const open = this.#open.get(id);
    this.#open.delete(id);
    return open !== undefined && open.streams > 0 && this.#phase === 'open'
      ? [{ do: 'send', frame: { type: 'cancel', id } }]
      : [];
  }

  /** One whole line of the stream. */
  received(line: string, now: number): RequesterEffect[] {
    if (this.#phase === 'closed') return [];
    let frame: ProbeFrame;
    try {
      frame = parseProbeFrame(line);
    } catch (error) {
      if (error instanceof SessionFrameError) return [{ do: 'abandon', sentence: error.message }];
      throw error;
    }
    this.#silentBeats = 0;
    if (frame.type === 'hello') return this.#greeted(frame, now);
    if (this.#phase === 'greeting') return [{ do: 'abandon', sentence: 'its probe said something before hello' }];
    for (const open of this.#open.values()) if (open.streams > 0) open.hasResponded = true;
    if (frame.type === 'beat')
      return frame.sent === undefined || frame.clock === undefined
        ? []
        : this.#roundTrip({ sent: frame.sent, received: now, clock: frame.clock });
    if (this.#watch !== undefined && this.#watchIds.has(frame.id))
      return frame.type === 'end' && frame.id !== this.#watch.id ? [] : this.#watchFrame(this.#watch, frame, now);
    const open = this.#open.get(frame.id);
    // It was cancelled, and the frame was on its way.
    if (open === undefined) return [];
    if (frame.type === 'end') {
      this.#open.delete(frame.id);
      return [conclusion(frame.id, open, frame.outcome, frame.message)];
    }
    return this.#record(frame.id, open, frame.record, line.length);
  }

  /** The stream is gone. What was asked on two streams has failed; the rest is asked when there is another one. */
  cut(failure: SessionFailure): RequesterEffect[] {
    this.#phase = 'closed';
    const effects: RequesterEffect[] = this.#unwatched(failure.message);
    for (const [id, open] of this.#open) {
      open.reader = new NodeReportReader();
      open.bytes = 0;
      if (open.streams < 2) continue;
      this.#open.delete(id);
      effects.push({ do: 'fail', id, failure });
    }
    return effects;
  }

  /** No further stream can be had. */
  giveUp(failure: SessionFailure): RequesterEffect[] {
    this.#phase = 'closed';
    const ids = [...this.#open.keys()];
    this.#open.clear();
    return [...this.#unwatched(failure.message), ...ids.map((id) => ({ do: 'fail', id, failure }) as const)];
  }

  #unwatched(reason: string): RequesterEffect[] {
    if (this.#watch?.id === undefined) return [];
    this.#watch = { request: this.#watch.request, id: undefined };
    return [{ do: 'unwatched', reason }];
  }

  /** At each beat. @param now by our clock, for the peer to give it back; milliseconds since 1970 */
  beat(now: number): RequesterEffect[] {
    if (this.#phase === 'closed') return [];
    this.#silentBeats += 1;
    if (this.#silentBeats > maxSilentBeats) return [{ do: 'close' }];
    return [{ do: 'send', frame: { type: 'beat', sent: now } }];
  }

  /** The first ones of a watch come one after the other: a busy machine takes its time for some, and the shortest counts. */
  #roundTrip(trip: RoundTrip): RequesterEffect[] {
    this.#roundTrips += 1;
    const isEnough = this.#watch?.id === undefined || this.#roundTrips >= firstRoundTrips;
    return [
      { do: 'roundTrip', trip },
      ...(isEnough ? [] : [{ do: 'send', frame: { type: 'beat', sent: trip.received } } as const]),
    ];
  }

  #greeted(hello: Extract<ProbeFrame, { type: 'hello' }>, now: number): RequesterEffect[] {
    const sentence = disagreement(hello, this.#version);
    if (sentence !== undefined) return [{ do: 'abandon', sentence }];
    if (this.#phase === 'open') return [{ do: 'abandon', sentence: 'its probe said hello twice' }];
    this.#phase = 'open';
    this.#peerWatches = hello.watches === true;
    this.#peerFollowsNot = connectionsProblem(hello, this.#version);
    return [...[...this.#open].map(([id, open]) => this.#asking(id, open, now)), ...this.#watching(now)];
  }

  #watchFrame(
    { request }: { readonly request: WatchRequest },
    frame: Extract<ProbeFrame, { type: 'record' | 'end' }>,
    now: number,
  ): RequesterEffect[] {
    const over = (reason: string): RequesterEffect[] => {
      this.#watch = { request, id: undefined };
      return [{ do: 'unwatched', reason }];
    };
    if (frame.type === 'end') return over(frame.message ?? frame.outcome);
    const parsed = watchRecordSchema.safeParse(frame.record);
    if (parsed.success)
      return [
        { do: 'watched', record: parsed.data },
        // Another change is likely to be near, and its time is as good as what is known of the clock. Connections come by the hundred.
        ...(parsed.data.kind === 'rules' ? [{ do: 'send', frame: { type: 'beat', sent: now } } as const] : []),
      ];
    const [issue] = parsed.error.issues;
    const cancelled: RequesterEffect = { do: 'send', frame: { type: 'cancel', id: frame.id } };
    return [
      cancelled,
      ...over(
        `what its probe says of a change is not a record (${issue?.path.join('.') ?? ''} ${issue?.message ?? ''})`,
      ),
    ];
  }

  #asking(id: number, open: Open, now: number): RequesterEffect {
    open.streams += 1;
    const left = Math.min(Math.max(1, Math.round(open.until - now)), maxDeadlineMilliseconds);
    return { do: 'send', frame: { type: 'ask', id, deadlineMilliseconds: left, request: open.request } };
  }

  #record(id: number, open: Open, value: unknown, length: number): RequesterEffect[] {
    open.bytes += length;
    const fail = (failure: SessionFailure): RequesterEffect[] => [...this.cancel(id), { do: 'fail', id, failure }];
    if (open.bytes > maxReportBytes) return fail({ reason: 'ReportTooLarge', message: tooLarge });
    try {
      open.reader.record(value);
      return [];
    } catch (error) {
      if (!(error instanceof NodeReportError)) throw error;
      return fail({ reason: 'NotAReport', message: error.message });
    }
  }
}

/** Of a stream on which something is watched. */
const firstRoundTrips = 8;

const tooLarge = `its probe printed more than ${String(maxReportBytes / 1024 / 1024)} MiB`;

function conclusion(id: number, open: Open, outcome: SessionOutcome, message: string | undefined): RequesterEffect {
  if (outcome !== 'done') return { do: 'fail', id, failure: failureOf(outcome, message ?? 'no reason given') };
  try {
    return { do: 'answer', id, report: open.reader.end() };
  } catch (error) {
    if (!(error instanceof NodeReportError)) throw error;
    return { do: 'fail', id, failure: { reason: 'NotAReport', message: error.message } };
  }
}

function failureOf(outcome: Exclude<SessionOutcome, 'done'>, message: string): SessionFailure {
  switch (outcome) {
    case 'late':
      return { reason: 'TimedOut', message: 'its probe did not finish in time' };
    case 'busy':
      return { reason: 'ProbeBusy', message: `its probe is busy: ${message}` };
    case 'tooLarge':
      return { reason: 'ReportTooLarge', message: tooLarge };
    case 'cancelled':
    case 'refused':
    case 'failed':
      return { reason: 'ProbeFailed', message: `its probe failed: ${message}` };
  }
}
