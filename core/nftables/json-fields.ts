/** An object of nft's JSON, read field by field. */

/** A JSON object; nothing is known of its fields. */
export type Json = { readonly [key: string]: unknown };

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the kernel could count so: 64 bits at most, of which this model keeps the first 53. */
export function isNftCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 64;
}

/** `fully-random`, or two words as `ip options`. */
function isKeyword(text: string): boolean {
  return /^[\w-]+(?: [\w-]+)?$/.test(text);
}

/** The fields of one object, each asked for by its name: where one is not understood, or not asked for, the whole is not. */
export class JsonFields {
  readonly #json: Json;
  readonly #used = new Set<string>();
  #isUnderstood = true;

  constructor(json: Json) {
    this.#json = json;
  }

  string(name: string): string | undefined {
    return this.take(name, (value) => (typeof value === 'string' ? value : undefined));
  }

  /** A keyword of nft. */
  word(name: string): string | undefined {
    return this.take(name, (value) => (typeof value === 'string' && isKeyword(value) ? value : undefined));
  }

  number(name: string): number | undefined {
    return this.take(name, (value) => (typeof value === 'number' && isNftCount(value) ? value : undefined));
  }

  flag(name: string): boolean {
    return this.take(name, (value) => (typeof value === 'boolean' ? value : undefined)) ?? false;
  }

  /** A word or several. */
  words(name: string): readonly string[] | undefined {
    return this.take(name, (value) => {
      const words: unknown = typeof value === 'string' ? [value] : value;
      return Array.isArray(words) && words.every((each) => typeof each === 'string' && isKeyword(each))
        ? words
        : undefined;
    });
  }

  /** Where the JSON has the field, its value is `undefined` only if it is not understood. */
  protected take<Value>(name: string, parse: (value: unknown) => Value | undefined): Value | undefined {
    this.#used.add(name);
    const value = this.#json[name];
    if (value === undefined || value === null) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) this.#isUnderstood = false;
    return parsed;
  }

  json(name: string): unknown {
    this.#used.add(name);
    return this.#json[name];
  }

  /** The value, unless a field was not understood or not asked for. */
  whole<Value>(value: Value | undefined): Value | undefined {
    return this.#isUnderstood && Object.keys(this.#json).every((name) => this.#used.has(name)) ? value : undefined;
  }
}
