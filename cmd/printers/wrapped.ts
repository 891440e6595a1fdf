/** Text in lines that fit a width. */
import wrapAnsi from 'wrap-ansi';

/** Lines of at most `width`; all but the first begin with as many blanks as the first, and two more. */
export function wrapped(text: string, width: number, indent = 0): string[] {
  if (!Number.isFinite(width)) return [' '.repeat(indent) + text];
  const lines = wrapAnsi(text, Math.max(20, width - indent - 2), { hard: true, trim: true }).split('\n');
  return lines.map((line, index) => ' '.repeat(index === 0 ? indent : indent + 2) + line);
}
