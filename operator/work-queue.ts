/**
 * A queue of keys: a key that is added several times is worked on once, never twice at the same time, and again after
 * a failure with a growing pause, as client-go's util/workqueue does it; and fair: the groups of keys take turns, and in
 * a group those keys that are asked for once take turns with those that come back (docs/decisions/021, 081).
 */
import { pauseAfter } from '../engine/back-off.ts';

export interface WorkQueueOptions {
  /** Keys that are worked on at the same time. */
  readonly concurrency: number;
  /** The keys of one group share one turn; default: all keys are one group. */
  readonly groupOf?: (key: string) => string;
  /** Whether the key comes back by itself for ever: one that does not has a lane of its own in its group. */
  readonly isRecurring?: (key: string) => boolean;
  /**
   * Works on one key; the result says when to work on it again, in milliseconds. A rejection is a failure.
   * @param giveUpPlace lets another key be worked on meanwhile, for work that only waits
   */
  readonly work: (key: string, giveUpPlace: () => void) => Promise<{ readonly again?: number }>;
  /** The key waited so long for its turn, in milliseconds. */
  readonly onTurn?: (milliseconds: number) => void;
  readonly onFailure: (key: string, error: unknown, retryMilliseconds: number) => void;
}

const retries = { first: 500, last: 60_000 };

interface Group {
  /** When each key was added, by key, in that order. */
  readonly once: Map<string, number>;
  readonly recurring: Map<string, number>;
  isTurnOfRecurring: boolean;
}

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** Those that wait, by group; the group that was served last is the last. */
  readonly #waiting = new Map<string, Group>();
  readonly #running = new Set<string>();
  /** Added while they were being worked on: once more after that. */
  readonly #dirty = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  #places = 0;
  #stopped = false;
  #idle: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Works on the key when it is its turn; an earlier plan for later is dropped. */
  add(key: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.#running.has(key)) this.#dirty.add(key);
    else this.#wait(key);
    this.#next();
  }

  /** How many keys wait for their turn, and for how long the first of them has, in milliseconds. */
  backlog(): { readonly keys: number; readonly milliseconds: number } {
    const since = [...this.#waiting.values()].flatMap(({ once, recurring }) => [
      ...once.values(),
      ...recurring.values(),
    ]);
    return { keys: since.length, milliseconds: since.length === 0 ? 0 : Date.now() - Math.min(...since) };
  }

  /** Takes no more keys, and resolves when those being worked on are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#running.size > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }

  #wait(key: string): void {
    const name = this.#options.groupOf?.(key) ?? '';
    const group: Group = this.#waiting.get(name) ?? { once: new Map(), recurring: new Map(), isTurnOfRecurring: false };
    this.#waiting.set(name, group);
    // What it is may have changed since it was added.
    const since = group.once.get(key) ?? group.recurring.get(key) ?? Date.now();
    group.once.delete(key);
    group.recurring.delete(key);
    (this.#options.isRecurring?.(key) === true ? group.recurring : group.once).set(key, since);
  }

  /** The next key of the group whose turn it is. */
  #take(): string | undefined {
    const [next] = this.#waiting;
    if (next === undefined) return undefined;
    const [name, group] = next;
    const { once, recurring } = group;
    const lane = once.size === 0 || (group.isTurnOfRecurring && recurring.size > 0) ? recurring : once;
    group.isTurnOfRecurring = lane === once;
    const [[key, since] = [undefined, 0]] = lane;
    if (key !== undefined) {
      lane.delete(key);
      this.#options.onTurn?.(Date.now() - since);
    }
    this.#waiting.delete(name);
    if (once.size + recurring.size > 0) this.#waiting.set(name, group);
    return key;
  }

  #next(): void {
    while (this.#places < this.#options.concurrency) {
      const key = this.#take();
      if (key === undefined) return;
      this.#running.add(key);
      this.#places += 1;
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    let again: number | undefined;
    let hasPlace = true;
    const giveUpPlace = (): void => {
      if (!hasPlace) return;
      hasPlace = false;
      this.#places -= 1;
      this.#next();
    };
    try {
      again = (await this.#options.work(key, giveUpPlace)).again;
      this.#failures.delete(key);
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      again = pauseAfter(failures, retries);
      this.#options.onFailure(key, error, again);
    }
    this.#running.delete(key);
    if (this.#stopped) {
      if (this.#running.size === 0) this.#idle?.();
      return;
    }
    if (this.#dirty.delete(key)) this.#wait(key);
    else if (again !== undefined)
      this.#timers.set(
        key,
        setTimeout(() => {
          this.add(key);
        }, again),
      );
    giveUpPlace();
    this.#next();
  }
}
