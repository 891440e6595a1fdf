/** A result in the format that was asked for. */
import { Document, isScalar, stringify, visit } from 'yaml';
import type { Io } from './io.ts';
import { visible } from '../../core/lib/visible.ts';

/**
 * One result: the data as they are for programs, in which JSON and YAML escape what a terminal would obey, and for
 * people a text of what may be shown.
 * @param text of the value, in which every text is one visible line
 */
export function writeResult<Value>(
  { stdout }: Pick<Io, 'stdout'>,
  output: string | undefined,
  value: Value,
  text: (shown: Value) => string,
): void {
  stdout.write(output === 'json' ? jsonText(value) : output === 'yaml' ? yamlText(value) : text(visible(value)));
}

/** What JSON.stringify leaves as it is, though a terminal obeys it, or shows nothing: DEL, C1, formatting, separators. */
const leftByJson = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

export function jsonText(value: unknown): string {
  return `${escapeUnits(JSON.stringify(value, undefined, 4))}\n`;
}

export function yamlText(value: unknown): string {
  const text = stringify(value, { lineWidth: 0 });
  if (text.search(leftByJson) === -1) return text;
  // Only between double quotes, an escape means the character.
  const document = new Document(value, { aliasDuplicateObjects: true });
  visit(document, (_key, node) => {
    if (isScalar(node) && typeof node.value === 'string' && node.value.search(leftByJson) !== -1)
      node.type = 'QUOTE_DOUBLE';
  });
  return escapeUnits(document.toString({ lineWidth: 0 }));
}

function escapeUnits(text: string): string {
  if (text.search(leftByJson) === -1) return text;
  return text.replace(leftByJson, (character) =>
    character
      .split('')
      .map((unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
