/** `kubectl svctrace record SERVICE --to FILE`: what was collected, before any of it was judged. */
import { plural } from '../core/plural.ts';
import { writeFile } from 'node:fs/promises';
import { printBundle } from '../core/bundle.ts';
import { connect } from './client.ts';
import { collectBundle } from './collect-bundle.ts';
import { exitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { createProgress } from './progress.ts';
import type { RecordRequest } from './request.ts';
import { requireRights, standaloneAccess } from './rights.ts';
import { cannotBeWritten, checkWritable } from './write-new-file.ts';
import { kubectl } from '../core/diagnose/command.ts';

/** @param connectTo replaced by tests */
export async function runRecord(request: RecordRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  await checkWritable(request.file);
  const client = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  await requireRights(client, standaloneAccess(client.namespace, request.probeNamespace), 'record');
  const progress = createProgress(io.stderr);
  const { bundle, partial } = await collectBundle(
    client,
    { ...request, collect: { conntrack: 'Entries' } },
    progress,
    io,
  );
  await writeFile(request.file, printBundle(bundle)).catch((error: unknown) => {
    throw cannotBeWritten(request.file, error);
  });
  const { answers } = bundle;
  progress.say(
    `Recorded ${answers.filter((answer) => 'report' in answer).length} of ${plural(answers.length, 'node')}; show it with: ${kubectl('svctrace', request.service, '--bundle', request.file).run}`,
  );
  if (partial === undefined) return exitStatus.ok;
  progress.say(partial);
  return exitStatus.partial;
}
