/**
 * All objects at a path of the API, listed in pages and then watched for ever: resumed from the last bookmark where the
 * connection ends, listed again where the API server no longer knows that place, so that deletions in between are reported
 * too. It knows whether what it has is current. It depends on the client alone, and on no kind of object.
 */
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  RequestContext,
  Watch,
  type KubeConfig,
} from '@kubernetes/client-node';
import * as z from 'zod';
import { pauseAfter } from '../engine/back-off.ts';
import { ObjectStore, type ObjectChange, type ReadObject, type StoreEvent } from './object-store.ts';

export interface InformerEvent<Value> extends StoreEvent<Value> {
  /** As the API server sent it; undefined where a list lacks it. */
  readonly object: unknown;
  /** Where the watch was cut before, the last time that the store was complete: milliseconds since 1970; else it has just changed. */
  readonly notBefore?: number;
}

export interface InformerOptions<Value> {
  readonly kubeConfig: KubeConfig;
  /** Such as `/api/v1/services`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** What is kept of an object; undefined where it is not as it should be. */
  readonly parse: (object: unknown) => Value | undefined;
  /** What an object can be looked up by, beside its key. */
  readonly indexOf?: (value: Value) => readonly string[];
  /** Called when the store has the change. */
  readonly onEvent?: (event: InformerEvent<Value>) => void;
  readonly log: { readonly warn: (message: string) => void };
  /** Objects of one page of a list; default 500. */
  readonly pageSize?: number;
  /** A connection without a sign of life for longer is not taken for alive; default 45 s, longer than a quiet watch lasts. */
  readonly silentMilliseconds?: number;
  /** Milliseconds of a clock that nobody sets; replaced by tests. */
  readonly elapsed?: () => number;
  /** Goes on after so many milliseconds; default: by the clock. */
  readonly startAfter?: (start: () => void, milliseconds: number) => NodeJS.Timeout | undefined;
}

export interface Informer<Value> {
  readonly store: ObjectStore<Value>;
  /** What the store has is what the API server had a moment ago: all was listed, and the watch since then is alive. */
  isCurrent(): boolean;
  /** Up to which all changes are in the store; undefined before the first list. */
  resourceVersion(): string | undefined;
  /** When the last list was asked for: milliseconds since 1970. */
  listedAt(): number;
  stop(): void;
}

const metadataSchema = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  resourceVersion: z.string(),
});
const objectSchema = z.object({ metadata: metadataSchema });
const listSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.unknown()).nullish(),
});
const bookmarkSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const statusSchema = z.object({ code: z.number().optional(), message: z.string().optional() });

const pauses = { first: 400, last: 30_000 };
/** Where there is no such path, its CustomResourceDefinition may come at any time: that costs little to ask. */
const absentPauses = { first: 1000, last: 2000 };
/** Rights come when somebody gives them. */
const refusedPauses = { first: 60_000, last: 300_000 };
/** For so long after a watch goes on, what it reports may have been before. */
const lateMilliseconds = 2000;
/** A connection that ends sooner was none to rely on. */
const shortMilliseconds = 5000;
/** A page that takes longer is asked for again. */
const listMilliseconds = 30_000;

/** The HTTP status of an answer that is none of a watch or a list. */
class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

export function startInformer<Value>(options: InformerOptions<Value>): Informer<Value> {
  const { kubeConfig, path, labelSelector, fieldSelector, parse, onEvent = () => undefined, log } = options;
  const { pageSize = 500, silentMilliseconds = 45_000, startAfter = setTimeout } = options;
  const { elapsed = () => performance.now() } = options;
  const store = new ObjectStore<Value>(options.indexOf);
  const watch = new Watch(kubeConfig);
  const stopping = new AbortController();
  /** From where the watch goes on; undefined where all has to be listed. */
  let place: string | undefined;
  let resourceVersion: string | undefined;
  let listedAt = 0;
  /** When nothing had happened yet that is not in the store: milliseconds since 1970. */
  let completeAt: number | undefined;
  /** The same when the connection was opened. */
  let completeBefore: number | undefined;
  let lateUntil = 0;
  let isConnected = false;
  let lastSign = 0;
  let failures = 0;
  let turns = 0;
  let running: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lastLine = '';

  /** The same trouble is logged once, however often it is tried again. */
  const sayOnce = (line: string): void => {
    if (line !== lastLine) log.warn(`watch of ${path}: ${line}`);
    lastLine = line;
  };
  const reached = (version: string): void => {
    place = version;
    resourceVersion = version;
  };
  const lostPlace = (): void => {
    // What comes of a watch that has lost its place is in no order with the next list.
    if (place !== undefined) log.warn(`watch of ${path}: its place is no longer known (410); all is listed again`);
    place = undefined;
  };
  const read = (object: unknown): ReadObject<Value> | undefined => {
    const parsed = objectSchema.safeParse(object);
    if (!parsed.success) {
      sayOnce(`an object without name or resourceVersion is left out: ${String(parsed.error.issues[0]?.message)}`);
      return undefined;
    }
    const { name, namespace, resourceVersion: version } = parsed.data.metadata;
    const value = parse(object);
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    if (value === undefined) sayOnce(`${key} is not as this version knows its kind`);
    return { key, resourceVersion: version, value };
  };

  const getPage = async (limit: number | undefined, from: string | undefined): Promise<z.infer<typeof listSchema>> => {
    const url = new URL(`${kubeConfig.getCurrentCluster()?.server ?? ''}${path}`);
    const query = { labelSelector, fieldSelector, limit: limit?.toString(), continue: from };
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
    const request = new RequestContext(url.toString(), HttpMethod.GET);
    request.setSignal(AbortSignal.any([stopping.signal, AbortSignal.timeout(listMilliseconds)]));
    await kubeConfig.applySecurityAuthentication(request);
    const { httpStatusCode, body } = await new IsomorphicFetchHttpLibrary().send(request).toPromise();
    const text = await body.text();
    if (httpStatusCode !== 200) throw new StatusError(httpStatusCode, messageOf(text));
    return listSchema.parse(JSON.parse(text));
  };

  const listAll = async (limit: number | undefined): Promise<void> => {
    const askedAt = Date.now();
    const objects: ReadObject<Value>[] = [];
    /** By key; events carry what was sent, and it is kept no longer than for that. */
    const sent = new Map<string, unknown>();
    let from: string | undefined;
    let version: string;
    do {
      const { metadata, items } = await getPage(limit, from);
      for (const item of items ?? []) {
        const object = read(item);
        if (object === undefined) continue;
        objects.push(object);
        if (store.get(object.key)?.resourceVersion !== object.resourceVersion) sent.set(object.key, item);
      }
      version = metadata.resourceVersion;
      from = metadata.continue === '' ? undefined : metadata.continue;
    } while (from !== undefined);
    if (stopping.signal.aborted) return;
    const events = store.replace(objects, version);
    reached(version);
    listedAt = askedAt;
    lastSign = elapsed();
    const late = completeAt === undefined ? {} : { notBefore: completeAt };
    completeAt = askedAt;
    for (const event of events)
      onEvent({ ...event, ...late, object: event.type === 'DELETED' ? undefined : sent.get(event.key) });
  };

  const list = async (): Promise<void> => {
    try {
      await listAll(pageSize);
    } catch (error) {
      // The pages are of one moment, which the API server does not know for ever.
      if (statusOf(error) !== 410) throw error;
      await listAll(undefined);
    }
  };

  const received = (type: string, object: unknown): void => {
    lastSign = elapsed();
    if (type === 'ERROR') {
      const { code, message } = statusSchema.safeParse(object).data ?? {};
      failures += 1;
      if (code === 410) lostPlace();
      else sayOnce(message ?? 'unknown error');
      return;
    }
    if (place === undefined) return;
    failures = 0;
    const late = elapsed() < lateUntil && completeBefore !== undefined ? { notBefore: completeBefore } : {};
    completeAt = Date.now();
    if (type === 'BOOKMARK') {
      const bookmark = bookmarkSchema.safeParse(object);
      if (bookmark.success) reached(bookmark.data.metadata.resourceVersion);
      return;
    }
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return;
    apply(type, object, late);
  };
  const apply = (type: ObjectChange, object: unknown, late: { readonly notBefore?: number }): void => {
    const found = read(object);
    if (found === undefined) return;
    const event = store.apply(type, found);
    reached(found.resourceVersion);
    if (event !== undefined) onEvent({ ...event, ...late, object });
  };

  const again = (milliseconds: number): void => {
    if (!stopping.signal.aborted) timer = startAfter(() => void turn(), milliseconds);
  };
  const failed = (error: unknown): void => {
    if (stopping.signal.aborted) return;
    isConnected = false;
    const code = statusOf(error);
    const pause = pauseAfter(failures, code === 404 ? absentPauses : code === 403 ? refusedPauses : pauses);
    failures += 1;
    if (code === 410) lostPlace();
    else if (code === 404) {
      // What was there before is gone with the path: the next list says so.
      place = undefined;
      sayOnce('there is no such path; it is looked for until there is (404)');
    } else if (code === 403) sayOnce('it is refused (403), done without, and tried again from time to time');
    else
      sayOnce(
        `${error instanceof Error ? error.message : JSON.stringify(error)}${code === undefined ? '' : ` (${String(code)})`}`,
      );
    again(pause);
  };

  const turn = async (): Promise<void> => {
    try {
      if (place === undefined) await list();
    } catch (error) {
      failed(error);
      return;
    }
    if (stopping.signal.aborted) return;
    turns += 1;
    const mine = turns;
    completeBefore = completeAt;
    // Until it is open.
    lateUntil = Infinity;
    let isOver = false;
    let openedAt: number | undefined;
    const onDone = (error: unknown): void => {
      if (isOver || stopping.signal.aborted) return;
      isOver = true;
      if (!isQuietEnd(error)) {
        failed(error);
        return;
      }
      // The client ends a quiet watch after half a minute, the server one of some minutes: that is not a failure.
      const isShort = !isTimeout(error) && (openedAt === undefined || elapsed() - openedAt < shortMilliseconds);
      failures = isShort ? failures + 1 : 0;
      if (failures > 1) isConnected = false;
      again(pauseAfter(Math.max(failures - 1, 0), pauses));
    };
    try {
      const query = { allowWatchBookmarks: true, resourceVersion: place, labelSelector, fieldSelector };
      const controller = await watch.watch(
        path,
        query,
        (type: string, object: unknown) => {
          // The last lines may come after the end of the connection.
          if (mine === turns && !stopping.signal.aborted) received(type, object);
        },
        onDone,
      );
      running = controller;
      if (stopping.signal.aborted) controller.abort();
      // The client resolves when it has the headers of the answer, or when all is over.
      else if (!isOver) {
        isConnected = true;
        openedAt = elapsed();
        lastSign = openedAt;
        lateUntil = openedAt + lateMilliseconds;
      }
    } catch (error) {
      onDone(error);
    }
  };

  void turn();
  return {
    store,
    isCurrent: () => place !== undefined && isConnected && elapsed() - lastSign <= silentMilliseconds,
    resourceVersion: () => resourceVersion,
    listedAt: () => listedAt,
    stop() {
      stopping.abort();
      isConnected = false;
      clearTimeout(timer);
      running?.abort();
    },
  };
}

function isQuietEnd(error: unknown): boolean {
  return error === null || error === undefined || isTimeout(error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

/** Of a Status object, or the text itself where it is none. */
function messageOf(text: string): string {
  try {
    return statusSchema.safeParse(JSON.parse(text)).data?.message ?? text.slice(0, 300);
  } catch {
    return text.slice(0, 300);
  }
}
