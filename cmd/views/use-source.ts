/** What a source has to say, while the live view is open. */
import { useEffect, type Dispatch } from 'react';
import { originText } from '../sources/origin.ts';
import type { TraceSource } from '../sources/source.ts';
import { reasonOf } from '../cli/one-line.ts';
import { createIntake } from './result-intake.ts';
import type { LiveAction } from './state/live-state.ts';

/** Follows the trace, and the time. */
export function useTrace(source: TraceSource, dispatch: Dispatch<LiveAction>, exit: (error: Error) => void): void {
  useEffect(() => {
    const stop = new AbortController();
    const take = createIntake((event, comparison) => {
      dispatch({ type: 'event', event, at: Date.now(), ...(comparison === undefined ? {} : { comparison }) });
    }, stop.signal);
    source
      .follow(take, stop.signal)
      // An error that ends the view is printed on the plain terminal.
      .catch((error: unknown) => {
        if (!stop.signal.aborted) exit(error instanceof Error ? error : new Error(String(error)));
      });
    const clock = setInterval(() => {
      dispatch({ type: 'tick', at: Date.now() });
    }, 1000);
    return () => {
      clearInterval(clock);
      stop.abort();
    };
  }, [source, dispatch, exit]);
}

/**
 * Reads logs from the time on when somebody looks at them.
 * @param attempt undefined while nobody has; another number reads them again
 */
export function useLogs(source: TraceSource, attempt: number | undefined, dispatch: Dispatch<LiveAction>): void {
  useEffect(() => {
    if (attempt === undefined) return undefined;
    if (source.logs === undefined) {
      dispatch({ type: 'logs', event: { kind: 'absent', reason: `this is ${originText(source.origin)}` } });
      return undefined;
    }
    const stop = new AbortController();
    source
      .logs((event) => {
        if (!stop.signal.aborted) dispatch({ type: 'logs', event });
      }, stop.signal)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) dispatch({ type: 'logs', event: { kind: 'failed', reason: reasonOf(error) } });
      });
    return () => {
      stop.abort();
    };
  }, [source, attempt, dispatch]);
}
