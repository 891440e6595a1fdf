/** A file that is there whole or not at all, and takes no other's place unless that was asked for. */
import { constants } from 'node:fs';
import { access, link, open, rename, rm, stat } from 'node:fs/promises';
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

/** A file that is written piece by piece. */
export interface NewFile {
  /** @throws UsageError where it cannot be written */
  write(piece: string | Uint8Array): Promise<void>;
  /** Gives it its name: before, what has that name is as it was. @throws UsageError where it is there already */
  commit(): Promise<void>;
  /** Takes away what was not committed. */
  close(): Promise<void>;
}

/**
 * @param mode of the file, as chmod has it; it is made with the umask
 * @throws UsageError where it cannot be written
 */
export async function openNewFile(file: string, mayReplace: boolean, mode = 0o666): Promise<NewFile> {
  await checkNewFile(file, mayReplace);
  const present = await stat(file).catch(() => undefined);
  // A pipe or a device is written to, not replaced.
  const isDirect = present !== undefined && !present.isFile();
  // Beside it: a file can change its name within one file system only.
  const draft = isDirect ? file : join(dirname(file), `.${basename(file)}.${String(process.pid)}`);
  const saying = async <Value>(doing: Promise<Value>): Promise<Value> =>
    doing.catch((error: unknown) => {
      throw error instanceof UsageError ? error : cannotBeWritten(file, error);
    });
  const handle = await saying(open(draft, isDirect ? 'w' : 'wx', mode));
  let isOpen = true;
  const end = async (): Promise<void> => {
    if (isOpen) await saying(handle.close());
    isOpen = false;
  };
  return {
    async write(piece) {
      await saying(handle.writeFile(piece));
    },
    async commit() {
      await end();
      if (!isDirect) await saying(mayReplace ? rename(draft, file) : name(draft, file));
    },
    async close() {
      // What went wrong is reported already.
      await end().catch(() => undefined);
      if (!isDirect) await rm(draft, { force: true }).catch(() => undefined);
    },
  };
}

/** @throws UsageError where it cannot be written, or is there already */
export async function writeNewFile(file: string, text: string, mayReplace: boolean): Promise<void> {
  const opened = await openNewFile(file, mayReplace);
  try {
    await opened.write(text);
    await opened.commit();
  } finally {
    await opened.close();
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
