/** `kubectl svctrace logs SERVICE`: the logs of all pods behind the Service as one, or those of the nodes' kube-proxies. */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { logWords, wordsIn } from '../core/log-words.ts';
import type { DesiredService } from '../core/service.ts';
import { readDesiredService } from '../operator/trace-engine.ts';
import { ApiError, UnreachableError } from './api.ts';
import { connect, type ClusterClient, type LogPod } from './client.ts';
import { NotFoundError, UsageError } from './errors.ts';
import { exitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { comparableTime, createLogMerge, parseLogLine, type LogMerge } from './log-merge.ts';
import { createLogColors } from './printers/log-colors.ts';
import { wantsColor } from './printers/paint.ts';
import type { LogsRequest } from './request.ts';
import { checkService, describeMissingService } from './service-names.ts';

/** Logs that are read at the same time. */
const maxStreams = 50;
const maxConcurrent = 10;
/** With -f: lines of several pods that come within this time are put in order. */
const orderMilliseconds = 200;
const retryMilliseconds = 1000;

/** @param connectTo replaced by tests */
export async function runLogs(request: LogsRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  const client = connectTo(request.flags, io.env, (line) => { io.stderr.write(`${line}\n`); });
  await checkService(client, client.namespace, request.service);
  const desired = await readDesiredService(client.kubeConfig, client.namespace, request.service);
  if (desired === undefined) throw new NotFoundError(await describeMissingService(client, client.namespace, request.service));
  const source = podSource(request, client, desired);
  const reader = createReader(request, client, source.namespace, io, linePrinter(request, desired, io));
  const pods = (await client.listLogPods(source.namespace, source.selector)).pods.filter(source.isMeant);
  if (pods.length === 0 && !request.follow) throw new NotFoundError(source.none);
  checkContainer(pods, request);
  if (!request.follow) return (await reader.readAll(pods)) ? exitStatus.ok : exitStatus.partial;
  if (pods.length === 0) io.stderr.write(`Notice: ${source.none} Waiting for one.\n`);
  await followPods(client, source, reader, io.signal);
  io.signal.throwIfAborted();
  return exitStatus.ok;
}

interface PodSource {
  readonly namespace: string;
  readonly selector: string | undefined;
  readonly isMeant: (pod: LogPod) => boolean;
  /** What is said where there is no pod. */
  readonly none: string;
}

function podSource({ kubeProxy, nodes, selector }: LogsRequest, { namespace }: Pick<ClusterClient, 'namespace'>, desired: DesiredService): PodSource {
  if (kubeProxy) {
    const where = nodes.length === 0 ? '' : ` on ${nodes.join(', ')}`;
    return {
      namespace: 'kube-system',
      selector: 'k8s-app=kube-proxy',
      isMeant: ({ node }) => nodes.length === 0 || (node !== undefined && nodes.includes(node)),
      none: `There is no pod of kube-proxy (label k8s-app=kube-proxy) in namespace kube-system${where}: where it is no pod, its log is on the node (journalctl -u kube-proxy).`,
    };
  }
  const own = Object.entries(desired.service.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  const named = new Set(desired.endpointSlices.flatMap(({ endpoints }) => endpoints.flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' && targetRef.name !== undefined ? [targetRef.name] : []))));
  const all = [...own, ...(selector === undefined ? [] : [selector])].join(',');
  return {
    namespace,
    selector: all === '' ? undefined : all,
    // Without a selector, the pods are those that the EndpointSlices name.
    isMeant: ({ name, node }) => (own.length > 0 || named.has(name)) && (nodes.length === 0 || (node !== undefined && nodes.includes(node))),
    none: `Service "${desired.name}" has no pod${all === '' ? ' in its EndpointSlices' : ` (${all})`} in namespace "${namespace}".`,
  };
}

function checkContainer(pods: readonly LogPod[], { container }: LogsRequest): void {
  if (container === undefined || pods.length === 0) return;
  const names = [...new Set(pods.flatMap(({ containers }) => containers.map(({ name }) => name)))];
  if (!names.includes(container)) throw new UsageError(`-c ${container}: no pod has a container of this name; they have ${names.join(', ')}.`);
}

/** Writes one line: the pod and the container, and for kube-proxies a mark where the line concerns the Service. */
function linePrinter({ kubeProxy, color }: LogsRequest, desired: DesiredService, io: Io): (from: string, text: string) => void {
  const useColor = wantsColor(color, io.stdout.isTTY === true, io.env);
  const paint = createLogColors(useColor);
  const words = kubeProxy ? logWords(desired) : [];
  return (from, text) => {
    const mark = !kubeProxy ? '' : wordsIn(text, words).length > 0 ? '> ' : '  ';
    io.stdout.write(`${mark}${paint(from.split('/')[0] ?? from, from)} ${text}\n`);
  };
}

interface Reader {
  /** Whether every log could be read. */
  readAll(pods: readonly LogPod[]): Promise<boolean>;
  /** Begins to follow those of the pods' containers that run and are not followed yet. */
  follow(pods: readonly LogPod[], signal: AbortSignal): void;
}

function createReader(request: LogsRequest, client: Pick<ClusterClient, 'readLog'>, namespace: string, io: Io, print: (from: string, text: string) => void): Reader {
  const merge = createLogMerge(({ from, text }) => { print(from, text); });
  const say = (text: string): void => { io.stderr.write(`Notice: ${text}\n`); };
  const begun = new Set<string>();
  let flushing: NodeJS.Timeout | undefined;
  const options = { previous: request.previous, ...(request.sinceSeconds === undefined ? {} : { sinceSeconds: request.sinceSeconds }), ...(request.tail === undefined ? {} : { tailLines: request.tail }) };
  const chosen = (pod: LogPod): LogPod['containers'] => pod.containers.filter(({ name }) => request.container === undefined || name === request.container);
  return {
    async readAll(pods) {
      const limit = pLimit(maxConcurrent);
      const answers = await Promise.all(
        pods.flatMap((pod) =>
          chosen(pod).map(({ name }) =>
            limit(async () => {
              const from = `${pod.name}/${name}`;
              try {
                await client.readLog({ namespace, pod: pod.name, container: name, follow: false, ...options }, (line) => { merge.add(parseLogLine(from, line)); }, io.signal);
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
      flushing ??= startFlushing(merge, signal);
      const isFirst = begun.size === 0;
      for (const pod of pods) {
        for (const { name, restarts, hasStarted } of chosen(pod)) {
          const key = `${pod.uid}/${name}/${String(restarts)}`;
          if (!hasStarted || begun.has(key)) continue;
          if (begun.size >= maxStreams && isFirst) throw new UsageError(`${String(pods.length)} pods are more than ${String(maxStreams)} logs that can be followed together; choose some of them with -l or -c.`);
          begun.add(key);
          // Of what begins while we look on, nothing is left out.
          const from = isFirst ? options : { previous: false };
          void followLog({ client, merge, say, signal }, { namespace, pod: pod.name, container: name, follow: true, ...from });
        }
      }
    },
  };
}

function startFlushing(merge: LogMerge, signal: AbortSignal): NodeJS.Timeout {
  const timer = setInterval(() => { merge.flush(); }, orderMilliseconds);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    merge.flush();
  }, { once: true });
  return timer;
}

type LogQuery = Parameters<ClusterClient['readLog']>[0];

/** Until the container ends; a connection that breaks is made again, from the last line on. */
async function followLog({ client, merge, say, signal }: { client: Pick<ClusterClient, 'readLog'>; merge: LogMerge; say: (text: string) => void; signal: AbortSignal }, query: LogQuery): Promise<void> {
  const from = `${query.pod}/${query.container}`;
  let last = '';
  let resumedAt = '';
  let next = query;
  while (!signal.aborted) {
    try {
      await client.readLog(next, (line) => {
        const parsed = parseLogLine(from, line);
        // The API takes whole seconds: what came within the last one comes again.
        if (parsed.time !== '' && resumedAt !== '' && comparableTime(parsed.time) <= resumedAt) return;
        if (parsed.time !== '') last = parsed.time;
        merge.add(parsed);
      }, signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      say(`${from}: ${error instanceof Error ? error.message : String(error)}`);
      if (!(error instanceof UnreachableError)) return;
      await sleep(retryMilliseconds, undefined, { signal }).catch(() => undefined);
      if (last === '') continue;
      resumedAt = comparableTime(last);
      next = { namespace: query.namespace, pod: query.pod, container: query.container, follow: true, previous: false, sinceTime: last };
    }
  }
}

/** Lists, then watches from there; begins anew where the watch ends. */
async function followPods(client: Pick<ClusterClient, 'listLogPods' | 'watchLogPods'>, { namespace, selector, isMeant }: PodSource, reader: Reader, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const { pods, resourceVersion } = await client.listLogPods(namespace, selector);
      reader.follow(pods.filter(isMeant), signal);
      await client.watchLogPods(namespace, selector, resourceVersion, (pod) => { if (isMeant(pod)) reader.follow([pod], signal); }, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof UnreachableError) && !(error instanceof ApiError && error.code === 410)) throw error;
      await sleep(retryMilliseconds, undefined, { signal }).catch(() => undefined);
    }
  }
}
