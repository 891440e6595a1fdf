/** One session: answers the requests that come on a stream, until it ends or nobody is there any more. */
import type { Readable, Writable } from 'node:stream';
import { lineSplitter } from '../core/lib/line-splitter.ts';
import { maxReportBytes } from '../core/wire/report-limit.ts';
import { probeRequestSchema, requestProblem, type ProbeRequest } from '../core/wire/probe-request.ts';
import type { NodeReportRecord } from '../core/wire/node-report.ts';
import type { WatchRecord } from '../core/wire/watch-records.ts';
import { watchRequestSchema, type WatchRequest } from '../core/wire/watch-request.ts';
import {
  beatMilliseconds,
  helloFrame,
  maxSilentBeats,
  parseEngineFrame,
  SessionFrameError,
} from '../core/wire/session-frames.ts';
import { SessionResponder, type ResponderEffect } from '../core/wire/session-responder.ts';
import { collect, readAsked } from './collect.ts';
import { realCommands, usualTimeoutMilliseconds } from './io/commands.ts';
import type { Emit } from './io/emit.ts';
import { FrameWriter } from './io/frame-writer.ts';
import { KeptHelpers } from './io/kept-helpers.ts';
import { ownAddresses } from './io/own-addresses.ts';
import { ConnectionWatch, type Followed } from './watch/connection-watch.ts';
import { RuleWatch } from './watch/rule-watch.ts';

/** Readings and connections of the traces of one engine: it asks for one of each at a time. */
const maxRunning = 4;
const maxWaiting = 64;
/** A request has at most 10,000 endpoints to connect to. */
const maxLineLength = 4 * 1024 * 1024;

/** Collects for one request. @param signal where it aborts, nobody wants the records any more */
export type Answer = (request: ProbeRequest, signal: AbortSignal, emit: Emit) => Promise<void>;

/** Watches rules and connections until it is ended. */
export type StartWatch = (handlers: {
  readonly emit: (record: WatchRecord) => void;
  readonly onFailure: (problem: string) => void;
}) => {
  readonly set: (request: WatchRequest) => void;
  readonly hold: (isHeld: boolean) => void;
  readonly settled: RuleWatch['settled'];
  readonly end: () => void;
};

/**
 * Says hello at once, and serves until the input ends or the peer is silent.
 * @param answer replaced by tests, as startWatch is
 * @returns what is wrong with a line of the peer; undefined where the session ended as it should
 */
export async function serve(
  input: Readable,
  output: Writable,
  version: string,
  answer?: Answer,
  startWatch?: StartWatch,
): Promise<string | undefined> {
  const kept = new KeptHelpers();
  const session = new Session(output, answer ?? collectWith(kept, version), startWatch ?? watchWith(kept));
  session.greet(version);
  const { promise: over, resolve: end } = Promise.withResolvers<string | undefined>();
  const beats = setInterval(() => {
    if (!session.beat()) end(undefined);
  }, beatMilliseconds);
  const lines = lineSplitter((line) => {
    const problem = session.received(line);
    if (problem !== undefined) end(problem);
  });
  const onEnd = (): void => {
    end(undefined);
  };
  input.setEncoding('utf8').on('data', (chunk: string) => {
    lines.push(chunk);
    if (lines.pending() > maxLineLength) end('a line of the session is too long');
  });
  input.on('end', onEnd).on('close', onEnd).on('error', onEnd);
  output.on('close', onEnd).on('error', onEnd);
  try {
    return await over;
  } finally {
    clearInterval(beats);
    input.pause();
    session.end();
    kept.close();
  }
}

function collectWith(kept: KeptHelpers, version: string): Answer {
  return (request, signal, emit) =>
    collect(request, { ...realCommands(usualTimeoutMilliseconds, signal), kept: kept.borrow(signal) }, version, emit);
}

/** Counts of references do: what jumps to the Service's chains is known by them, and the dispatch chain is as long as the cluster. */
const watchedRules = { rules: true, dispatch: 'References', conntrack: 'None', kubeProxy: false } as const;

function watchWith(kept: KeptHelpers): StartWatch {
  return (handlers) => {
    const rules = new RuleWatch({
      ...handlers,
      read: (services, signal, emit) =>
        readAsked(
          { services: [...services], collect: watchedRules },
          { ...realCommands(usualTimeoutMilliseconds, signal), kept: kept.borrow(signal) },
          ownAddresses(),
          emit,
        ),
    });
    const connections = new ConnectionWatch({ emit: handlers.emit });
    return {
      set: (request) => {
        rules.set(request);
        connections.set(followedOf(request));
      },
      settled: () => rules.settled(),
      hold: (isHeld) => {
        rules.hold(isHeld);
        connections.hold(isHeld);
      },
      end: () => {
        rules.end();
        connections.end();
      },
    };
  };
}

/** Of those that are watched alone. */
function followedOf({ services, connections = [] }: WatchRequest): Followed[] {
  const details = new Map(connections.map(({ service, detail }) => [service, detail]));
  return services.flatMap((service) => {
    const detail = details.get(`${service.namespace}/${service.name}`);
    return detail === undefined ? [] : [{ service, detail }];
  });
}

class Session {
  readonly #answer: Answer;
  readonly #startWatch: StartWatch;
  readonly #writer: FrameWriter;
  readonly #responder = new SessionResponder<ProbeRequest>({
    maxRunning,
    maxWaiting,
    parse: (value) => {
      const parsed = probeRequestSchema.safeParse(value);
      return parsed.success ? { request: parsed.data } : { problem: requestProblem(parsed.error) };
    },
  });
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #running = new Map<number, AbortController>();
  #watch: { id: number; readonly rules: ReturnType<StartWatch> } | undefined;
  #silentBeats = 0;
  #isOver = false;

  constructor(output: Writable, answer: Answer, startWatch: StartWatch) {
    this.#answer = answer;
    this.#startWatch = startWatch;
    this.#writer = new FrameWriter(output, (isHeld) => {
      this.#perform(this.#responder.hold(isHeld));
      this.#watch?.rules.hold(isHeld);
    });
  }

  greet(version: string): void {
    this.#writer.send(helloFrame(version, { watches: true, connections: true }));
  }

  /** @returns what is wrong with the line; undefined where it is a frame */
  received(line: string): string | undefined {
    if (this.#isOver) return undefined;
    this.#silentBeats = 0;
    try {
      const frame = parseEngineFrame(line);
      if (frame.type === 'watch') this.#watchRules(frame.id, frame.request);
      else if (frame.type === 'cancel' && frame.id === this.#watch?.id) this.#endWatch('cancelled');
      else if (frame.type === 'beat' && frame.sent !== undefined)
        this.#writer.send({ type: 'beat', sent: frame.sent, clock: Date.now() });
      else this.#perform(this.#responder.received(frame));
      return undefined;
    } catch (error) {
      if (error instanceof SessionFrameError) return error.message;
      throw error;
    }
  }

  /** @returns false where nobody is there any more */
  beat(): boolean {
    this.#silentBeats += 1;
    this.#writer.send({ type: 'beat' });
    return this.#silentBeats <= maxSilentBeats;
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const running of this.#running.values()) running.abort();
    this.#watch?.rules.end();
  }

  #watchRules(id: number, request: unknown): void {
    const parsed = watchRequestSchema.safeParse(request);
    if (!parsed.success) {
      this.#writer.send({ type: 'end', id, outcome: 'refused', message: requestProblem(parsed.error) });
      return;
    }
    this.#watch ??= {
      id,
      rules: this.#startWatch({
        emit: (record) => {
          if (this.#watch !== undefined) this.#writer.send({ type: 'record', id: this.#watch.id, record });
        },
        onFailure: (problem) => {
          this.#endWatch('failed', problem);
        },
      }),
    };
    this.#watch.id = id;
    this.#watch.rules.set(parsed.data);
  }

  #endWatch(outcome: 'cancelled' | 'failed', message?: string): void {
    const watch = this.#watch;
    this.#watch = undefined;
    if (watch === undefined) return;
    watch.rules.end();
    this.#writer.send({ type: 'end', id: watch.id, outcome, ...(message === undefined ? {} : { message }) });
  }

  #perform(effects: readonly ResponderEffect<ProbeRequest>[]): void {
    if (this.#isOver) return;
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: ResponderEffect<ProbeRequest>): void {
    switch (effect.do) {
      case 'send':
        if (effect.frame.type === 'end') {
          clearTimeout(this.#timers.get(effect.frame.id));
          this.#timers.delete(effect.frame.id);
          // Records of what is not an answer need not be read.
          if (effect.frame.outcome !== 'done') this.#writer.drop(effect.frame.id);
        }
        this.#writer.send(effect.frame);
        break;
      case 'expect': {
        const { id, milliseconds } = effect;
        this.#timers.set(
          id,
          setTimeout(() => {
            this.#perform(this.#responder.stop(id, 'late'));
          }, milliseconds),
        );
        break;
      }
      case 'start':
        void this.#run(effect.id, effect.request);
        break;
      case 'abort':
        this.#running.get(effect.id)?.abort();
        break;
    }
  }

  async #run(id: number, request: ProbeRequest): Promise<void> {
    const ended = new AbortController();
    this.#running.set(id, ended);
    let length = 0;
    let problem: string | undefined;
    const send: Emit = (record) => {
      if (!this.#responder.isAnswering(id) || this.#isOver) return;
      length += this.#writer.send({ type: 'record', id, record });
      if (length > maxReportBytes) this.#perform(this.#responder.stop(id, 'tooLarge'));
    };
    const settled = request.collect.rules ? undefined : this.#watch?.rules.settled();
    const last: NodeReportRecord[] = [];
    try {
      await this.#answer(request, ended.signal, (record) => {
        if (settled !== undefined && record.kind === 'end') last.push(record);
        else send(record);
      });
      if (settled !== undefined) send({ kind: 'watched', isSettled: await settled });
      for (const record of last) send(record);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    this.#running.delete(id);
    this.#perform(this.#responder.finished(id, problem));
  }
}
