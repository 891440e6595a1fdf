/**
 * A queue of keys: a key that is added several times is worked on once, never twice at the same time, and again after
 * a failure with a growing pause. The semantics are those of client-go's util/workqueue; no npm package of that shape
 * is kept up (docs/decisions/021).
 */

export interface WorkQueueOptions {
  /** Keys that are worked on at the same time. */
  readonly concurrency: number;
  /** Works on one key; the result says when to work on it again, in milliseconds. A rejection is a failure. */
  readonly work: (key: string) => Promise<{ readonly again?: number }>;
  readonly onFailure: (key: string, error: unknown, retryMilliseconds: number) => void;
}

const firstRetryMilliseconds = 500;
const lastRetryMilliseconds = 60_000;

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  /** Added while they were being worked on: once more after that. */
  readonly #dirty = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  #stopped = false;
  #idle: (() => void) | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Works on the key as soon as there is room; an earlier plan for later is dropped. */
  add(key: string): void {
    if (this.#stopped) return;
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (this.#running.has(key)) this.#dirty.add(key);
    else this.#waiting.add(key);
    this.#next();
  }

  /** Takes no more keys, and resolves when those being worked on are done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#running.size > 0) await new Promise<void>((resolve) => { this.#idle = resolve; });
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    let again: number | undefined;
    try {
      again = (await this.#options.work(key)).again;
      this.#failures.delete(key);
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      again = Math.min(firstRetryMilliseconds * 2 ** failures, lastRetryMilliseconds);
      this.#options.onFailure(key, error, again);
    }
    this.#running.delete(key);
    if (this.#stopped) {
      if (this.#running.size === 0) this.#idle?.();
      return;
    }
    if (this.#dirty.delete(key)) this.#waiting.add(key);
    else if (again !== undefined) this.#timers.set(key, setTimeout(() => { this.add(key); }, again));
    this.#next();
  }
}
