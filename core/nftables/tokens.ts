/** Words and signs of nft's text, read one after the other. */

export interface NftToken {
  /** Without its quotes. */
  readonly text: string;
  readonly isQuoted: boolean;
  /** No blank stands before it: `a,b` is a list, `a, b` are two elements. */
  readonly isGlued: boolean;
  /** Where it stands in the text. */
  readonly start: number;
  readonly end: number;
}

/** Signs that are tokens by themselves; any other character is part of a word, as `.`, `:`, `-` and `/` are. */
const signs = new Set(['{', '}', '(', ')', ',', ';', '&', '|', '^']);
const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

export class NftTokens {
  readonly text: string;
  readonly #tokens: NftToken[];
  #at = 0;

  constructor(text: string) {
    this.text = text;
    this.#tokens = tokensOf(text);
  }

  get isDone(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** A place to come back to. */
  get at(): number {
    return this.#at;
  }

  back(at: number): void {
    this.#at = at;
  }

  peek(ahead = 0): NftToken | undefined {
    return this.#tokens[this.#at + ahead];
  }

  /** The next token's text where it is a bare word or sign; '' for a quoted one, and at the end. */
  word(ahead = 0): string {
    const token = this.#tokens[this.#at + ahead];
    return token === undefined || token.isQuoted ? '' : token.text;
  }

  next(): NftToken | undefined {
    const token = this.#tokens[this.#at];
    if (token !== undefined) this.#at += 1;
    return token;
  }

  /** Takes these bare words if they come next. */
  take(...words: readonly string[]): boolean {
    if (!words.every((word, index) => this.word(index) === word)) return false;
    this.#at += words.length;
    return true;
  }

  takeOneOf<Word extends string>(words: readonly Word[]): Word | undefined {
    const next = this.word();
    const found = words.find((word) => word === next);
    if (found !== undefined) this.#at += 1;
    return found;
  }

  /** A name, with quotes or without. */
  name(): string | undefined {
    const token = this.peek();
    if (token === undefined || (!token.isQuoted && signs.has(token.text))) return undefined;
    this.#at += 1;
    return token.text;
  }

  /** A decimal number, of 64 bits at most as the kernel's are. */
  number(): number | undefined {
    const word = this.word();
    if (!isNumber(word)) return undefined;
    this.#at += 1;
    return Number(word);
  }

  /** `offset 4`: takes both, or nothing where no number follows. */
  numberAfter(word: string): number | undefined {
    if (this.word() !== word || !isNumber(this.word(1))) return undefined;
    this.#at += 1;
    return this.number();
  }

  /** `level debug`: takes both, or nothing where no name follows. */
  nameAfter(word: string): string | undefined {
    if (this.word() !== word) return undefined;
    this.#at += 1;
    const name = this.name();
    if (name === undefined) this.#at -= 1;
    return name;
  }

  /** Puts what is left of a word back: `:80` as `80`. */
  replace(text: string): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) this.#tokens[this.#at] = { ...token, text };
  }

  /** Leaves out tokens from the end. */
  cut(count: number): void {
    this.#tokens.length = Math.max(this.#at, this.#tokens.length - count);
  }

  /** Of the last tokens, the nth from the end. */
  fromEnd(index: number): NftToken | undefined {
    return this.#tokens[this.#tokens.length - 1 - index];
  }

  /** The text from a place on, up to what was cut off. */
  textFrom(at: number): string {
    const first = this.#tokens[at];
    const last = this.#tokens.at(-1);
    if (first === undefined || last === undefined) return '';
    return this.text.slice(first.start, last.end);
  }
}

const isNumber = (word: string): boolean => /^\d{1,20}$/.test(word) && Number(word) < 2 ** 64;

function tokensOf(text: string): NftToken[] {
  const tokens: NftToken[] = [];
  let at = 0;
  let isGlued = false;
  while (at < text.length) {
    const character = text[at] ?? '';
    if (isBlank(character)) {
      at += 1;
      isGlued = false;
      continue;
    }
    const start = at;
    if (character === '"') {
      const end = text.indexOf('"', at + 1);
      at = end < 0 ? text.length : end + 1;
      tokens.push({
        text: text.slice(start + 1, end < 0 ? text.length : end),
        isQuoted: true,
        isGlued,
        start,
        end: at,
      });
    } else {
      at = signs.has(character) ? at + 1 : '<>=!'.includes(character) ? operatorEnd(text, at) : wordEnd(text, at);
      tokens.push({ text: text.slice(start, at), isQuoted: false, isGlued, start, end: at });
    }
    isGlued = true;
  }
  return tokens;
}

function operatorEnd(text: string, at: number): number {
  const two = text.slice(at, at + 2);
  return ['==', '!=', '<=', '>=', '<<', '>>'].includes(two) ? at + 2 : at + 1;
}

function wordEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const character = text[at] ?? '';
    if (isBlank(character) || signs.has(character) || '"<>=!'.includes(character)) break;
    at += 1;
  }
  return at;
}
