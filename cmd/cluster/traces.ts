/** ServiceTrace objects: created, read, watched, annotated, deleted. */
import * as z from 'zod';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import {
  serviceTraceGroup,
  serviceTracePlural,
  serviceTraceVersion,
  type ServiceTrace,
  type ServiceTraceSpec,
} from '../../core/api/service-trace.ts';
import type { Api } from './api.ts';
import { fieldManager, isThere, namespacePath, segment } from './objects.ts';
import { parseWatchEvent, watchSeconds } from './watch-event.ts';

export interface NewTrace {
  readonly namespace: string;
  readonly generateName: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: ServiceTraceSpec;
}

export type WatchEvent =
  | { readonly kind: 'trace'; readonly trace: ServiceTrace }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

const managedByLabel = { 'app.kubernetes.io/managed-by': fieldManager } as const;
const groupVersion = `${serviceTraceGroup}/${serviceTraceVersion}`;

const traceListSchema = z.object({ items: z.array(z.record(z.string(), z.unknown())) });
const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

function tracesPath(namespace: string | undefined): string {
  return `/apis/${groupVersion}${namespacePath(namespace)}/${serviceTracePlural}`;
}

function tracePath(namespace: string, name: string): string {
  return `${tracesPath(namespace)}/${segment(name)}`;
}

export async function createTrace(
  api: Api,
  { namespace, generateName, annotations, spec }: NewTrace,
): Promise<ServiceTrace> {
  const body = {
    apiVersion: groupVersion,
    kind: 'ServiceTrace',
    metadata: { generateName, namespace, labels: managedByLabel, annotations },
    spec,
  };
  return parseServiceTrace(
    await api.request({ method: 'POST', path: tracesPath(namespace), query: { fieldManager }, body }),
  );
}

export async function readTrace(api: Api, namespace: string, name: string): Promise<ServiceTrace> {
  return parseServiceTrace(await api.request({ method: 'GET', path: tracePath(namespace, name) }));
}

export async function listTraces(api: Api, namespace: string | undefined): Promise<ServiceTrace[]> {
  const { items } = traceListSchema.parse(await api.request({ method: 'GET', path: tracesPath(namespace) }));
  return items.map(parseServiceTrace);
}

export async function watchTrace(
  api: Api,
  namespace: string,
  name: string,
  resourceVersion: string,
  onEvent: (event: WatchEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    fieldSelector: `metadata.name=${name}`,
    resourceVersion,
    timeoutSeconds: watchSeconds,
  };
  await api.stream({ method: 'GET', path: tracesPath(namespace), query, signal }, (line) => {
    onEvent(watchEventOf(line));
  });
}

function watchEventOf(line: unknown): WatchEvent {
  const { type, object } = parseWatchEvent(line);
  if (type === 'DELETED') return { kind: 'deleted' };
  if (type === 'BOOKMARK')
    return { kind: 'bookmark', resourceVersion: bookmarkSchema.parse(object).metadata.resourceVersion };
  return { kind: 'trace', trace: parseServiceTrace(object) };
}

export async function annotateTrace(
  api: Api,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
): Promise<void> {
  await api.request({
    method: 'PATCH',
    path: tracePath(namespace, name),
    query: { fieldManager },
    contentType: 'application/merge-patch+json',
    body: { metadata: { annotations } },
  });
}

/** @param uid only the object of this identity is deleted; where it is undefined, whichever has the name */
export async function deleteTrace(api: Api, namespace: string, name: string, uid: string | undefined): Promise<void> {
  const body = uid === undefined ? {} : { preconditions: { uid } };
  await isThere(api.request({ method: 'DELETE', path: tracePath(namespace, name), body }));
}
