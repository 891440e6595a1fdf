/** Why a file that was named on the command line is not read or written, in words for who named it. */

import { reasonOf } from './one-line.ts';

/**
 * The end of a sentence that names the file: `it is a directory: name a file`.
 * @param error what node:fs threw
 */
export function fileTrouble(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  return causes.get(code) ?? reasonOf(error);
}

/** The same, where nothing was thrown: something else than a file has the name. */
export const isDirectoryTrouble = 'it is a directory: name a file';

const causes: ReadonlyMap<string, string> = new Map([
  ['EISDIR', isDirectoryTrouble],
  ['ENOENT', 'there is no such file or directory (ENOENT)'],
  ['ENOTDIR', 'a part of its path is a file, not a directory (ENOTDIR)'],
  ['EACCES', 'your user may not (EACCES)'],
]);
