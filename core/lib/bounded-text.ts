/** Texts of a status whose length somebody else decides: names of nodes, answers of an API server, lists of either. */

/** Characters of one message in a status. The CRD admits 32,768 of a condition's; nobody reads as many. */
export const maxMessageLength = 2048;

/** At most so many of a list's entries are written out. */
const maxListed = 10;

/** The text, cut where it is longer; what was left out is counted. */
export function boundedText(text: string, max = maxMessageLength): string {
  if (text.length <= max) return text;
  const kept = text.slice(0, Math.max(0, max - 32));
  // A cut must not leave half of a character outside of the BMP.
  const whole = /[\uD800-\uDBFF]$/.test(kept) ? kept.slice(0, -1) : kept;
  return `${whole}… (${String(text.length - whole.length)} more characters)`;
}

/** The first entries of a list, and how many more there are. */
export function boundedList(entries: readonly string[], separator = ', ', max = maxListed): string {
  const shown = entries
    .slice(0, max)
    .map((entry) => boundedText(entry, Math.floor(maxMessageLength / max)))
    .join(separator);
  return entries.length > max ? `${shown}${separator}and ${String(entries.length - max)} more` : shown;
}
