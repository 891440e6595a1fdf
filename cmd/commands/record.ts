/** `kubectl svctrace record SERVICE --to FILE`: what was collected, before any of it was judged. */
import { plural } from '../../core/lib/plural.ts';
import { printBundle } from '../../core/wire/bundle.ts';
import { connect } from '../cluster/cluster-client.ts';
import { collectBundle } from '../sources/collect-bundle.ts';
import { exitStatus } from '../cli/exit-status.ts';
import type { Io } from '../cli/io.ts';
import { createProgress } from '../cli/progress.ts';
import type { RecordRequest } from '../cli/request.ts';
import { cannotBeWritten, checkWritable } from '../cli/write-new-file.ts';
import { writeFile } from 'node:fs/promises';
import { requireRights, standaloneAccess } from '../cluster/rights.ts';
import { kubectl } from '../../core/api/command.ts';

/** @param connectTo replaced by tests */
export async function runRecord(request: RecordRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  await checkWritable(request.file);
  const clusterClient = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  await requireRights(clusterClient, standaloneAccess(clusterClient.namespace, request.probeNamespace), 'record');
  const progress = createProgress(io.stderr);
  const { bundle, partial } = await collectBundle(
    clusterClient,
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
