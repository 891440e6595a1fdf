/**
 * Text of others (names, comments, log lines, answers, error texts) as it may be shown: whatever a terminal or a browser
 * would obey, or not show at all, stands there as an escape such as \x1b. docs/decisions/085 says which characters.
 */

/** Control characters, invisible formatting with what turns the direction of text, line and paragraph separators, halves of pairs. */
const hidden = String.raw`\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}`;
const hiddenCharacter = new RegExp(`[${hidden}]`, 'u');
const hiddenCharacters = new RegExp(`[${hidden}]`, 'gu');

/** Colours and weights as paint.ts and log-colors.ts write them, the end of a line, and tabs, which log lines have: what printed text may hold. */
const ownOrHidden = new RegExp(String.raw`(\u001b\[(?:1|2|22|3[1-69]|38;5;\d{1,3})m)|([\n\t])|[${hidden}]`, 'gu');

const named: ReadonlyMap<string, string> = new Map([
  ['\n', String.raw`\n`],
  ['\r', String.raw`\r`],
  ['\t', String.raw`\t`],
]);

/** One line, whatever it was. */
export function visibleText(text: string): string {
  return hiddenCharacter.test(text) ? text.replace(hiddenCharacters, escaped) : text;
}

/** A line of a log, where a tab only makes room. */
export function visibleLine(text: string): string {
  return hiddenCharacter.test(text) ? text.split('\t').map(visibleText).join('\t') : text;
}

/** The value with every text in it, keys too, as `visibleText` makes it; the very same where none needs it. Plain data alone is looked into. */
export function visible<Value>(value: Value): Value {
  return visibleValue(value) as Value;
}

function visibleValue(value: unknown): unknown {
  if (typeof value === 'string') return visibleText(value);
  if (Array.isArray(value)) {
    const shown = value.map(visibleValue);
    return shown.every((each, index) => each === value[index]) ? value : shown;
  }
  if (
    typeof value !== 'object' ||
    value === null ||
    (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null)
  )
    return value;
  const entries = Object.entries(value);
  const shown = entries.map(([key, each]) => [visibleText(key), visibleValue(each)] as const);
  return shown.every(([key, each], index) => key === entries[index]?.[0] && each === entries[index][1])
    ? value
    : Object.fromEntries(shown);
}

/** Printed lines with nothing in them but text, our own colours and the ends of lines: the net below all printers. */
export function ownText(text: string): string {
  return hiddenCharacter.test(text)
    ? text.replace(ownOrHidden, (character, color?: string, space?: string) => color ?? space ?? escaped(character))
    : text;
}

/** The same of one line: an end of a line within it is shown. */
export function ownLine(text: string): string {
  return hiddenCharacter.test(text)
    ? text.replace(
        ownOrHidden,
        (character, color?: string, space?: string) => color ?? (space === '\t' ? space : escaped(character)),
      )
    : text;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const own = named.get(character);
  if (own !== undefined) return own;
  if (code < 0x100) return String.raw`\x${code.toString(16).padStart(2, '0')}`;
  return code < 0x10000 ? String.raw`\u${code.toString(16).padStart(4, '0')}` : String.raw`\u{${code.toString(16)}}`;
}
