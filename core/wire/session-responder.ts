/**
 * What a probe does with the requests of a session: some at the same time, others in a queue with an end; each request is
 * answered once, whatever comes twice. No I/O and no clock: what is to be done is returned.
 */
import type { EngineFrame, ProbeFrame, SessionOutcome } from './session-frames.ts';

export type ResponderEffect<Request> =
  | { readonly do: 'send'; readonly frame: ProbeFrame }
  /** Calls `stop` with `late` after this time. */
  | { readonly do: 'expect'; readonly id: number; readonly milliseconds: number }
  /** Begins to collect; `finished` is called at its end. */
  | { readonly do: 'start'; readonly id: number; readonly request: Request }
  /** Ends what was started, whose records go nowhere any more. `finished` is called all the same. */
  | { readonly do: 'abort'; readonly id: number };

export interface SessionResponderOptions<Request> {
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly parse: (request: unknown) => { readonly request: Request } | { readonly problem: string };
}

interface Asked<Request> {
  readonly request: Request;
  /** `ended`: its end was sent, and what was started for it still runs. */
  state: 'waiting' | 'running' | 'ended';
}

export class SessionResponder<Request> {
  readonly #options: SessionResponderOptions<Request>;
  /** In the order in which they came. */
  readonly #asked = new Map<number, Asked<Request>>();
  #highest = 0;
  #isHeld = false;

  constructor(options: SessionResponderOptions<Request>) {
    this.#options = options;
  }

  /** Nothing is started for hello and beat: they say that the peer is there. */
  received(frame: EngineFrame): ResponderEffect<Request>[] {
    if (frame.type === 'cancel') return this.stop(frame.id, 'cancelled');
    if (frame.type !== 'ask' || frame.id <= this.#highest) return [];
    const { id, deadlineMilliseconds: milliseconds } = frame;
    this.#highest = id;
    const parsed = this.#options.parse(frame.request);
    if ('problem' in parsed) return [ended(id, 'refused', parsed.problem)];
    if (this.#count('waiting') >= this.#options.maxWaiting)
      return [ended(id, 'busy', `${String(this.#options.maxWaiting)} requests wait already`)];
    this.#asked.set(id, { request: parsed.request, state: 'waiting' });
    return [{ do: 'expect', id, milliseconds }, ...this.#startNext()];
  }

  /** What was started came to its end, or failed. */
  finished(id: number, problem?: string): ResponderEffect<Request>[] {
    const asked = this.#asked.get(id);
    if (asked === undefined || asked.state === 'waiting') return [];
    this.#asked.delete(id);
    const frames =
      asked.state === 'ended' ? [] : [problem === undefined ? ended(id, 'done') : ended(id, 'failed', problem)];
    return [...frames, ...this.#startNext()];
  }

  /** Ends a request that has no answer yet. */
  stop(id: number, outcome: Exclude<SessionOutcome, 'done'>, message?: string): ResponderEffect<Request>[] {
    const asked = this.#asked.get(id);
    if (asked === undefined || asked.state === 'ended') return [];
    const wasRunning = asked.state === 'running';
    asked.state = 'ended';
    if (!wasRunning) this.#asked.delete(id);
    return [ended(id, outcome, message), ...(wasRunning ? [{ do: 'abort', id } as const] : [])];
  }

  /** While the peer does not read, nothing more is begun. */
  hold(isHeld: boolean): ResponderEffect<Request>[] {
    this.#isHeld = isHeld;
    return this.#startNext();
  }

  /** Whether a record of this request may still be sent. */
  isAnswering(id: number): boolean {
    return this.#asked.get(id)?.state === 'running';
  }

  #startNext(): ResponderEffect<Request>[] {
    const effects: ResponderEffect<Request>[] = [];
    if (this.#isHeld) return effects;
    // What was ended may still hold programs: its place is free when they are gone.
    let free = this.#options.maxRunning - this.#count('running') - this.#count('ended');
    for (const [id, asked] of this.#asked) {
      if (free <= 0) break;
      if (asked.state !== 'waiting') continue;
      asked.state = 'running';
      free -= 1;
      effects.push({ do: 'start', id, request: asked.request });
    }
    return effects;
  }

  #count(state: Asked<Request>['state']): number {
    return [...this.#asked.values()].filter((each) => each.state === state).length;
  }
}

function ended(
  id: number,
  outcome: SessionOutcome,
  message?: string,
): { readonly do: 'send'; readonly frame: ProbeFrame } {
  return { do: 'send', frame: { type: 'end', id, outcome, ...(message === undefined ? {} : { message }) } };
}
