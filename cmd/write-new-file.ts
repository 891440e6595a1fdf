/** A file that is there whole or not at all, and takes no other's place unless that was asked for. */
import { constants } from 'node:fs';
import { access, link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './errors.ts';
import { fileTrouble, isDirectoryTrouble } from './file-errors.ts';

/** Before something is collected for nothing. @throws UsageError where no file of this name can be written, or written to */
export async function checkWritable(file: string): Promise<void> {
  const present = await stat(file).catch(() => undefined);
  if (present?.isDirectory() === true) throw isDirectory(file);
  await access(present === undefined ? dirname(file) : file, constants.W_OK).catch((error: unknown) => {
    throw cannotBeWritten(file, error);
  });
}

/** The same for a file of our own. @throws UsageError where the file is there, a directory has its name, or its folder cannot be written to */
export async function checkNewFile(file: string, mayReplace: boolean): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw cannotBeWritten(file, error);
  }
  const present = await stat(file).catch(() => undefined);
  if (present?.isDirectory() === true) throw isDirectory(file);
  if (present !== undefined && !mayReplace) throw alreadyThere(file);
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

export function cannotBeWritten(file: string, error: unknown): UsageError {
  return new UsageError(`--to ${file} cannot be written: ${fileTrouble(error)}`, { cause: error });
}

function isDirectory(file: string): UsageError {
  return new UsageError(`--to ${file} cannot be written: ${isDirectoryTrouble}`);
}

function alreadyThere(file: string): UsageError {
  return new UsageError(`--to ${file} is there already; choose another name, or replace it with --overwrite.`);
}
