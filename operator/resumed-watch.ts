/** A watch that goes on for ever: resumed from where it broke, begun again where the API server no longer knows that place. */
import { Watch, type KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { pauseAfter } from '../engine/back-off.ts';
import type { Log } from '../engine/log.ts';

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: unknown;
}

export interface ResumedWatch {
  stop(): void;
}

const objectSchema = z.object({
  metadata: z.object({ resourceVersion: z.string().optional() }).optional(),
  code: z.number().optional(),
  message: z.string().optional(),
});

const pauses = { first: 400, last: 30_000 };
/** Where there is no such path, its CustomResourceDefinition may come at any time: that costs little to ask. */
const absentPauses = { first: 1000, last: 2000 };

/**
 * Watches all objects at a path of the API. Begun without a resourceVersion, a watch first reports the objects that are
 * there as ADDED. Whoever listens has to bear hearing of an object again.
 * @param onRestart is called when the place was lost (410 Gone): deletions in between are never reported
 * @param startAfter begins the watch again after so many milliseconds; default: by the clock
 */
export function resumedWatch(
  kubeConfig: KubeConfig,
  path: string,
  onEvent: (event: WatchEvent) => void,
  log: Log,
  onRestart: () => void,
  startAfter: (start: () => void, milliseconds: number) => NodeJS.Timeout | undefined = setTimeout,
): ResumedWatch {
  const watch = new Watch(kubeConfig);
  let resourceVersion: string | undefined;
  let failures = 0;
  let stopped = false;
  let running: AbortController | undefined;
  let lastLine = '';
  /** The path was not there the last time. */
  let isGone = false;
  let timer: NodeJS.Timeout | undefined;

  const restart = (): void => {
    resourceVersion = undefined;
    log.warn(`watch of ${path}: its place is no longer known (410); begun again`);
    onRestart();
  };

  /** The same trouble is logged once, however often it is tried again. */
  const sayOnce = (line: string): void => {
    if (line !== lastLine) log.warn(line);
    lastLine = line;
  };

  const start = (): void => {
    let over = false;
    if (isGone) resourceVersion = undefined;
    const onDone = (error: unknown): void => {
      if (over || stopped) return;
      over = true;
      // The client ends a quiet watch after half a minute, the server one of some minutes: that is not a failure.
      const isQuiet =
        error === null || error === undefined || (error instanceof DOMException && error.name === 'TimeoutError');
      failures = isQuiet ? 0 : failures + 1;
      let isAbsent = false;
      if (!isQuiet) {
        const code = typeof error === 'object' && 'statusCode' in error ? error.statusCode : undefined;
        isAbsent = code === 404;
        if (isAbsent) isGone = true;
        if (code === 410) restart();
        else
          sayOnce(
            `watch of ${path}: ${isAbsent ? 'there is no such path; it is looked for until there is' : error instanceof Error ? error.message : JSON.stringify(error)}${typeof code === 'number' ? ` (${String(code)})` : ''}`,
          );
      }
      timer = startAfter(start, isAbsent ? pauseAfter(failures, absentPauses) : pauseAfter(failures, pauses));
    };
    watch
      .watch(
        path,
        { allowWatchBookmarks: true, resourceVersion },
        (type: string, value: unknown) => {
          const object = objectSchema.safeParse(value);
          if (!object.success) return;
          if (type === 'ERROR') {
            if (object.data.code === 410) restart();
            else sayOnce(`watch of ${path}: ${object.data.message ?? 'unknown error'}`);
            return;
          }
          failures = 0;
          lastLine = '';
          if (isGone) {
            // What was there before is gone with the path, and nobody reports it.
            isGone = false;
            onRestart();
          }
          resourceVersion = object.data.metadata?.resourceVersion ?? resourceVersion;
          if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') onEvent({ type, object: value });
        },
        onDone,
      )
      .then((controller) => {
        running = controller;
        if (stopped) controller.abort();
      })
      .catch(onDone);
  };
  start();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      running?.abort();
    },
  };
}
