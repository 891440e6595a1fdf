/** `1 server`, `2 servers`. */
/** @param nouns where it is not the noun with an s: `plural(2, 'entry', 'entries')` */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${String(count)} ${count === 1 ? noun : nouns}`;
}
