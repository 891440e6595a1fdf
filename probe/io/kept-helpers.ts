/**
 * Programs that are kept from one reading to the next, as long as a session is open: to start one costs more than what it
 * is asked. One reading has a helper for itself; what is cut off in the middle of an answer is ended, not kept.
 */
import { realCommands, startLineHelper, usualTimeoutMilliseconds, type Commands, type LineHelper } from './commands.ts';

/** Both address families are read at the same time. */
const maxIdle = 2;

interface Kept {
  readonly helper: LineHelper;
  readonly kill: () => void;
}

export class KeptHelpers {
  #idle: Kept[] = [];

  /**
   * For one reading.
   * @param signal ends what the reading has then
   */
  borrow(signal: AbortSignal): NonNullable<Commands['kept']> {
    const taken = new Map<LineHelper, { readonly kept: Kept; readonly release: () => void }>();
    return {
      take: (argv) => {
        const kept = this.#take(argv);
        // Killed, it does not answer: the reading hears of it by its end.
        const timer = setTimeout(kept.kill, usualTimeoutMilliseconds);
        signal.addEventListener('abort', kept.kill, { once: true });
        if (signal.aborted) kept.kill();
        const release = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', kept.kill);
        };
        void kept.helper.finished.then(release);
        taken.set(kept.helper, { kept, release });
        return kept.helper;
      },
      give: (helper) => {
        const { kept, release } = taken.get(helper) ?? {};
        taken.delete(helper);
        release?.();
        if (kept === undefined || helper.hasFinished) return;
        helper.onLine = () => undefined;
        if (signal.aborted || this.#idle.length >= maxIdle) helper.end();
        else {
          helper.isReused = true;
          this.#idle.push(kept);
        }
      },
    };
  }

  /** Ends those that nobody uses. */
  close(): void {
    for (const { helper } of this.#idle.splice(0)) helper.end();
  }

  #take(argv: LineHelper['argv']): Kept {
    this.#idle = this.#idle.filter(({ helper }) => !helper.hasFinished);
    const at = this.#idle.findIndex(({ helper }) => helper.argv === argv);
    const [present] = at < 0 ? [] : this.#idle.splice(at, 1);
    if (present !== undefined) return present;
    const ended = new AbortController();
    return {
      helper: startLineHelper(realCommands(Infinity, ended.signal), argv),
      kill: () => {
        ended.abort();
      },
    };
  }
}
