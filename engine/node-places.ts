/**
 * How many nodes are asked at the same time. A node that takes long gives its place back to the others and waits in one
 * of a few of its own kind; one that gave no sign of life the last time is asked again only after a pause that grows.
 */
import { pauseAfter } from './back-off.ts';

export interface NodePlacesOptions {
  /** Nodes that are asked at the same time, those that take long left out. */
  readonly places: number;
  /** Nodes that gave no sign of life the last time, and are asked at the same time. */
  readonly slowPlaces: number;
  /** After this time a node takes long. */
  readonly slowMilliseconds: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Thrown at once, instead of asking. */
export class NodeSlowError extends Error {
  override readonly name = 'NodeSlowError';
  readonly reason = 'NodeSlow';
}

const pauses = { first: 5000, last: 60_000 };

export class NodePlaces {
  readonly #options: NodePlacesOptions;
  readonly #silent = new Map<string, { readonly times: number; readonly until: number }>();
  readonly #line: (() => void)[] = [];
  #taken = 0;
  #slow = 0;

  constructor(options: NodePlacesOptions) {
    this.#options = options;
  }

  /**
   * Asks when there is a place.
   * @param onSlow called when it takes long
   * @param isSilence whether a failure means that the node gave no sign of life
   * @throws NodeSlowError where it is not yet time to ask the node again, and what `ask` throws
   */
  async run<Value>(
    node: string,
    ask: (isSuspect: boolean) => Promise<Value>,
    { onSlow, isSilence }: { readonly onSlow: () => void; readonly isSilence: (error: unknown) => boolean },
  ): Promise<Value> {
    const { now = Date.now, slowMilliseconds, slowPlaces } = this.#options;
    const before = this.#silent.get(node);
    if (before !== undefined) {
      const left = before.until - now();
      const times = before.times === 1 ? 'the last time' : `${String(before.times)} times in a row`;
      if (left > 0)
        throw new NodeSlowError(`it did not answer ${times}; it is asked again in ${String(Math.ceil(left / 1000))} s`);
      if (this.#slow >= slowPlaces)
        throw new NodeSlowError(
          `it did not answer ${times}, and ${String(slowPlaces)} such nodes are being asked already; it is asked after them`,
        );
    }
    const leave = before === undefined ? await this.#enter() : this.#enterSlow();
    const timer = setTimeout(() => {
      leave();
      onSlow();
    }, slowMilliseconds);
    try {
      const value = await ask(before !== undefined);
      this.#silent.delete(node);
      return value;
    } catch (error) {
      if (isSilence(error)) {
        const times = (before?.times ?? 0) + 1;
        this.#silent.set(node, { times, until: now() + pauseAfter(times - 1, pauses) });
      } else this.#silent.delete(node);
      throw error;
    } finally {
      clearTimeout(timer);
      if (before === undefined) leave();
      else this.#slow -= 1;
    }
  }

  /** Waits for a place; the result gives it back, once. */
  async #enter(): Promise<() => void> {
    if (this.#taken < this.#options.places) this.#taken += 1;
    else
      await new Promise<void>((resolve) => {
        this.#line.push(resolve);
      });
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      const next = this.#line.shift();
      // Whoever is next takes the place over.
      if (next === undefined) this.#taken -= 1;
      else next();
    };
  }

  #enterSlow(): () => void {
    this.#slow += 1;
    return () => undefined;
  }
}
