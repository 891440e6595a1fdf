/** `kubectl svctrace record SERVICE --to FILE`: what was collected, before any of it was judged. */
import { writeFile } from 'node:fs/promises';
import { printBundle } from '../core/bundle.ts';
import { connect } from './client.ts';
import { ClusterError, NotFoundError, UsageError } from './errors.ts';
import { exitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { createProgress, partialText, tellEvent } from './progress.ts';
import type { RecordRequest } from './request.ts';
import { checkService, describeMissingService } from './service-names.ts';
import { openStandalone } from './standalone-source.ts';
import { traceOf } from './trace-object.ts';
import { version } from './version.ts';

export async function runRecord(request: RecordRequest, io: Io): Promise<number> {
  const client = connect(request.flags, io.env, (line) => { io.stderr.write(`${line}\n`); });
  const { namespace } = client;
  const name = request.service;
  await checkService(client, namespace, name);
  const spec = {
    serviceRef: { name },
    collect: { conntrack: 'Entries' as const },
    ...(request.nodes.length === 0 ? {} : { nodes: { names: [...request.nodes] } }),
  };
  const progress = createProgress(io.stderr);
  const source = openStandalone(client, { namespace, spec, probeNamespace: request.probeNamespace, probeImage: request.probeImage, watch: false });
  const timeout = request.timeoutMilliseconds > 0 ? AbortSignal.timeout(request.timeoutMilliseconds) : undefined;
  try {
    const { status, desired, answers, nodeZones, walkFrom } = await source.engine.trace({
      namespace,
      spec,
      signal: timeout === undefined ? io.signal : AbortSignal.any([io.signal, timeout]),
      onProgress: (now) => { tellEvent(progress, { kind: 'trace', trace: traceOf({ namespace, name, spec, status: now }) }); },
    });
    io.signal.throwIfAborted();
    progress.end();
    if (desired === undefined) throw new NotFoundError(await describeMissingService(client, namespace, name));
    if (!answers.some((answer) => 'report' in answer)) {
      throw new ClusterError(`Nothing is recorded, because no node answered. ${partialText(traceOf({ namespace, name, spec, status })) ?? ''}`);
    }
    await write(request.file, printBundle({ recordedAt: new Date().toISOString(), toolVersion: version, namespace, spec, desired, answers, nodeZones, ...(walkFrom.length === 0 ? {} : { walkFrom }) }));
    progress.say(`Recorded ${answers.filter((answer) => 'report' in answer).length} of ${answers.length} nodes; show it with: kubectl svctrace ${name} --bundle ${request.file}`);
    const partial = partialText(traceOf({ namespace, name, spec, status }));
    if (partial === undefined) return exitStatus.ok;
    progress.say(partial);
    return exitStatus.partial;
  } finally {
    progress.end();
    await source.close();
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UsageError(`--to ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
