/**
 * A value of any size as messages to a thread, none of which takes long to copy: what stands between two of them has its
 * turn. Values are plain: objects, lists, texts, numbers, booleans, null.
 */

/** What to do with the place at the path of the value that is being put together. */
export type Piece = { readonly path: readonly (string | number)[] } & (
  { readonly value: unknown } | { readonly append: readonly unknown[] } | { readonly assign: object }
);

/** So many parts of a value are copied in well under a millisecond. */
const mostParts = 2000;
/** So many characters count as one part. */
const partLength = 64;

/** The value as pieces, in the order in which `assemble` wants them. */
export function* piecesOf(value: unknown, most = mostParts, path: readonly (string | number)[] = []): Generator<Piece> {
  if (typeof value !== 'object' || value === null || partsOf(value, most) <= most) {
    yield { path, value };
    return;
  }
  const isList = Array.isArray(value);
  yield { path, value: isList ? [] : {} };
  const entries: readonly (readonly [string | number, unknown])[] = isList
    ? value.map((item: unknown, index) => [index, item] as const)
    : Object.entries(value);
  let together: (readonly [string | number, unknown])[] = [];
  let parts = 0;
  const flush = function* (): Generator<Piece> {
    if (together.length > 0)
      yield isList
        ? { path, append: together.map(([, item]) => item) }
        : { path, assign: Object.fromEntries(together) };
    together = [];
    parts = 0;
  };
  for (const [key, item] of entries) {
    const own = partsOf(item, most);
    if (parts + own > most) yield* flush();
    if (own > most) yield* piecesOf(item, most, [...path, key]);
    else {
      together.push([key, item]);
      parts += own;
    }
  }
  yield* flush();
}

/** How many parts the value has; more than the most are not counted. */
function partsOf(value: unknown, most: number): number {
  if (typeof value === 'string') return 1 + Math.floor(value.length / partLength);
  if (typeof value !== 'object' || value === null) return 1;
  let parts = 1;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) {
      parts += partsOf(item, most - parts);
      if (parts > most) break;
    }
    return parts;
  }
  // A key at a time, and no list of the values: each of ten thousands of records is asked.
  for (const key in value) {
    parts += partsOf((value as Readonly<Record<string, unknown>>)[key], most - parts);
    if (parts > most) break;
  }
  return parts;
}

/** Puts a value together from its pieces. */
export class Assembly {
  #root: unknown;

  add(piece: Piece): void {
    const { path } = piece;
    if ('value' in piece) {
      const last = path.at(-1);
      if (last === undefined) this.#root = piece.value;
      else put(this.#at(path.slice(0, -1)), last, piece.value);
    } else if ('append' in piece) for (const item of piece.append) (this.#at(path) as unknown[]).push(item);
    else for (const [key, item] of Object.entries(piece.assign)) put(this.#at(path), key, item);
  }

  get value(): unknown {
    return this.#root;
  }

  #at(path: readonly (string | number)[]): object {
    let at = this.#root;
    for (const key of path) at = (at as Record<string | number, unknown>)[key];
    return at as object;
  }
}

/** Also a key such as __proto__, which JSON of a node may have. */
function put(owner: object, key: string | number, value: unknown): void {
  Object.defineProperty(owner, key, { value, writable: true, enumerable: true, configurable: true });
}
