/** Follows one ServiceTrace: read it, watch from there, and begin again where the watch breaks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../cluster/api.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { passingReason } from '../cluster/explain-error.ts';
import type { TraceEvent } from './source.ts';

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The first wait after a failure; it doubles up to 10 s. */
  readonly firstWaitMilliseconds?: number;
}

const longestWaitMilliseconds = 10_000;

/**
 * Gives every state of the object, until it is deleted or `signal` aborts. A lost connection and a watch that is too
 * old (410) are resumed; other refusals end it.
 * @returns whether the object was deleted
 * @throws ApiError
 */
export async function followTrace(
  clusterClient: Pick<ClusterClient, 'readTrace' | 'watchTrace'>,
  { namespace, name }: { namespace: string; name: string },
  onEvent: (event: TraceEvent) => void,
  { signal, firstWaitMilliseconds = 500 }: FollowOptions,
): Promise<'deleted' | 'aborted'> {
  let version: string | undefined;
  let isLost = false;
  let wait = firstWaitMilliseconds;
  const isBack = (): void => {
    wait = firstWaitMilliseconds;
    if (isLost) onEvent({ kind: 'resumed' });
    isLost = false;
  };
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const trace = await clusterClient.readTrace(namespace, name);
        version = trace.metadata.resourceVersion ?? '';
        isBack();
        onEvent({ kind: 'trace', trace });
      }
      // Whoever waited for this state has it now.
      if (signal.aborted) break;
      // The server does not end the watch of an object that is gone.
      const deletion = new AbortController();
      await clusterClient.watchTrace(
        namespace,
        name,
        version,
        (event) => {
          isBack();
          if (event.kind === 'deleted') deletion.abort();
          else if (event.kind === 'bookmark') version = event.resourceVersion;
          else {
            version = event.trace.metadata.resourceVersion ?? version;
            onEvent({ kind: 'trace', trace: event.trace });
          }
        },
        AbortSignal.any([signal, deletion.signal]),
      );
      if (deletion.signal.aborted) return 'deleted';
    } catch (error) {
      if (signal.aborted) return 'aborted';
      if (error instanceof ApiError && error.code === 410) {
        version = undefined;
        continue;
      }
      if (error instanceof ApiError && error.code === 404 && version === undefined) return 'deleted';
      const reason = passingReason(error);
      if (reason === undefined) throw error;
      if (!isLost) onEvent({ kind: 'lost', reason });
      isLost = true;
      // What happened in between may be forgotten by now; reading the object shows it all.
      version = undefined;
      await sleep(wait * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      wait = Math.min(wait * 2, longestWaitMilliseconds);
    }
  }
  return 'aborted';
}
