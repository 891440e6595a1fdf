/** A file that is there whole or not at all, and takes no other's place unless that was asked for. */
import { constants } from 'node:fs';
import { access, link, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './errors.ts';

/** Before something is collected for nothing. @throws UsageError where the file is there, or its folder cannot be written to */
export async function checkNewFile(file: string, mayReplace: boolean): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw cannotBeWritten(file, error);
  }
  if (
    !mayReplace &&
    (await access(file).then(
      () => true,
      () => false,
    ))
  )
    throw alreadyThere(file);
}

/** @throws UsageError where it cannot be written, or is there already */
export async function writeNewFile(file: string, text: string, mayReplace: boolean): Promise<void> {
  // Beside it: a file can change its name within one file system only.
  const draft = join(dirname(file), `.${basename(file)}.${String(process.pid)}`);
  try {
    await writeFile(draft, text, { flag: 'wx' });
    await (mayReplace ? rename(draft, file) : name(draft, file));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw cannotBeWritten(file, error);
  } finally {
    // What went wrong is said already.
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** A second name is refused where the file is there, even if it came a moment ago. */
async function name(draft: string, file: string): Promise<void> {
  try {
    await link(draft, file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') throw alreadyThere(file);
    // Some file systems have no second names.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    await checkNewFile(file, false);
    await rename(draft, file);
  }
}

function cannotBeWritten(file: string, error: unknown): UsageError {
  return new UsageError(`--to ${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  });
}

function alreadyThere(file: string): UsageError {
  return new UsageError(`--to ${file} is there already; choose another name, or replace it with --overwrite.`);
}
