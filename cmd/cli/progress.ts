/** What is waited for, on stderr: one line that is written again on a terminal, a line for each change elsewhere. */
import cliTruncate from 'cli-truncate';
import type { OutputStream } from './io.ts';
import { eraseLine } from './streams.ts';
import { visibleText } from '../../core/lib/visible.ts';

export interface Progress {
  /** What is being waited for now. */
  update(text: string): void;
  /** A line that stays. */
  say(text: string): void;
  /** Takes the updating line away. */
  end(): void;
}

/** Without a terminal, nothing is printed of what takes less than this. */
const delayMilliseconds = 2000;

export function createProgress(stderr: OutputStream, now: () => number = Date.now): Progress {
  const started = now();
  let shown = '';
  const clear = (): void => {
    if (stderr.isTTY === true && shown !== '') stderr.write(eraseLine);
    if (stderr.isTTY === true) shown = '';
  };
  return {
    update(given) {
      const text = visibleText(given);
      if (text === shown) return;
      if (stderr.isTTY === true) {
        stderr.write(eraseLine);
        stderr.write(cliTruncate(text, Math.max(20, (stderr.columns ?? 80) - 1)));
      } else {
        if (now() - started < delayMilliseconds) return;
        stderr.write(`${text}\n`);
      }
      shown = text;
    },
    say(text) {
      clear();
      stderr.write(`${visibleText(text)}\n`);
    },
    end: clear,
  };
}
