/** Text in lines that fit a width. */
import wrapAnsi from 'wrap-ansi';

/** Lines of at most `width`; all but the first begin with as many blanks as the first, and two more. */
export function wrapped(text: string, width: number, indent = 0): string[] {
  if (!Number.isFinite(width)) return [' '.repeat(indent) + text];
  const room = Math.max(20, width - indent - 2);
  // Most texts of thousands need no work.
  if (text.length <= room && /^[!-~]+(?: [!-~]+)*$/.test(text)) return [' '.repeat(indent) + text];
  const lines = wrapAnsi(text, room, { hard: true, trim: true }).split('\n');
  return lines.map((line, index) => ' '.repeat(index === 0 ? indent : indent + 2) + line);
}
