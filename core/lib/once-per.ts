/** What is worked out of an immutable value, kept as long as the value is there. */
export function oncePer<Key extends object, Value>(workOut: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, Value>();
  return (key) => {
    const found = known.get(key);
    // What was found may be undefined itself.
    if (found !== undefined || known.has(key)) return found as Value;
    const value = workOut(key);
    known.set(key, value);
    return value;
  };
}

/**
 * The same for several: what is worked out of all of them is kept as long as the first one and the other objects are there.
 * Objects and functions are the same where they are one, texts where they are alike.
 */
export function oncePerAll<First extends object, Rest extends readonly (object | string | undefined)[], Value>(
  workOut: (first: First, ...rest: Rest) => Value,
): (first: First, ...rest: Rest) => Value {
  const begin = oncePer((_first: First) => new Place<Value>());
  return (first, ...rest) => {
    let place = begin(first);
    for (const key of rest) place = place.of(key);
    place.found ??= { value: workOut(first, ...rest) };
    return place.found.value;
  };
}

/** What was found for the keys up to here, and the places of the next key, made where there is one: most keys are the last. */
class Place<Value> {
  found: { readonly value: Value } | undefined;
  #objects: ((key: object) => Place<Value>) | undefined;
  /** Nearly always, one text alone comes behind the keys up to here. */
  #first: { readonly text: string | undefined; readonly place: Place<Value> } | undefined;
  #others: Map<string | undefined, Place<Value>> | undefined;

  of(key: object | string | undefined): Place<Value> {
    if (typeof key === 'object' || typeof key === 'function') {
      this.#objects ??= oncePer(() => new Place<Value>());
      return this.#objects(key);
    }
    this.#first ??= { text: key, place: new Place<Value>() };
    if (this.#first.text === key) return this.#first.place;
    this.#others ??= new Map();
    const known = this.#others.get(key) ?? new Place<Value>();
    this.#others.set(key, known);
    return known;
  }
}

/** A place for each object, kept as long as the object is there: for what is not worked out of the object alone, or not at once. */
export function cellPer<Key extends object, Value>(): (key: Key) => { value: Value | undefined } {
  return oncePer((_key: Key): { value: Value | undefined } => ({ value: undefined }));
}
