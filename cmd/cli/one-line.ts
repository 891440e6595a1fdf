/** What libraries and servers say, as a part of one sentence. */

/**
 * The text in one line. Of several lines, those up to the first empty one, for behind it a parser shows the place, with
 * nothing that the lines before it don't say.
 */
export function oneLine(text: string): string {
  const [summary = '', ...shown] = text.trim().split(/\r?\n[^\S\n]*\r?\n/);
  const line = summary.split(/\s*\r?\n\s*/).join(' ');
  return shown.length > 0 ? line.replace(/:$/, '') : line;
}

/** What an error says, in one line. */
export function reasonOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
