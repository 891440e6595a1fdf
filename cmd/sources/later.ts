/** A source that is opened when it is followed, so that it can be shown before there is an answer of the cluster. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../cli/errors.ts';
import { originText, type Origin } from './origin.ts';
import type { TraceSource } from './source.ts';

/** How long a source that is still being opened is waited for at the end; what it then leaves behind expires by itself. */
const timeoutMilliseconds = 2000;

/** @param origin until the opened source says its own */
export function openLater(
  origin: Origin,
  open: () => Promise<TraceSource>,
  timeout = timeoutMilliseconds,
): TraceSource {
  let opening: Promise<TraceSource> | undefined;
  // The first frame comes before the loading, which keeps the process busy.
  const opened = (): Promise<TraceSource> => (opening ??= nextTurn().then(open));
  return {
    origin,
    async follow(onEvent, signal) {
      const source = await opened();
      if (signal.aborted) return;
      onEvent({ kind: 'opened', origin: source.origin });
      await source.follow(onEvent, signal);
    },
    async walkFrom(client) {
      const source = await opening;
      if (source?.walkFrom === undefined)
        throw new UsageError(
          `a packet cannot be walked: this is ${source === undefined ? 'not opened yet' : originText(source.origin)}`,
        );
      await source.walkFrom(client);
    },
    async save() {
      const source = await opening;
      if (source?.save === undefined)
        throw new UsageError(
          `nothing to save: this is ${source === undefined ? 'not opened yet' : originText(source.origin)}`,
        );
      return source.save();
    },
    async logs(onEvent, signal) {
      const source = await opened();
      if (signal.aborted) return;
      if (source.logs === undefined) onEvent({ kind: 'absent', reason: `this is ${originText(source.origin)}` });
      else await source.logs(onEvent, signal);
    },
    async close() {
      const ended = new AbortController();
      const source = await Promise.race([
        opening?.catch(() => undefined),
        sleep(timeout, undefined, { signal: ended.signal }).catch(() => undefined),
      ]);
      ended.abort();
      await source?.close();
    },
  };
}
