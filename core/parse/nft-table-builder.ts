/** Collects what a listing tells of one table, in the order in which it tells it. */
import type { NftUnrecognized } from '../nft-expression.ts';
import type { NftRule } from '../nft-statement.ts';
import type { NftChain, NftFlowtable, NftObject, NftRulesetTable, NftSet } from '../nft-table.ts';
import { present } from '../present.ts';

export class NftTableBuilder {
  readonly family: string;
  readonly name: string;
  handle: number | undefined;
  comment: string | undefined;
  flags: readonly string[] | undefined;
  readonly #chains = new Map<string, { chain: Omit<NftChain, 'rules'>; rules: NftRule[] }>();
  readonly #sets = new Map<string, NftSet>();
  readonly #maps = new Map<string, NftSet>();
  readonly #objects: NftObject[] = [];
  readonly #flowtables: NftFlowtable[] = [];
  readonly #unrecognized: NftUnrecognized[] = [];

  constructor(family: string, name: string) {
    this.family = family;
    this.name = name;
  }

  addChain(name: string, chain: Omit<NftChain, 'rules'>): void {
    const present = this.#chains.get(name);
    this.#chains.set(name, { chain, rules: present?.rules ?? [] });
  }

  addRule(rule: NftRule): void {
    const chain = this.#chains.get(rule.chain);
    if (chain === undefined) this.#chains.set(rule.chain, { chain: {}, rules: [rule] });
    else chain.rules.push(rule);
  }

  addSet(set: NftSet): void {
    (set.data === undefined ? this.#sets : this.#maps).set(set.name, set);
  }

  addObject(object: NftObject): void {
    this.#objects.push(object);
  }

  addFlowtable(flowtable: NftFlowtable): void {
    this.#flowtables.push(flowtable);
  }

  addUnrecognized(unrecognized: NftUnrecognized): void {
    this.#unrecognized.push(unrecognized);
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
