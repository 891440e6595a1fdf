/**
 * The session with one probe's pod: one exec stream, opened when something is asked, and kept until the pod is not needed
 * any more. One that breaks is opened again while something is asked, after pauses that grow (docs/decisions/170-sessions.md).
 */
import { lineSplitter } from '../core/lib/line-splitter.ts';
import { maxReportBytes } from '../core/wire/report-limit.ts';
import { NodeReportError, type NodeReport } from '../core/wire/node-report.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import { ClockBounds } from '../core/wire/clock-bounds.ts';
import type { ClockOffset } from '../core/wire/clock-offset.ts';
import type { WatchRecord } from '../core/wire/watch-records.ts';
import type { WatchRequest } from '../core/wire/watch-request.ts';
import { SessionRequester, type RequesterEffect, type SessionFailure } from '../core/wire/session-requester.ts';
import { beatMilliseconds } from '../core/wire/session-frames.ts';
import { messageOf } from './api-error.ts';
import { pauseAfter } from './back-off.ts';
import { ProbeExecError, type OpenStream, type SessionStream } from './probe-exec.ts';

export interface NodeSessionOptions {
  readonly open: (handlers: Pick<SessionStream, 'onText' | 'onEnd' | 'signal'>) => Promise<OpenStream>;
  /** Of this program. */
  readonly version: string;
  /** Called once with the reason why there is no session with this probe. */
  readonly onUnusable: (sentence: string) => void;
  /** Between 0 and 1. */
  readonly random?: () => number;
}

/** The probe is to be asked without a session. */
export class SessionUnusableError extends Error {
  override readonly name = 'SessionUnusableError';
}

/** What becomes known of rules while they are watched. */
export interface WatchHandlers {
  readonly onRecord: (record: WatchRecord) => void;
  /** Nothing is known from now on, until a Service's next record. */
  readonly onUnwatched: (reason: string) => void;
  /** Rules are watched, and connections are not followed. */
  readonly onUnfollowed?: (reason: string) => void;
}

/** A peer that says nothing for so long after it was asked is taken for dead; it sends beats more often. */
const silenceMilliseconds = { least: beatMilliseconds + 1000, most: 10_000 };
const reopening = { first: 200, last: 5000 };
/** Streams in a row that break, or cannot be opened, before anything is answered. */
const maxFailures = 3;
/** While rules are watched, a stream is wanted at rest too. */
const watchReopening = { first: 200, last: 30_000 };
/** A probe that does not greet, though it answers without a session: so often. */
const maxUngreeted = 2;

interface Asker {
  readonly resolve: (report: NodeReport) => void;
  readonly reject: (error: Error) => void;
}

export class NodeSession {
  readonly #options: NodeSessionOptions;
  readonly #requester: SessionRequester;
  readonly #askers = new Map<number, Asker>();
  #unusable: string | undefined;
  #isClosed = false;
  /** Ends what there is of a stream; undefined where there is none, and none is being opened. */
  #stream: { readonly isThere: () => boolean; readonly close: () => void } | undefined;
  #send: (text: string) => void = () => undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #ungreeted = 0;
  #watchHandlers: WatchHandlers | undefined;
  /** Streams in a row that broke before anything came of what is watched. */
  #watchFailures = 0;
  readonly #clock = new ClockBounds();

  constructor(options: NodeSessionOptions) {
    this.#options = options;
    this.#requester = new SessionRequester(options.version);
  }

  /** The probe has greeted, and its stream has not broken since. */
  get isOpen(): boolean {
    return this.#requester.phase === 'open';
  }

  get isUnusable(): boolean {
    return this.#unusable !== undefined;
  }

  /**
   * Asks in the session, which is opened where it is not.
   * @throws SessionUnusableError where the probe is to be asked without; ProbeExecError, NodeReportError as without
   */
  async ask(
    request: ProbeRequest,
    { timeoutMilliseconds, signal }: { readonly timeoutMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<NodeReport> {
    if (this.#unusable !== undefined) throw new SessionUnusableError(this.#unusable);
    if (this.#isClosed) throw closedError();
    if (signal.aborted) throw new ProbeExecError('Aborted', 'the collection was ended');
    const now = Date.now();
    const { id, effects } = this.#requester.ask(request, now + timeoutMilliseconds, now);
    const answer = new Promise<NodeReport>((resolve, reject) => {
      this.#askers.set(id, { resolve, reject });
    });
    const onAbort = (): void => {
      this.#cancel(id, new ProbeExecError('Aborted', 'the collection was ended'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const { least, most } = silenceMilliseconds;
    const timers = [
      setTimeout(() => {
        this.#late(id, timeoutMilliseconds);
      }, timeoutMilliseconds),
      setTimeout(
        () => {
          // What has come meanwhile is read first: this process may have been busy.
          setImmediate(() => {
            this.#silent(id);
          });
        },
        Math.max(least, Math.min(most, timeoutMilliseconds / 2)),
      ),
      setTimeout(
        () => {
          setImmediate(() => {
            this.#ungreetedYet(id);
          });
        },
        Math.min(most, timeoutMilliseconds / 2),
      ),
    ];
    this.#perform(effects);
    if (this.#stream === undefined && this.#reopenTimer === undefined) this.#connect();
    try {
      return await answer;
    } finally {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** The node's clock, by the session's round trips; undefined where none was made. */
  clockOffset(): ClockOffset | undefined {
    return this.#clock.offset(Date.now());
  }

  /**
   * Watches rules in the session, which is kept open for it, and opened again where it breaks; in the place of what was watched
   * before. Where the probe is to be asked without a session, nothing is watched.
   */
  watch(request: WatchRequest, handlers: WatchHandlers): void {
    this.#watchHandlers = handlers;
    if (this.#unusable !== undefined || this.#isClosed) {
      handlers.onUnwatched(this.#unusable ?? closedError().message);
      return;
    }
    this.#perform(this.#requester.watch(request, Date.now()));
    if (this.#stream === undefined && this.#reopenTimer === undefined) this.#connect();
  }

  unwatch(): void {
    this.#perform(this.#requester.watch(undefined, Date.now()));
  }

  /** It answered without a session, where it had not greeted in time. Twice, and no session is tried any more. */
  didWithout(): void {
    this.#ungreeted += 1;
    if (this.#ungreeted >= maxUngreeted)
      this.#abandon('its probe does not say hello in time, though it answers without a session');
  }

  /** What is asked at this time fails. */
  close(): void {
    this.#isClosed = true;
    this.#closeStream();
    const { message } = closedError();
    const effects = this.#requester.giveUp({ reason: 'StreamBroke', message });
    this.#perform(effects);
    // Of a stream that was being opened again, the watch knows no more than that the last one broke.
    if (this.#requester.isWatching && !effects.some((effect) => effect.do === 'unwatched'))
      this.#watchHandlers?.onUnwatched(message);
  }

  #connect(): void {
    this.#reopenTimer = undefined;
    const ended = new AbortController();
    const { signal } = ended;
    let opened: OpenStream | undefined;
    const lines = lineSplitter((line) => {
      if (signal.aborted) return;
      this.#perform(this.#requester.received(line, Date.now()));
    });
    const beats = setInterval(() => {
      this.#perform(this.#requester.beat(Date.now()));
    }, beatMilliseconds);
    beats.unref();
    this.#stream = {
      isThere: () => opened !== undefined,
      close: () => {
        ended.abort();
        clearInterval(beats);
        opened?.close();
      },
    };
    // The probe may greet before this side hears that the stream is open.
    const unsent: string[] = [];
    this.#send = (text) => {
      unsent.push(text);
    };
    this.#perform(this.#requester.opened());
    this.#options
      .open({
        signal,
        onText: (text) => {
          if (signal.aborted) return;
          lines.push(text);
          if (lines.pending() > maxReportBytes) this.#abandon('its probe sends a line without an end');
        },
        onEnd: (error) => {
          if (!signal.aborted) this.#broken(error);
        },
      })
      .then((stream) => {
        if (signal.aborted) {
          stream.close();
          return;
        }
        opened = stream;
        this.#send = (text) => {
          stream.write(text);
        };
        for (const text of unsent) stream.write(text);
      })
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.#broken(error instanceof ProbeExecError ? error : new ProbeExecError('ExecFailed', messageOf(error)));
      });
  }

  /** The stream broke, or could not be opened. */
  #broken(error: ProbeExecError): void {
    const hasGreeted = this.#requester.phase === 'open';
    this.#closeStream();
    // An older probe does not know the word, and an older policy does not let it be run.
    if (!hasGreeted && (error.reason === 'ProbeFailed' || error.reason === 'ExecForbidden')) {
      this.#abandon(
        `its probe serves no sessions (${error.message}): upgrade the probe's image and the installed manifests`,
      );
      return;
    }
    const failure: SessionFailure = { reason: reasonOf(error), message: error.message };
    this.#failures += 1;
    this.#perform(this.#requester.cut(failure));
    if (this.#failures >= maxFailures && this.#requester.size > 0) {
      this.#failures = 0;
      this.#perform(this.#requester.giveUp(failure));
    }
    if (this.#requester.size > 0) this.#reopenAfter(pauseAfter(this.#failures - 1, reopening, this.#options.random));
    else this.#reopenForWatch();
  }

  #reopenForWatch(): void {
    if (!this.#requester.isWatching || this.#isClosed || this.#reopenTimer !== undefined) return;
    this.#watchFailures += 1;
    this.#reopenAfter(pauseAfter(this.#watchFailures - 1, watchReopening, this.#options.random));
  }

  #reopenAfter(milliseconds: number): void {
    this.#reopenTimer = setTimeout(() => {
      this.#connect();
    }, milliseconds);
  }

  #closeStream(): void {
    clearTimeout(this.#reopenTimer);
    this.#reopenTimer = undefined;
    this.#send = () => undefined;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.close();
  }

  #abandon(sentence: string): void {
    if (this.#unusable !== undefined || this.#isClosed) return;
    this.#unusable = sentence;
    this.#closeStream();
    this.#requester.giveUp({ reason: 'StreamBroke', message: sentence });
    this.#watchHandlers?.onUnwatched(sentence);
    for (const id of [...this.#askers.keys()]) this.#takeAsker(id)?.reject(new SessionUnusableError(sentence));
    this.#options.onUnusable(sentence);
  }

  #late(id: number, timeoutMilliseconds: number): void {
    const hasResponded = this.#requester.hasResponded(id);
    this.#cancel(
      id,
      new ProbeExecError(
        'TimedOut',
        `its probe did not answer within ${String(timeoutMilliseconds / 1000)} s`,
        hasResponded,
      ),
    );
    // The next request is not to wait for a dead stream too.
    if (!hasResponded && this.#requester.size === 0) this.#drop();
  }

  /** Nothing came since it was asked, not even a beat: the stream is dead, and another one is opened. */
  #silent(id: number): void {
    if (!this.#askers.has(id) || this.#requester.hasResponded(id) || this.#requester.phase !== 'open') return;
    this.#broken(new ProbeExecError('StreamBroke', 'the exec stream to its probe gave no sign of life'));
  }

  #ungreetedYet(id: number): void {
    const isGreeting = this.#requester.phase === 'greeting' && this.#stream?.isThere() === true;
    if (!this.#askers.has(id) || !isGreeting) return;
    this.#cancel(id, new SessionUnusableError('its probe has not said hello yet'));
    if (this.#requester.size === 0) this.#drop();
  }

  /** Closes a stream that nobody waits for. */
  #drop(): void {
    this.#closeStream();
    this.#perform(this.#requester.cut({ reason: 'StreamBroke', message: 'the exec stream to its probe was closed' }));
    this.#reopenForWatch();
  }

  #cancel(id: number, error: Error): void {
    const asker = this.#takeAsker(id);
    if (asker === undefined) return;
    this.#perform(this.#requester.cancel(id));
    asker.reject(error);
  }

  #takeAsker(id: number): Asker | undefined {
    const asker = this.#askers.get(id);
    this.#askers.delete(id);
    return asker;
  }

  #perform(effects: readonly RequesterEffect[]): void {
    for (const effect of effects)
      switch (effect.do) {
        case 'send':
          this.#send(`${JSON.stringify(effect.frame)}\n`);
          break;
        case 'answer':
          this.#failures = 0;
          this.#takeAsker(effect.id)?.resolve(effect.report);
          break;
        case 'fail':
          this.#takeAsker(effect.id)?.reject(errorOf(effect.failure));
          break;
        case 'close':
          this.#broken(new ProbeExecError('StreamBroke', 'the exec stream to its probe gave no sign of life'));
          break;
        case 'abandon':
          this.#abandon(effect.sentence);
          break;
        case 'watched':
          this.#watchFailures = 0;
          this.#watchHandlers?.onRecord(effect.record);
          break;
        case 'unwatched':
          this.#watchHandlers?.onUnwatched(effect.reason);
          break;
        case 'unfollowed':
          this.#watchHandlers?.onUnfollowed?.(effect.reason);
          break;
        case 'roundTrip':
          this.#clock.add(effect.trip);
          break;
      }
  }
}

function closedError(): ProbeExecError {
  return new ProbeExecError('StreamBroke', 'the session with its probe was closed');
}

function reasonOf({ reason }: ProbeExecError): SessionFailure['reason'] {
  return reason === 'ProbeFailed' || reason === 'StreamBroke' ? reason : 'ExecFailed';
}

function errorOf({ reason, message }: SessionFailure): Error {
  // Where the probe itself says that it was late, its node answers.
  return reason === 'NotAReport' ? new NodeReportError(message) : new ProbeExecError(reason, message, true);
}
