/** Evidence of what many pods or endpoints share. */

const most = 10;

/** The lines, or the first ten and how many more there are. */
export function listed(lines: readonly string[]): string[] {
  return lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`];
}

/** `one`, `one, two`, or the first three and how many more there are. */
export function namesText(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
