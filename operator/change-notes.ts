/**
 * A trace that is shown as converged is not any more from when its EndpointSlices have changed: that is written at once, as a patch of
 * the one condition, and not when the nodes have answered. Whoever waits for the condition does not take the one of before.
 */
import type { Condition } from '../core/api/service-trace.ts';
import type { SliceChange } from '../core/convergence/slice-changes.ts';
import { changedCondition } from '../core/status/conditions.ts';
import type { ConvergedTrace } from './trace-index.ts';

export interface ChangeNotesOptions {
  /** Undefined where the trace is not watched, or not shown as converged. */
  readonly converged: (key: string) => ConvergedTrace | undefined;
  /** Replaces one condition, where the trace has one of that type there that is True; else nothing happens. */
  readonly replaceTrueCondition: (key: string, uid: string, at: number, condition: Condition) => Promise<void>;
  readonly onFailure: (key: string, error: unknown) => void;
}

/** One trace is written so often at most, beside its results. */
const pauseMilliseconds = 500;

export class ChangeNotes {
  readonly #options: ChangeNotesOptions;
  /** What is to be written after the pause, by trace; undefined where nothing is. */
  readonly #pauses = new Map<string, { readonly timer: NodeJS.Timeout; next: Change | undefined }>();

  constructor(options: ChangeNotesOptions) {
    this.#options = options;
  }

  note(key: string, change: Change): void {
    const pause = this.#pauses.get(key);
    if (pause !== undefined) {
      pause.next = change;
      return;
    }
    const trace = this.#options.converged(key);
    if (trace === undefined) return;
    this.#pauses.set(key, {
      next: undefined,
      timer: setTimeout(() => {
        const next = this.#pauses.get(key)?.next;
        this.#pauses.delete(key);
        if (next !== undefined) this.note(key, next);
      }, pauseMilliseconds).unref(),
    });
    void this.#write(key, trace, changedCondition(change, new Date().toISOString(), trace.generation));
  }

  stop(): void {
    for (const { timer } of this.#pauses.values()) clearTimeout(timer);
    this.#pauses.clear();
  }

  async #write(key: string, { uid, at }: ConvergedTrace, condition: Condition): Promise<void> {
    try {
      await this.#options.replaceTrueCondition(key, uid, at, condition);
    } catch (error) {
      this.#options.onFailure(key, error);
    }
  }
}

type Change = Pick<SliceChange, 'endpointSlice' | 'resourceVersion'>;
