/** `kubectl svctrace record SERVICE --to FILE`: what was collected, before any of it was judged. */
import { plural } from '../core/plural.ts';
import { writeFile } from 'node:fs/promises';
import { printBundle } from '../core/bundle.ts';
import { connect } from './client.ts';
import { collectBundle } from './collect-bundle.ts';
import { UsageError } from './errors.ts';
import { exitStatus } from './exit-status.ts';
import type { Io } from './io.ts';
import { createProgress } from './progress.ts';
import type { RecordRequest } from './request.ts';

export async function runRecord(request: RecordRequest, io: Io): Promise<number> {
  const client = connect(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const progress = createProgress(io.stderr);
  const { bundle, partial } = await collectBundle(
    client,
    { ...request, collect: { conntrack: 'Entries' } },
    progress,
    io,
  );
  await write(request.file, printBundle(bundle));
  const { answers } = bundle;
  progress.say(
    `Recorded ${answers.filter((answer) => 'report' in answer).length} of ${plural(answers.length, 'node')}; show it with: kubectl svctrace ${request.service} --bundle ${request.file}`,
  );
  if (partial === undefined) return exitStatus.ok;
  progress.say(partial);
  return exitStatus.partial;
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UsageError(`--to ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
