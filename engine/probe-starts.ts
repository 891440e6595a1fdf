/**
 * When the probe of a node may be started: so many at once, the others in their turn, and on a node where it could not be
 * started only after a pause that grows (docs/decisions/141). Until then, the reason of the last time stands.
 */
import { pauseAfter } from './back-off.ts';

export interface ProbeStartsOptions {
  /** Probes that are started at the same time, at the time of the call. */
  readonly most: () => number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Between 0 and 1. */
  readonly random?: () => number;
}

interface StartFailure {
  readonly reason: string;
  readonly message: string;
}

const pauses = { first: 5000, last: 300_000 };

export class ProbeStarts {
  readonly #options: ProbeStartsOptions;
  readonly #failed = new Map<string, StartFailure & { readonly times: number; readonly until: number }>();
  readonly #line: (() => void)[] = [];
  #running = 0;

  constructor(options: ProbeStartsOptions) {
    this.#options = options;
  }

  /** Why the node's probe is not started now; undefined where it may be. */
  refusal(node: string): StartFailure | undefined {
    const before = this.#failed.get(node);
    const left = (before?.until ?? 0) - this.#now();
    if (before === undefined || left <= 0) return undefined;
    const { reason, message, times } = before;
    return {
      reason,
      message: `${message}; ${times === 1 ? '' : `${String(times)} times in a row, `}tried again in ${String(Math.ceil(left / 1000))} s`,
    };
  }

  /** Resolves when it is the caller's turn. @returns gives the turn to the next one, once */
  async turn(): Promise<() => void> {
    if (this.isFull) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#running += 1;
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#running -= 1;
      // Counted before they go on, so that nobody comes between.
      for (
        let next = this.isFull ? undefined : this.#line.shift();
        next !== undefined;
        next = this.isFull ? undefined : this.#line.shift()
      ) {
        this.#running += 1;
        next();
      }
    };
  }

  /** Whoever comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= Math.max(1, this.#options.most());
  }

  failed(node: string, { reason, message }: StartFailure): void {
    const times = (this.#failed.get(node)?.times ?? 0) + 1;
    this.#failed.set(node, {
      reason,
      message,
      times,
      until: this.#now() + pauseAfter(times - 1, pauses, this.#options.random),
    });
  }

  /** It was started, or something changed, such as a node that has become ready: it may be tried at once. */
  forget(node: string): void {
    this.#failed.delete(node);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
