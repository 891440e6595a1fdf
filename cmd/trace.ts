/** `kubectl svctrace SERVICE`: open the trace where it comes from, then show it live or print one result. */
import type { ServiceTrace, ServiceTraceSpec } from '../core/service-trace.ts';
import { connect, type ClusterClient } from './client.ts';
import { ClusterError, NotFoundError, UsageError } from './errors.ts';
import { exitStatus, exitStatusOfTrace } from './exit-status.ts';
import { isForbidden } from './explain.ts';
import { isInteractive, widthOf, type Io } from './io.ts';
import { noAnswerError, openExisting, openOnce, openWatch } from './operator-source.ts';
import { wantsColor } from './printers/paint.ts';
import { printTrace } from './printers/print.ts';
import { createProgress, partialText, tellEvent, type Progress } from './progress.ts';
import { pictureFormats, type PictureFormat, type TextFormat, type TraceRequest } from './request.ts';
import { checkService, findNamespace, nearNames } from './service-names.ts';
import { awaitResult, isComplete, type TraceSource } from './source.ts';

/** @param connectTo replaced by tests */
export async function runTrace(request: TraceRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  const isLive = isInteractive(io) && request.output === undefined;
  const progress = createProgress(io.stderr);
  const source = await openSource(request, isLive || request.watch, io, connectTo, (line) => {
    // A line in the midst of the live view would spoil it.
    if (!isLive || io.stderr.isTTY !== true) io.stderr.write(`${line}\n`);
  });
  try {
    if (isLive) {
      const { showLive } = await import('./views/show.tsx');
      await showLive(source, { useColor: wantsColor(request.color, true, io.env), signal: io.signal });
      return exitStatus.ok;
    }
    if (request.watch) return await printEach(source, request, io, progress);
    const status = await printOne(source, request, io, progress);
    if (request.origin.kind === 'operator' && request.origin.keep && 'name' in source) progress.say(`Kept as servicetrace/${String(source.name)}`);
    return status;
  } finally {
    if (request.origin.kind === 'standalone') progress.update('Ending the probes');
    await source.close();
    progress.end();
  }
}

async function openSource(request: TraceRequest, isWatching: boolean, io: Io, connectTo: typeof connect, log: (line: string) => void): Promise<TraceSource> {
  const { origin, flags } = request;
  if (origin.kind === 'bundle') {
    const { openBundle } = await import('./bundle-source.ts');
    return openBundle(origin.file, { service: request.service, namespace: flags.namespace });
  }
  const client = connectTo(flags, io.env, log);
  if (origin.kind === 'existing') return openExisting(client, { namespace: client.namespace, name: origin.trace });
  const service = request.service ?? '';
  const namespace = request.allNamespaces ? await findNamespace(client, service) : client.namespace;
  await checkService(client, namespace, service);
  await checkClient(client, namespace, request.from);
  const spec = specOf(service, request);
  if (origin.kind === 'standalone') {
    const { openStandalone } = await import('./standalone-source.ts');
    return openStandalone(client, { namespace, spec, probeNamespace: origin.probeNamespace, probeImage: origin.probeImage, watch: isWatching });
  }
  return isWatching ? openWatch(client, { namespace, spec }) : openOnce(client, { namespace, spec, keep: origin.keep });
}

function specOf(service: string, { nodes, from, conntrack }: TraceRequest): ServiceTraceSpec {
  return {
    serviceRef: { name: service },
    ...(nodes.length === 0 ? {} : { nodes: { names: [...nodes] } }),
    ...(from === undefined ? {} : { from }),
    ...(conntrack === 'Summary' ? {} : { collect: { conntrack } }),
  };
}

/** The pod of --from. @throws UsageError where it is not there */
async function checkClient(client: Pick<ClusterClient, 'listPods'>, namespace: string, from: TraceRequest['from']): Promise<void> {
  if (from === undefined || 'ip' in from) return;
  let pods: string[];
  try {
    pods = await client.listPods(namespace);
  } catch (error) {
    if (isForbidden(error)) return;
    throw error;
  }
  if (pods.includes(from.pod)) return;
  const near = nearNames(from.pod, pods);
  throw new UsageError(`--from ${from.pod}: namespace "${namespace}" has no pod of this name${near.length === 0 ? '' : `; near: ${near.join(', ')}`}.`);
}

async function printOne(source: TraceSource, request: TraceRequest, io: Io, progress: Progress): Promise<number> {
  const { timeoutMilliseconds } = request;
  const { trace, isTimedOut, silence } = await awaitResult(source, { timeoutMilliseconds, signal: io.signal, onEvent: (event) => { tellEvent(progress, event); } });
  progress.end();
  if (silence !== undefined) throw new ClusterError(silence);
  if (trace?.status?.conditions === undefined) {
    if (trace === undefined && !isTimedOut) throw new NotFoundError('The ServiceTrace was deleted before it had a result.');
    throw noAnswerError(timeoutMilliseconds);
  }
  throwWhereNothingIsThere(trace);
  io.stdout.write(await textOf(trace, request, io));
  const partial = partialText(trace);
  if (partial !== undefined) progress.say(isTimedOut ? `${partial} (waited ${timeoutMilliseconds / 1000} s; --timeout says how long)` : partial);
  return exitStatusOfTrace(trace, request.failOn);
}

function isPicture(format: NonNullable<TraceRequest['output']>): format is PictureFormat {
  return pictureFormats.some((each) => each === format);
}

async function textOf(trace: ServiceTrace, request: TraceRequest, io: Io): Promise<string> {
  const { output = 'table', nodes } = request;
  if (!isPicture(output)) return printTrace(trace, output, printOptions(request, io));
  const [{ buildDiagram }, { mostEndpointsOfPicture, printPicture }] = await Promise.all([import('../core/diagram/build-diagram.ts'), import('./printers/picture.ts')]);
  const { metadata, spec, status } = trace;
  return printPicture(buildDiagram(status ?? {}, { namespace: metadata.namespace ?? 'default', name: spec.serviceRef.name, nodes, mostEndpoints: mostEndpointsOfPicture }), output);
}

/** Each complete result, until the user ends it. */
async function printEach(source: TraceSource, request: TraceRequest, io: Io, progress: Progress): Promise<number> {
  // options.ts refuses pictures with --watch.
  const format: TextFormat = request.output === undefined || isPicture(request.output) ? 'table' : request.output;
  let last: ServiceTrace | undefined;
  let silence: string | undefined;
  const stop = new AbortController();
  await source.follow((event) => {
    tellEvent(progress, event);
    if (event.kind === 'silent' && last !== undefined) progress.say(`Notice: ${event.message}`);
    else if (event.kind === 'silent') {
      silence = event.message;
      stop.abort();
    }
    if (event.kind !== 'trace' || !isComplete(event.trace) || event.trace.status?.collectedAt === last?.status?.collectedAt) return;
    progress.end();
    if (last !== undefined && (format === 'table' || format === 'wide')) io.stdout.write(`\n--- ${event.trace.status?.collectedAt ?? ''}\n\n`);
    if (format === 'yaml') io.stdout.write('---\n');
    last = event.trace;
    io.stdout.write(printTrace(last, format, printOptions(request, io)));
  }, AbortSignal.any([io.signal, stop.signal]));
  io.signal.throwIfAborted();
  if (silence !== undefined) throw new ClusterError(silence);
  return last === undefined ? exitStatus.partial : exitStatusOfTrace(last, request.failOn);
}

/** The trace itself may be the one that tells that the Service is not there. */
function throwWhereNothingIsThere({ status, metadata, spec }: ServiceTrace): void {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'False') return;
  if (ready.reason === 'ServiceNotFound') {
    const near = /names near it: (.+)$/.exec(ready.message)?.[1];
    throw new NotFoundError(`Service "${spec.serviceRef.name}" is not in namespace "${metadata.namespace ?? 'default'}"${near === undefined ? '' : `; near: ${near}`}.`);
  }
  if (ready.reason === 'NoNodes') throw new UsageError(`No node is chosen: ${ready.message}.`);
}

function printOptions({ color }: TraceRequest, io: Io): { width: number; useColor: boolean } {
  return { width: widthOf(io), useColor: wantsColor(color, io.stdout.isTTY === true, io.env) };
}
