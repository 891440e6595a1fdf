/** What the model of a node's program asks of rules, the same for iptables and nftables. */
import type { IptablesRule } from './iptables-rule.ts';
import type { NftExpression } from './nft-expression.ts';
import type { NftRule } from './nft-statement.ts';
import type { NftSet } from './nft-table.ts';

export interface RuleView {
  /** As the tool prints it, without counters. */
  readonly text: string;
  /** Where it sends a packet on to, by jump or goto. */
  readonly chains: readonly string[];
  /** It asks whether the node itself is the source. */
  readonly isForLocalSource: boolean;
  /** The sources that it asks for; `negated`: all but these. */
  readonly sources?: { readonly prefixes: readonly string[]; readonly negated: boolean };
  /** It asks for clients that it remembers (recent, an affinity set), for so many seconds. */
  readonly remembers?: { readonly seconds: number | undefined };
  readonly drops: boolean;
}

/** @param print the rule as text */
export function viewIptablesRule(rule: IptablesRule, print: (rule: IptablesRule) => string): RuleView {
  const options = rule.matches.flatMap((match) => match.options);
  const isCheck = options.some((option) => option.kind === 'recent' && (option.action === 'rcheck' || option.action === 'update'));
  const seconds = options.flatMap((option) => (option.kind === 'kept' && option.name === '--seconds' ? [Number(option.values[0])] : []))[0];
  return {
    text: print(rule),
    chains: rule.target?.kind === 'jump' || rule.target?.kind === 'goto' ? [rule.target.chain] : [],
    isForLocalSource: options.some((option) => option.kind === 'addressType' && option.end === 'source' && !option.negated && option.types.includes('LOCAL')),
    ...(rule.source === undefined ? {} : { sources: { prefixes: [rule.source.prefix], negated: rule.source.negated } }),
    ...(isCheck ? { remembers: { seconds } } : {}),
    drops: rule.target?.kind === 'DROP',
  };
}

/**
 * @param print the rule as text
 * @param set a set of the rule's table by name
 */
export function viewNftRule(rule: NftRule, print: (rule: NftRule) => string, set: (name: string) => NftSet | undefined): RuleView {
  const chains: string[] = [];
  let isForLocalSource = false;
  let drops = false;
  let sources: RuleView['sources'];
  let remembers: RuleView['remembers'];
  for (const statement of rule.statements) {
    if (statement.kind === 'verdict') {
      if ('chain' in statement.verdict) chains.push(statement.verdict.chain);
      else drops ||= statement.verdict.kind === 'drop';
    }
    if (statement.kind === 'vmap' && statement.data.kind === 'set') {
      for (const { value } of statement.data.elements) if (value?.kind === 'verdict' && 'chain' in value.verdict) chains.push(value.verdict.chain);
    }
    if (statement.kind !== 'match') continue;
    const { left, right, operator } = statement;
    if (left.kind === 'fib' && left.result === 'type' && left.flags.includes('saddr')) isForLocalSource ||= right.kind === 'value' && right.value === 'local';
    if (left.kind !== 'payload' || left.field !== 'saddr') continue;
    if (right.kind === 'setReference') {
      // kube-proxy's name, for a report holds no flags of sets.
      const remembered = set(right.name);
      if (right.name.startsWith('affinity-') || remembered?.flags.includes('timeout') === true) remembers = { seconds: remembered?.timeout };
    } else sources = { prefixes: addressesOf(right), negated: operator === '!=' };
  }
  return { text: print(rule), chains, isForLocalSource, drops, ...(sources === undefined ? {} : { sources }), ...(remembers === undefined ? {} : { remembers }) };
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
