/** Collects what a listing has of one table, in its order. */
import type { NftUnrecognized, NftRule } from './rule.ts';
import type { NftChain, NftFlowtable, NftObject, NftRulesetTable, NftSet } from './table.ts';
import { present } from '../lib/present.ts';

export class NftTableBuilder {
  readonly family: string;
  readonly name: string;
  handle: number | undefined;
  comment: string | undefined;
  flags: readonly string[] | undefined;
  /** Without `chain` where rules of it came, and itself did not. */
  readonly #chains = new Map<string, { chain: Omit<NftChain, 'rules'> | undefined; readonly rules: NftRule[] }>();
  readonly #sets = new Map<string, NftSet>();
  readonly #maps = new Map<string, NftSet>();
  readonly #objects: NftObject[] = [];
  readonly #flowtables: NftFlowtable[] = [];
  readonly #unrecognized: NftUnrecognized[] = [];
  /** What the table has by name; sets and maps are of one name space. */
  readonly #names = new Set<string>();
  #declared = false;

  constructor(family: string, name: string) {
    this.family = family;
    this.name = name;
  }

  /** @returns false where the table itself was listed before */
  declare(): boolean {
    const isFirst = !this.#declared;
    this.#declared = true;
    return isFirst;
  }

  /** @returns false where the table has one of that name, as no listing has anything twice */
  addChain(name: string, chain: Omit<NftChain, 'rules'>): boolean {
    const known = this.#chains.get(name);
    if (known === undefined) this.#chains.set(name, { chain, rules: [] });
    else if (known.chain !== undefined) return false;
    else known.chain = chain;
    return true;
  }

  addRule(rule: NftRule): void {
    const chain = this.#chains.get(rule.chain);
    if (chain === undefined) this.#chains.set(rule.chain, { chain: undefined, rules: [rule] });
    else chain.rules.push(rule);
  }

  /** @returns false where the table has a set or map of that name */
  addSet(set: NftSet): boolean {
    if (!this.#isNew(`set ${set.name}`)) return false;
    (set.data === undefined ? this.#sets : this.#maps).set(set.name, set);
    return true;
  }

  /** @returns false where the table has one of that kind and name */
  addObject(object: NftObject): boolean {
    if (!this.#isNew(`${object.kind} ${object.name}`)) return false;
    this.#objects.push(object);
    return true;
  }

  /** @returns false where the table has one of that name */
  addFlowtable(flowtable: NftFlowtable): boolean {
    if (!this.#isNew(`flowtable ${flowtable.name}`)) return false;
    this.#flowtables.push(flowtable);
    return true;
  }

  addUnrecognized(unrecognized: NftUnrecognized): void {
    this.#unrecognized.push(unrecognized);
  }

  #isNew(name: string): boolean {
    if (this.#names.has(name)) return false;
    this.#names.add(name);
    return true;
  }

  build(): NftRulesetTable {
    return present({
      family: this.family,
      name: this.name,
      handle: this.handle,
      comment: this.comment,
      flags: this.flags,
      chains: new Map([...this.#chains].map(([name, { chain, rules }]) => [name, { ...chain, rules }])),
      sets: this.#sets,
      maps: this.#maps,
      objects: this.#objects,
      flowtables: this.#flowtables,
      unrecognized: this.#unrecognized,
    });
  }
}

/** The problem of a table that is left out. */
export function leftOutText(why: string, table: string): string {
  return `${why}: table ${table} is truncated and left out; capture the listing again`;
}
