/** What is waited for, on stderr: one line that is written anew on a terminal, a line for each change elsewhere. */
import cliTruncate from 'cli-truncate';
import type { ServiceTrace } from '../core/service-trace.ts';
import type { OutputStream } from './io.ts';
import { eraseLine } from './streams.ts';
import { visibleText } from './printers/visible.ts';
import { isComplete, type TraceEvent } from './source.ts';

export interface Progress {
  /** What is being waited for now. */
  update(text: string): void;
  /** A line that stays. */
  say(text: string): void;
  /** Takes the updating line away. */
  end(): void;
}

/** Without a terminal, nothing is said of what takes less than this. */
const patienceMilliseconds = 2000;

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
        if (now() - started < patienceMilliseconds) return;
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

export function tellEvent(progress: Progress, event: TraceEvent): void {
  switch (event.kind) {
    case 'trace':
      if (!isComplete(event.trace)) progress.update(waitingText(event.trace));
      break;
    case 'notice':
      progress.say(`Notice: ${event.message}`);
      break;
    case 'lost':
      progress.say(`Notice: the connection to the API server is lost (${event.reason}); trying again`);
      break;
    case 'resumed':
      progress.say('Notice: connected again');
      break;
    case 'opened':
    case 'silent':
    case 'ended':
      break;
  }
}

/** How many nodes answered, and what the first of the others wait for. */
export function waitingText({ status }: ServiceTrace): string {
  // Of many nodes that are waited for, the status names some.
  const waiting = (status?.nodes ?? []).filter(({ probe }) => probe.state === 'Waiting');
  const collected = status?.conditions?.find(({ type }) => type === 'Collected')?.message;
  if (collected === undefined) return 'Waiting for the operator';
  const reasons = waiting
    .slice(0, 2)
    .map(({ name, probe }) => `${name}: ${probe.message ?? probe.reason ?? 'not started'}`);
  return [collected, ...reasons, ...(waiting.length > 2 ? ['and more'] : [])].join('; ');
}

/** Why the result is not whole; undefined where every node answered. */
export function partialText({ status }: ServiceTrace): string | undefined {
  const missing = (status?.nodes ?? []).filter(({ probe }) => probe.state !== 'Collected');
  if (missing.length === 0) return undefined;
  const reasons = missing
    .slice(0, 10)
    .map(
      ({ name, probe }) =>
        `${name} (${probe.reason ?? probe.state}${probe.message === undefined ? '' : `: ${probe.message}`})`,
    );
  return `Partial: ${missing.length} of ${status?.nodes?.length ?? 0} nodes did not answer: ${reasons.join('; ')}${missing.length > 10 ? '; …' : ''}`;
}
