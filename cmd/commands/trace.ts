/** `kubectl svctrace SERVICE` without a terminal, or with -o: open the trace where it comes from, and print its result. */
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { changesBetween, connectionsBetween } from '../../core/status/changes.ts';
import type { connect } from '../cluster/cluster-client.ts';
import { ClusterError, UsageError } from '../cli/errors.ts';
import { exitStatus, exitStatusOfTrace } from '../cli/exit-status.ts';
import { widthOf, type Io } from '../cli/io.ts';
import { namesTrace, pictureFormats, type PictureFormat, type TextFormat, type TraceRequest } from '../cli/request.ts';
import { whichService } from '../cli/options.ts';
import { changeLine, changeTitle } from '../printers/change-lines.ts';
import { createPaint, wantsColor } from '../tables/paint.ts';
import { printTrace } from '../printers/print.ts';
import { visible } from '../../core/lib/visible.ts';
import { createProgress, type Progress } from '../cli/progress.ts';
import { partialText, showEvent } from '../sources/event-text.ts';
import { isComplete, type TraceSource } from '../sources/source.ts';
import { openSource } from '../sources/open.ts';
import { resultOf } from '../sources/trace-result.ts';

/** One result, or each with --watch. @param connectTo replaced by tests */
export async function runTrace(request: TraceRequest, io: Io, connectTo?: typeof connect): Promise<number> {
  if (!namesTrace(request)) throw new UsageError(whichService);
  const progress = createProgress(io.stderr);
  const source = await openSource(request, request.watch, io, connectTo, (line) => {
    io.stderr.write(`${line}\n`);
  });
  try {
    if (request.watch) return await printEach(source, request, io, progress);
    const status = await printOne(source, request, io, progress);
    if (request.origin.kind === 'operator' && request.origin.keep && 'name' in source)
      progress.say(`Kept as servicetrace/${String(source.name)}`);
    return status;
  } finally {
    if (request.origin.kind === 'standalone') progress.update('Ending the probes');
    await source.close();
    progress.end();
  }
}

async function printOne(source: TraceSource, request: TraceRequest, io: Io, progress: Progress): Promise<number> {
  const { timeoutMilliseconds } = request;
  const { trace, isTimedOut } = await resultOf(source, { timeoutMilliseconds, signal: io.signal, progress });
  if (source.connectFromPod !== undefined) progress.update('Connecting from within the pod');
  const connected = (await source.connectFromPod?.(trace)) ?? trace;
  progress.end();
  io.stdout.write(await textOf(connected, request, io));
  const partial = partialText(trace);
  if (partial !== undefined)
    progress.say(isTimedOut ? `${partial} (waited ${timeoutMilliseconds / 1000} s; --timeout says how long)` : partial);
  return exitStatusOfTrace(connected, request.failOn);
}

function isPicture(format: NonNullable<TraceRequest['output']>): format is PictureFormat {
  return pictureFormats.some((each) => each === format);
}

async function textOf(trace: ServiceTrace, request: TraceRequest, io: Io): Promise<string> {
  const { output = 'table', nodes } = request;
  if (!isPicture(output)) return printTrace(trace, output, printOptions(request, io));
  const [{ buildDiagram }, { mostEndpointsOfPicture, printPicture }] = await Promise.all([
    import('../../core/diagram/build-diagram.ts'),
    import('../printers/picture.ts'),
  ]);
  const { metadata, spec, status } = visible(trace);
  return printPicture(
    buildDiagram(status ?? {}, {
      namespace: metadata.namespace ?? 'default',
      name: spec.serviceRef.name,
      nodes,
      mostEndpoints: mostEndpointsOfPicture,
    }),
    output,
  );
}

/** The first complete result, then what changes: a line for each change of a table, the whole object otherwise, as kubectl does. */
async function printEach(source: TraceSource, request: TraceRequest, io: Io, progress: Progress): Promise<number> {
  // options.ts refuses pictures with --watch.
  const format: TextFormat = request.output === undefined || isPicture(request.output) ? 'table' : request.output;
  const printChanges = createChangePrinter(request, io);
  let last: ServiceTrace | undefined;
  let silence: string | undefined;
  const stop = new AbortController();
  await source.follow(
    (event) => {
      showEvent(progress, event);
      if (event.kind === 'silent' && last !== undefined) progress.say(`Notice: ${event.message}`);
      else if (event.kind === 'silent') {
        silence = event.message;
        stop.abort();
      }
      if (
        event.kind !== 'trace' ||
        !isComplete(event.trace) ||
        event.trace.status?.collectedAt === last?.status?.collectedAt
      )
        return;
      progress.end();
      if (last !== undefined && (format === 'table' || format === 'wide'))
        printChanges(visible(last), visible(event.trace));
      else
        io.stdout.write(
          `${format === 'yaml' && last !== undefined ? '---\n' : ''}${printTrace(event.trace, format, printOptions(request, io))}`,
        );
      last = event.trace;
    },
    AbortSignal.any([io.signal, stop.signal]),
  );
  io.signal.throwIfAborted();
  if (silence !== undefined) throw new ClusterError(silence);
  return last === undefined ? exitStatus.partial : exitStatusOfTrace(last, request.failOn);
}

function createChangePrinter({ color }: TraceRequest, io: Io): (before: ServiceTrace, after: ServiceTrace) => void {
  const paint = createPaint(wantsColor(color, io.stdout.isTTY === true, io.env));
  let nodeWidth: number | undefined;
  return (before, after) => {
    const changes =
      after.status === undefined
        ? []
        : [...changesBetween(before.status, after.status), ...connectionsBetween(before.status, after.status)];
    if (changes.length === 0) return;
    if (nodeWidth === undefined) {
      // Lines that are written cannot be moved: the column is as wide as the nodes that are known by now need it.
      nodeWidth = Math.max(4, ...(after.status?.nodes ?? []).map(({ name }) => name.length));
      io.stdout.write(`\n${changeTitle({ paint, nodeWidth })}\n`);
    }
    for (const change of changes) io.stdout.write(`${changeLine(change, { paint, nodeWidth })}\n`);
  };
}

function printOptions({ color }: TraceRequest, io: Io): { width: number; useColor: boolean } {
  return { width: widthOf(io), useColor: wantsColor(color, io.stdout.isTTY === true, io.env) };
}
