/** The pods of a namespace that a selector matches, listed and watched: what is kept of each, whoever asks says. */
import * as z from 'zod';
import type { Api } from './api.ts';
import { namespacePath } from './objects.ts';
import { parseWatchEvent, watchSeconds } from './watch-event.ts';

export interface PodList<Pod> {
  readonly pods: readonly Pod[];
  readonly resourceVersion: string;
}

export interface PodQuery {
  readonly namespace: string;
  /** All pods of the namespace where it is undefined. */
  readonly selector: string | undefined;
  /** Where the watch begins. */
  readonly resourceVersion: string;
}

const podListSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(z.unknown()) });

export function podsPath(namespace: string): string {
  return `/api/v1${namespacePath(namespace)}/pods`;
}

/** @param podOf throws a ZodError for what is not a pod */
export async function listPodsAs<Pod>(
  api: Api,
  { namespace, selector }: Omit<PodQuery, 'resourceVersion'>,
  podOf: (object: unknown) => Pod,
): Promise<PodList<Pod>> {
  const { items, metadata } = podListSchema.parse(
    await api.request({ method: 'GET', path: podsPath(namespace), query: { labelSelector: selector } }),
  );
  return { pods: items.map(podOf), resourceVersion: metadata.resourceVersion };
}

/** Ends when the server ends the watch. @throws ApiError with code 410 where the version is too old */
export async function watchPodsAs<Pod>(
  api: Api,
  { namespace, selector, resourceVersion }: PodQuery,
  podOf: (object: unknown) => Pod,
  onPod: (pod: Pod, isThere: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = {
    watch: true,
    labelSelector: selector,
    resourceVersion,
    allowWatchBookmarks: true,
    timeoutSeconds: watchSeconds,
  };
  await api.stream({ method: 'GET', path: podsPath(namespace), query, signal }, (line) => {
    const { type, object } = parseWatchEvent(line);
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') onPod(podOf(object), type !== 'DELETED');
  });
}
