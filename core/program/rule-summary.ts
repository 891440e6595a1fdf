/** What the model of a node's program asks of rules, the same for iptables and nftables. */
import { present } from '../lib/present.ts';
import type { NatDestination } from '../net/address.ts';
import { markChains } from '../kube-proxy/chain-kinds.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import type { NftExpression, NftRule } from '../nftables/rule.ts';
import type { NftSet } from '../nftables/table.ts';
import { dnatTargetsOfStatement } from '../nftables/targets.ts';

export interface RuleSummary {
  /** As the tool prints it, without counters. */
  readonly text: string;
  /** Where it sends a packet on to, by jump or goto; one after the other where a map chooses. */
  readonly chains: readonly string[];
  /** It asks whether the node itself is the source. */
  readonly isForLocalSource: boolean;
  /** The sources that it asks for; `negated`: all but these. */
  readonly sources?: { readonly prefixes: readonly string[]; readonly negated: boolean } | undefined;
  /** It asks for clients that it remembers (recent, an affinity set), for so many seconds. */
  readonly remembers?: { readonly seconds: number | undefined } | undefined;
  /** It remembers the client from now on. */
  readonly records: boolean;
  readonly drops: boolean;
  /** It changes the mark by which packets are masqueraded. */
  readonly marks: boolean;
  readonly masquerades: boolean;
  readonly returns: boolean;
  /** Each target of a DNAT; without a port where the packet keeps its own. */
  readonly dnat: readonly NatDestination[];
  /** Of `-m statistic --mode random`. */
  readonly probability?: number | undefined;
  /** It has no condition. */
  readonly isUnconditional: boolean;
  /** Of iptables: it has no comment, as kube-proxy writes rules in a large cluster. */
  readonly lacksComment?: boolean;
}

/** @param print the rule as text */
export function summarizeIptablesRule(rule: IptablesRule, print: (rule: IptablesRule) => string): RuleSummary {
  return new IptablesRuleSummary(rule, print);
}

/** Worked out as it is asked for: a Service has thousands of rules, of which most are asked for one thing, if any. */
class IptablesRuleSummary implements RuleSummary {
  readonly #rule: IptablesRule;
  readonly #print: (rule: IptablesRule) => string;

  constructor(rule: IptablesRule, print: (rule: IptablesRule) => string) {
    this.#rule = rule;
    this.#print = print;
  }

  get text(): string {
    return this.#print(this.#rule);
  }

  get chains(): readonly string[] {
    const { target } = this.#rule;
    return target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : none;
  }

  get isForLocalSource(): boolean {
    for (const { options } of this.#rule.matches)
      for (const option of options)
        if (
          option.kind === 'addressType' &&
          option.end === 'source' &&
          !option.negated &&
          option.types.includes('LOCAL')
        )
          return true;
    return false;
  }

  get sources(): RuleSummary['sources'] {
    const { source } = this.#rule;
    return source === undefined ? undefined : { prefixes: [source.prefix], negated: source.negated };
  }

  get remembers(): RuleSummary['remembers'] {
    if (!this.#does('rcheck') && !this.#does('update')) return undefined;
    let seconds: number | undefined;
    for (const { options } of this.#rule.matches)
      for (const option of options)
        if (option.kind === 'kept' && option.name === '--seconds') seconds ??= Number(option.values[0]);
    return { seconds };
  }

  get records(): boolean {
    return this.#does('set') || this.#does('update');
  }

  get drops(): boolean {
    return this.#rule.target?.kind === 'DROP';
  }

  get marks(): boolean {
    const { target } = this.#rule;
    return target?.kind === 'MARK' || this.chains.some((chain) => markChains.has(chain));
  }

  get masquerades(): boolean {
    const { target } = this.#rule;
    return target?.kind === 'MASQUERADE' || target?.kind === 'SNAT';
  }

  get returns(): boolean {
    return this.#rule.target?.kind === 'RETURN';
  }

  get dnat(): readonly NatDestination[] {
    const { target } = this.#rule;
    return target?.kind === 'DNAT'
      ? target.to.flatMap(({ addresses, ports }) =>
          addresses === undefined ? [] : [{ address: addresses.from, ...present({ port: ports?.from }) }],
        )
      : none;
  }

  get probability(): number | undefined {
    for (const { options } of this.#rule.matches)
      for (const option of options) if (option.kind === 'probability') return option.of2To31 / 2 ** 31;
    return undefined;
  }

  get isUnconditional(): boolean {
    return isWithoutCondition(this.#rule);
  }

  get lacksComment(): boolean {
    return this.#rule.matches.every(({ module }) => module !== 'comment');
  }

  /** Whether it has an option of `recent`. */
  #does(action: 'rcheck' | 'update' | 'set'): boolean {
    for (const { module, options } of this.#rule.matches)
      if (module === 'recent')
        for (const option of options) if (option.kind === 'recent' && option.action === action) return true;
    return false;
  }
}

const none: readonly never[] = [];

function isWithoutCondition({
  source,
  destination,
  inInterface,
  outInterface,
  protocol,
  fragment,
  matches,
}: IptablesRule): boolean {
  return (
    source === undefined &&
    destination === undefined &&
    inInterface === undefined &&
    outInterface === undefined &&
    protocol === undefined &&
    fragment === undefined &&
    matches.every(({ module }) => module === 'comment')
  );
}

/**
 * @param print the rule as text
 * @param set a set of the rule's table by name
 */
export function summarizeNftRule(
  rule: NftRule,
  print: (rule: NftRule) => string,
  set: (name: string) => NftSet | undefined,
): RuleSummary {
  const chains: string[] = [];
  let isForLocalSource = false;
  let isUnconditional = true;
  let drops = false;
  let returns = false;
  let records = false;
  let marks = false;
  let masquerades = false;
  let sources: RuleSummary['sources'];
  let remembers: RuleSummary['remembers'];
  const dnat: NatDestination[] = [];
  for (const statement of rule.statements) {
    dnat.push(...dnatTargetsOfStatement(statement));
    if (statement.kind === 'verdict') {
      if ('chain' in statement.verdict) chains.push(statement.verdict.chain);
      drops ||= statement.verdict.kind === 'drop';
      returns ||= statement.verdict.kind === 'return';
    }
    if (statement.kind === 'vmap' && statement.data.kind === 'set') {
      for (const { value } of statement.data.elements)
        if (value?.kind === 'verdict' && 'chain' in value.verdict) chains.push(value.verdict.chain);
    }
    records ||= statement.kind === 'setUpdate' && statement.operation !== 'delete';
    marks ||= statement.kind === 'mangle' && statement.key.kind === 'meta' && statement.key.key === 'mark';
    masquerades ||= statement.kind === 'nat' && (statement.type === 'masquerade' || statement.type === 'snat');
    if (statement.kind === 'vmap') isUnconditional &&= statement.key.kind === 'numgen';
    if (statement.kind !== 'match') continue;
    const { left, right, operator } = statement;
    isUnconditional = false;
    if (left.kind === 'fib' && left.result === 'type' && left.flags.includes('saddr'))
      isForLocalSource ||= right.kind === 'value' && right.value === 'local';
    if (left.kind !== 'payload' || left.field !== 'saddr') continue;
    if (right.kind === 'setReference') {
      // kube-proxy's name, for a report holds no flags of sets.
      const remembered = set(right.name);
      if (right.name.startsWith('affinity-') || remembered?.flags.includes('timeout') === true)
        remembers = { seconds: remembered?.timeout };
    } else sources = { prefixes: addressesOf(right), negated: operator === '!=' };
  }
  return {
    text: print(rule),
    chains,
    isForLocalSource,
    drops,
    returns,
    records,
    marks: marks || chains.some((chain) => markChains.has(chain)),
    masquerades,
    dnat,
    isUnconditional,
    ...(sources === undefined ? {} : { sources }),
    ...(remembers === undefined ? {} : { remembers }),
  };
}

/** An address, a prefix, a range or a set of them as texts. */
function addressesOf(expression: NftExpression): string[] {
  switch (expression.kind) {
    case 'value':
      return [String(expression.value)];
    case 'prefix':
      return addressesOf(expression.address).map((address) => `${address}/${String(expression.length)}`);
    case 'range':
      return [`${addressesOf(expression.from).join('')}-${addressesOf(expression.to).join('')}`];
    case 'set':
      return expression.elements.flatMap(({ key }) => addressesOf(key));
    default:
      return [];
  }
}
