/** Reads, or follows, the logs of pods, their lines merged by their times: for `logs` and for the view of the logs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DesiredService } from '../../core/api/service.ts';
import { ApiError, UnreachableError } from '../cluster/api.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import type { LogPod } from '../cluster/log-pods.ts';
import { UsageError } from '../cli/errors.ts';
import { isForbidden } from '../cluster/explain-error.ts';
import { comparableTime, createLogMerge, parseLogLine, type LogLine, type LogMerge } from './merge.ts';
import { reasonOf } from '../cli/one-line.ts';
import pLimit from 'p-limit';

/** Logs that are read at the same time. */
const maxStreams = 50;
const maxConcurrent = 10;
/** While logs are followed: lines of several pods that come within this time are put in order. */
const orderMilliseconds = 200;
/** The logs that are there at the beginning are put in order as a whole: none is shown before each has given a line, or this time is over. */
const firstMilliseconds = 1000;
const retryMilliseconds = 1000;

/** Which pods' logs are meant. */
export interface PodSource {
  readonly namespace: string;
  /** Label selectors, of which a pod matches one; undefined for every pod of the namespace. */
  readonly selectors: readonly (string | undefined)[];
  readonly isMeant: (pod: LogPod) => boolean;
  /** The message where there is no pod. */
  readonly none: string;
}

/** The pods of the Service; without a selector, those that the EndpointSlices name. */
export function servicePods(
  desired: DesiredService,
  { nodes, selector }: { readonly nodes: readonly string[]; readonly selector?: string | undefined },
): PodSource {
  const { namespace, name: service } = desired;
  const own = Object.entries(desired.service.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  const named = new Set(
    desired.endpointSlices.flatMap(({ endpoints }) =>
      endpoints.flatMap(({ targetRef }) =>
        targetRef?.kind === 'Pod' && targetRef.name !== undefined ? [targetRef.name] : [],
      ),
    ),
  );
  const all = [...own, ...(selector === undefined ? [] : [selector])].join(',');
  return {
    namespace,
    selectors: [all === '' ? undefined : all],
    isMeant: ({ name, node }) =>
      (own.length > 0 || named.has(name)) && (nodes.length === 0 || (node !== undefined && nodes.includes(node))),
    none: `Service "${service}" has no pod${all === '' ? ' in its EndpointSlices' : ` (${all})`} in namespace "${namespace}".`,
  };
}

export interface LogReaderOptions {
  readonly namespace: string;
  readonly container?: string | undefined;
  readonly previous: boolean;
  readonly sinceSeconds?: number | undefined;
  readonly tailLines?: number | undefined;
  /** Whether logs past `maxStreams` are passed over; else they are refused. */
  readonly isLimited?: boolean;
  readonly onLines: (lines: readonly LogLine[]) => void;
  /** What the user should know of one log. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface LogReader {
  /** Whether every log could be read. */
  readAll(pods: readonly LogPod[]): Promise<boolean>;
  /**
   * Begins to follow those of the pods' containers that run and are not followed yet.
   * @throws UsageError where they are too many for the beginning
   */
  follow(pods: readonly LogPod[], signal: AbortSignal): void;
  /** Gives a line that is not a log's, behind all that came before it. */
  insert(line: LogLine): void;
  /** Aborts, with the error, where a log that is followed may not be read. */
  readonly refused: AbortSignal;
}

export function createLogReader(
  clusterClient: Pick<ClusterClient, 'readLog'>,
  {
    namespace,
    container,
    previous,
    sinceSeconds,
    tailLines,
    isLimited = false,
    onLines,
    say,
    signal: end,
  }: LogReaderOptions,
): LogReader {
  const merge = createLogMerge(onLines);
  const begun = new Set<string>();
  const refusal = new AbortController();
  let followed = 0;
  let passedOver = 0;
  let flushing: NodeJS.Timeout | undefined;
  /** Logs of the beginning that have given no line yet. */
  const awaited = new Set<string>();
  const options = {
    previous,
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(tailLines === undefined ? {} : { tailLines }),
  };
  const chosen = (pod: LogPod): LogPod['containers'] =>
    pod.containers.filter(({ name }) => container === undefined || name === container);
  return {
    refused: refusal.signal,
    async readAll(pods) {
      const limit = pLimit(maxConcurrent);
      const answers = await Promise.all(
        pods.flatMap((pod) =>
          chosen(pod).map(({ name }) =>
            limit(async () => {
              const from = `${pod.name}/${name}`;
              try {
                await clusterClient.readLog(
                  { namespace, pod: pod.name, container: name, follow: false, ...options },
                  (line) => {
                    merge.add({ ...parseLogLine(from, line), node: pod.node });
                  },
                  end,
                );
                return true;
              } catch (error) {
                if (!(error instanceof ApiError) || (error.code !== 400 && error.code !== 404)) throw error;
                say(`${from}: ${error.message}`);
                return false;
              }
            }),
          ),
        ),
      );
      merge.flush();
      return answers.every((answer) => answer);
    },
    follow(pods, signal) {
      flushing ??= startFlushing(merge, awaited, signal);
      const isFirst = begun.size === 0;
      for (const pod of pods) {
        for (const { name, restarts, hasStarted } of chosen(pod)) {
          const key = `${pod.uid}/${name}/${String(restarts)}`;
          if (!hasStarted || begun.has(key)) continue;
          if (followed >= maxStreams && isLimited) {
            passedOver += 1;
            continue;
          }
          if (begun.size >= maxStreams && isFirst)
            throw new UsageError(
              `${String(pods.length)} pods are more than ${String(maxStreams)} logs that can be followed together; choose some of them with -l or -c.`,
            );
          begun.add(key);
          followed += 1;
          // Of what begins while we look on, nothing is left out.
          const from = isFirst ? options : { previous: false };
          if (isFirst) awaited.add(key);
          const onLine = (line: LogLine): void => {
            awaited.delete(key);
            merge.add({ ...line, node: pod.node });
          };
          followLog(
            { clusterClient, onLine, say, signal },
            { namespace, pod: pod.name, container: name, follow: true, ...from },
          ).then(
            () => {
              awaited.delete(key);
              followed -= 1;
            },
            (error: unknown) => {
              refusal.abort(error);
            },
          );
        }
      }
      if (isFirst && passedOver > 0) say(`${String(maxStreams)} logs are followed, ${String(passedOver)} more are not`);
    },
    insert(line) {
      merge.flush();
      onLines([line]);
    },
  };
}

function startFlushing(merge: LogMerge, awaited: Set<string>, signal: AbortSignal): NodeJS.Timeout {
  let waits = firstMilliseconds / orderMilliseconds;
  const timer = setInterval(() => {
    waits -= 1;
    if (waits <= 0) awaited.clear();
    if (awaited.size === 0) merge.flush();
  }, orderMilliseconds);
  signal.addEventListener(
    'abort',
    () => {
      clearInterval(timer);
      merge.flush();
    },
    { once: true },
  );
  return timer;
}

type LogQuery = Parameters<ClusterClient['readLog']>[0];

/**
 * Until the container ends; a connection that breaks is made again, from the last line on.
 * @throws ApiError where the log may not be read
 */
async function followLog(
  {
    clusterClient,
    onLine,
    say,
    signal,
  }: {
    clusterClient: Pick<ClusterClient, 'readLog'>;
    onLine: (line: LogLine) => void;
    say: (text: string) => void;
    signal: AbortSignal;
  },
  query: LogQuery,
): Promise<void> {
  const from = `${query.pod}/${query.container}`;
  let last = '';
  let resumedAt = '';
  let next = query;
  while (!signal.aborted) {
    try {
      await clusterClient.readLog(
        next,
        (line) => {
          const parsed = parseLogLine(from, line);
          // The API takes whole seconds: what came within the last one comes again.
          if (parsed.time !== '' && resumedAt !== '' && comparableTime(parsed.time) <= resumedAt) return;
          if (parsed.time !== '') last = parsed.time;
          onLine(parsed);
        },
        signal,
      );
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (isForbidden(error)) throw error;
      say(`${from}: ${reasonOf(error)}`);
      if (!(error instanceof UnreachableError)) return;
      await sleep(retryMilliseconds, undefined, { signal }).catch(() => undefined);
      if (last === '') continue;
      resumedAt = comparableTime(last);
      next = {
        namespace: query.namespace,
        pod: query.pod,
        container: query.container,
        follow: true,
        previous: false,
        sinceTime: last,
      };
    }
  }
}

/** The pods that are meant, each once. */
export async function listPods(
  clusterClient: Pick<ClusterClient, 'listLogPods'>,
  { namespace, selectors, isMeant }: PodSource,
): Promise<LogPod[]> {
  const lists = await Promise.all(selectors.map((selector) => clusterClient.listLogPods(namespace, selector)));
  return distinct(lists.map(({ pods }) => pods)).filter(isMeant);
}

function distinct(lists: Iterable<readonly LogPod[]>): LogPod[] {
  return [...new Map([...lists].flat().map((pod) => [pod.uid, pod])).values()];
}

/**
 * Lists, then watches from there; begins again where the watch ends.
 * @param onPods gets the pods as they are now, and as they were before; at first only of the former
 * @throws ApiError where the pods, or a log, may not be read
 */
export async function followPods(
  clusterClient: Pick<ClusterClient, 'listLogPods' | 'watchLogPods'>,
  { namespace, selectors, isMeant }: PodSource,
  reader: LogReader,
  end: AbortSignal,
  onPods: (pods: readonly LogPod[], before: readonly LogPod[] | undefined) => void = () => undefined,
): Promise<void> {
  const failure = new AbortController();
  const signal = AbortSignal.any([end, reader.refused, failure.signal]);
  const known = new Map<string | undefined, readonly LogPod[]>();
  let reported: readonly LogPod[] | undefined;
  const learn = (selector: string | undefined, pods: readonly LogPod[]): void => {
    known.set(selector, pods);
    // Which logs are there at the beginning is known when every list is.
    if (known.size < selectors.length) return;
    const now = distinct(known.values());
    onPods(now, reported);
    reported = now;
    reader.follow(now, signal);
  };
  const follow = async (selector: string | undefined): Promise<void> => {
    while (!signal.aborted) {
      try {
        const { pods, resourceVersion } = await clusterClient.listLogPods(namespace, selector);
        learn(selector, pods.filter(isMeant));
        await clusterClient.watchLogPods(
          namespace,
          selector,
          resourceVersion,
          (pod, isThere) => {
            if (!isMeant(pod)) return;
            const others = (known.get(selector) ?? []).filter(({ uid }) => uid !== pod.uid);
            learn(selector, [...others, ...(isThere ? [pod] : [])]);
          },
          signal,
        );
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof UnreachableError) && !(error instanceof ApiError && error.code === 410)) {
          failure.abort(error);
          throw error;
        }
        await sleep(retryMilliseconds, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  await Promise.all(selectors.map(follow));
  if (!end.aborted) reader.refused.throwIfAborted();
}
