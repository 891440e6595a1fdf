/**
 * What an engine knows of its session with one probe: the requests that have no answer yet, over all streams that the
 * session goes through. A request is asked on a second stream where the first one was cut, and not on a third; half an
 * answer goes with the stream that it came on. No I/O and no clock: what is to be done is returned.
 */
import { maxReportBytes, NodeReportError, NodeReportReader, type NodeReport } from './node-report.ts';
import type { ProbeRequest } from './probe-request.ts';
import {
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
  | { readonly do: 'abandon'; readonly sentence: string };

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

  /** A stream is there. */
  opened(): RequesterEffect[] {
    this.#phase = 'greeting';
    this.#silentBeats = 0;
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
    if (frame.type === 'beat') return [];
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
    const effects: RequesterEffect[] = [];
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
    return ids.map((id) => ({ do: 'fail', id, failure }));
  }

  /** At each beat. */
  beat(): RequesterEffect[] {
    if (this.#phase === 'closed') return [];
    this.#silentBeats += 1;
    if (this.#silentBeats > maxSilentBeats) return [{ do: 'close' }];
    return [{ do: 'send', frame: { type: 'beat' } }];
  }

  #greeted(hello: Extract<ProbeFrame, { type: 'hello' }>, now: number): RequesterEffect[] {
    const sentence = disagreement(hello, this.#version);
    if (sentence !== undefined) return [{ do: 'abandon', sentence }];
    if (this.#phase === 'open') return [{ do: 'abandon', sentence: 'its probe said hello twice' }];
    this.#phase = 'open';
    return [...this.#open].map(([id, open]) => this.#asking(id, open, now));
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
