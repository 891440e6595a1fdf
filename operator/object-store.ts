/** The objects of one kind as a list and a watch of the API server report them, with what is kept of each. */

/** An object of a list or a watch, as far as every kind has it, and what is kept of it. */
export interface ReadObject<Value> {
  /** `namespace/name`; the name alone where the kind has no namespaces. */
  readonly key: string;
  /** Opaque; compared for equality alone. */
  readonly resourceVersion: string;
  /** Undefined where the object is not as it should be. */
  readonly value: Value | undefined;
}

export type ObjectChange = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface StoreEvent<Value> extends ReadObject<Value> {
  readonly type: ObjectChange;
}

interface Kept<Value> {
  readonly resourceVersion: string;
  readonly value: Value | undefined;
}

export class ObjectStore<Value> {
  readonly #objects = new Map<string, Kept<Value>>();
  /** Keys of objects by what they are looked up by. */
  readonly #index = new Map<string, Set<string>>();
  readonly #indexOf: (value: Value) => readonly string[];
  #unreadable = 0;

  /** @param indexOf what an object can be looked up by, beside its key */
  constructor(indexOf: (value: Value) => readonly string[] = () => []) {
    this.#indexOf = indexOf;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** How many are there that cannot be read. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** An object whose `value` is undefined is there, and cannot be read. */
  get(key: string): Kept<Value> | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  /** Those that can be read. */
  values(): Value[] {
    return [...this.#objects.values()].flatMap(({ value }) => value ?? []);
  }

  /** Those whose index has this entry; what cannot be read is in no index. */
  indexed(entry: string): Value[] {
    return [...(this.#index.get(entry) ?? [])].flatMap((key) => this.#objects.get(key)?.value ?? []);
  }

  /** What a watch reported; undefined where that is known already, as after a list that was newer. */
  apply(type: ObjectChange, object: ReadObject<Value>): StoreEvent<Value> | undefined {
    const { key } = object;
    const old = this.#objects.get(key);
    if (type === 'DELETED') {
      if (old === undefined) return undefined;
      this.#remove(key, old);
      return { ...object, value: object.value ?? old.value, type };
    }
    if (old?.resourceVersion === object.resourceVersion) return undefined;
    this.#set(object, old);
    return { ...object, type: old === undefined ? 'ADDED' : 'MODIFIED' };
  }

  /**
   * What a list of all objects showed: what is not in it was deleted meanwhile.
   * @param resourceVersion of the list, which a deletion is reported with
   */
  replace(objects: readonly ReadObject<Value>[], resourceVersion: string): StoreEvent<Value>[] {
    const listed = new Set(objects.map(({ key }) => key));
    const gone = [...this.#objects]
      .filter(([key]) => !listed.has(key))
      .map(([key, old]): StoreEvent<Value> => {
        this.#remove(key, old);
        return { key, resourceVersion, value: old.value, type: 'DELETED' };
      });
    return [...gone, ...objects.flatMap((object) => this.apply('MODIFIED', object) ?? [])];
  }

  #set({ key, resourceVersion, value }: ReadObject<Value>, old: Kept<Value> | undefined): void {
    if (old !== undefined) this.#remove(key, old);
    this.#objects.set(key, { resourceVersion, value });
    if (value === undefined) {
      this.#unreadable += 1;
      return;
    }
    for (const entry of this.#indexOf(value)) {
      const keys = this.#index.get(entry) ?? new Set();
      this.#index.set(entry, keys.add(key));
    }
  }

  #remove(key: string, { value }: Kept<Value>): void {
    this.#objects.delete(key);
    if (value === undefined) {
      this.#unreadable -= 1;
      return;
    }
    for (const entry of this.#indexOf(value)) {
      const keys = this.#index.get(entry);
      keys?.delete(key);
      if (keys?.size === 0) this.#index.delete(entry);
    }
  }
}
