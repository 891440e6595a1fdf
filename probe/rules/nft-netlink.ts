/**
 * kube-proxy's nftables table, asked over netlink for what some Services have: what it costs does not grow with the
 * cluster, as a listing does (docs/decisions/043-netlink-for-nftables.md).
 */
import { NetlinkError, type NetlinkAttributes } from '../../core/nftables/netlink/message.ts';
import type { NftQuestion } from '../../core/nftables/netlink/question.ts';
import { jumpsOfStatement } from '../../core/nftables/targets.ts';
import { parseNftRules } from '../../core/nftables/parse-json-rule.ts';
import { netlinkChainJson, netlinkRuleJson, setsOfNetlinkRule } from '../../core/nftables/netlink/rule.ts';
import { netlinkElementsJson, parseNetlinkSet, type NetlinkSet } from '../../core/nftables/netlink/set.ts';
import { keyBytes } from '../../core/nftables/netlink/value.ts';
import type { Family } from '../../core/net/family.ts';
import { ChangedError, type NftGeneration, type NftResponse } from './nft-generation.ts';
import type { NftKey, NftObjects, NftTable } from './nft-table.ts';

/** Its methods reject with ChangedError, and with NetlinkError for whatever else keeps it from being read whole. */
export class NetlinkNftTable implements NftTable {
  readonly #generation: NftGeneration;
  readonly #family: Family;
  readonly #table: string;
  /** Undefined for one that is not there. */
  readonly #sets = new Map<string, NetlinkSet | undefined>();
  /** Of the anonymous ones. */
  readonly #elements = new Map<string, readonly unknown[]>();

  constructor(generation: NftGeneration, table: string) {
    this.#generation = generation;
    this.#family = generation.family;
    this.#table = table;
  }

  async elements(keys: readonly NftKey[]): Promise<Map<string, unknown[]>> {
    await this.#requireTable();
    await this.#readSets(keys.map(({ name }) => name));
    // Several Services may ask for one key: it is asked for once.
    const questions = [...new Map(keys.map((each) => [`${each.name} ${each.key.join(' . ')}`, each])).values()].flatMap(
      ({ name, key }) => {
        const set = this.#sets.get(name);
        if (set?.hasIntervals === true) throw new NetlinkError(`the set ${name} has intervals`);
        const bytes = set === undefined ? undefined : keyBytes(set.key, key);
        return set === undefined || bytes === undefined
          ? []
          : [{ set, question: { ask: 'element', set: name, key: bytes } as const }];
      },
    );
    const answers = await this.#ask(questions.map(({ question }) => question));
    const found = new Map<string, unknown[]>(keys.map(({ name }) => [name, []]));
    questions.forEach(({ set }, index) => found.get(set.name)?.push(...netlinkElementsJson(set, answers[index] ?? [])));
    return found;
  }

  async allElements(names: readonly string[]): Promise<Map<string, readonly unknown[]>> {
    await this.#requireTable();
    await this.#readSets(names);
    const sets = names.flatMap((name) => this.#sets.get(name) ?? []);
    const answers = await this.#ask(sets.map(({ name }) => ({ ask: 'elements', set: name })));
    const found = new Map<string, readonly unknown[]>(names.map((name) => [name, []]));
    sets.forEach((set, index) => found.set(set.name, netlinkElementsJson(set, answers[index] ?? [])));
    return found;
  }

  async chains(names: readonly string[]): Promise<Map<string, NftObjects | undefined>> {
    await this.#requireTable();
    const found = new Map<string, NftObjects | undefined>();
    for (let wanted = [...new Set(names)]; wanted.length > 0;) {
      const answers = await this.#ask(
        wanted.flatMap((chain): NftQuestion[] => [
          { ask: 'chain', chain },
          { ask: 'rules', chain },
        ]),
      );
      const declarations = answers.filter((_, index) => index % 2 === 0);
      const rules = answers.filter((_, index) => index % 2 === 1).map((answer) => answer ?? []);
      await this.#readSets(rules.flat().flatMap(setsOfNetlinkRule));
      wanted.forEach((name, index) => found.set(name, this.#chain(name, declarations[index], rules[index] ?? [])));
      const jumps = wanted.flatMap((name) =>
        parseNftRules(found.get(name) ?? []).flatMap(({ statements }) => statements.flatMap(jumpsOfStatement)),
      );
      wanted = [...new Set(jumps)].filter((name) => !found.has(name));
    }
    return found;
  }

  async timeouts(names: readonly string[]): Promise<Map<string, number>> {
    await this.#readSets(names);
    return new Map(
      names.flatMap((name) => {
        const timeout = this.#sets.get(name)?.timeout;
        return timeout === undefined ? [] : [[name, timeout] as const];
      }),
    );
  }

  #chain(name: string, declarations: NftResponse, rules: readonly NetlinkAttributes[]): NftObjects | undefined {
    const [declaration] = declarations ?? [];
    if ((declaration !== undefined && declaration.string(3) !== name) || rules.some((rule) => rule.string(2) !== name))
      throw new NetlinkError(`the kernel answered with another chain than ${name}`);
    if (declaration === undefined) return undefined;
    const sets = new Map([...this.#sets].flatMap(([each, set]) => (set === undefined ? [] : [[each, set] as const])));
    const context = { family: this.#family, table: this.#table, sets, elements: this.#elements };
    return [netlinkChainJson(declaration, context), ...rules.map((rule) => netlinkRuleJson(rule, context))];
  }

  /** Without its table, no chain or set is there, and that is not the same. */
  async #requireTable(): Promise<void> {
    if (this.#generation.isKnown) return;
    const [answer] = await this.#ask([{ ask: 'table' }]);
    if (answer === undefined) throw new NetlinkError(`there is no table ${this.#table}`);
  }

  /** What sets are, and the elements of those that are part of a rule. */
  async #readSets(names: readonly string[]): Promise<void> {
    const unread = [...new Set(names)].filter((name) => !this.#sets.has(name));
    const answers = await this.#ask(unread.map((set) => ({ ask: 'set', set })));
    const sets = unread.flatMap((name, index) => {
      const [set] = (answers[index] ?? []).map(parseNetlinkSet);
      if (set !== undefined && set.name !== name)
        throw new NetlinkError(`the kernel answered with another set than ${name}`);
      this.#sets.set(name, set);
      return set === undefined ? [] : [set];
    });
    const parts = sets.filter(({ isAnonymous }) => isAnonymous);
    const elements = await this.#ask(parts.map(({ name }) => ({ ask: 'elements', set: name })));
    parts.forEach((set, index) => {
      const messages = elements[index];
      if (messages === undefined) throw new ChangedError('the rules changed while they were read');
      this.#elements.set(set.name, netlinkElementsJson(set, messages));
    });
  }

  #ask(questions: readonly NftQuestion[]): Promise<readonly NftResponse[]> {
    return this.#generation.ask(this.#table, questions);
  }
}
