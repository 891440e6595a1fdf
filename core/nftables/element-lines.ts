/** The elements of a set, which nft prints over many lines: `elements = { a,` … `z }`. */
import type { NftElement } from './rule.ts';
import { readElement } from './parse-expression.ts';
import { readElementStatement } from './parse-statement.ts';
import { NftTokens } from './tokens.ts';

export class NftElementLines {
  readonly elements: NftElement[] = [];
  isClosed = false;
  readonly #types: readonly string[];
  readonly #dataTypes: readonly string[];
  /** What stands behind the last comma. */
  #rest = '';

  /** @param dataTypes of a map's values; empty for a set */
  constructor(types: readonly string[], dataTypes: readonly string[]) {
    this.#types = types.length === 0 ? [''] : types;
    this.#dataTypes = dataTypes.length === 0 ? [''] : dataTypes;
  }

  /**
   * Takes the next line, without the brace that opens the elements.
   * @returns what stands behind the brace that closes them, where nft prints nothing; '' for nothing
   */
  add(line: string): string {
    const text = this.#rest === '' ? line : `${this.#rest} ${line}`;
    let from = 0;
    let isQuoted = false;
    for (let at = 0; at < text.length && !this.isClosed; at += 1) {
      const character = text[at];
      if (character === '"') isQuoted = !isQuoted;
      else if (!isQuoted && (character === ',' || character === '}')) {
        // A comma between flags has no blank behind it.
        if (character === ',' && at + 1 < text.length && text[at + 1] !== ' ') continue;
        this.#element(text.slice(from, at).trim());
        from = at + 1;
        this.isClosed = character === '}';
      }
    }
    const rest = text.slice(from).trim();
    this.#rest = this.isClosed ? '' : rest;
    return this.isClosed && rest !== ';' ? rest : '';
  }

  #element(text: string): void {
    if (text === '') return;
    const tokens = new NftTokens(text);
    const element = readElement(tokens, this.#types, this.#dataTypes, readElementStatement);
    this.elements.push(element !== undefined && tokens.isDone ? element : { key: { kind: 'unrecognized', text } });
  }
}
