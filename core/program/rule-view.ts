/** What the model of a node's program asks of rules, the same for iptables and nftables. */
import type { IptablesRule } from '../iptables/rule.ts';
import type { NftExpression, NftRule } from '../nftables/rule.ts';
import type { NftSet } from '../nftables/table.ts';
import { dnatTargetsOfStatement } from '../nftables/targets.ts';

export interface RuleView {
  /** As the tool prints it, without counters. */
  readonly text: string;
  /** Where it sends a packet on to, by jump or goto; one after the other where a map tells them apart. */
  readonly chains: readonly string[];
  /** It asks whether the node itself is the source. */
  readonly isForLocalSource: boolean;
  /** The sources that it asks for; `negated`: all but these. */
  readonly sources?: { readonly prefixes: readonly string[]; readonly negated: boolean };
  /** It asks for clients that it remembers (recent, an affinity set), for so many seconds. */
  readonly remembers?: { readonly seconds: number | undefined };
  /** It remembers the client from now on. */
  readonly records: boolean;
  readonly drops: boolean;
  /** It changes the mark by which packets are masqueraded. */
  readonly marks: boolean;
  readonly masquerades: boolean;
  readonly returns: boolean;
  /** `address port` of each target of a DNAT. */
  readonly dnat: readonly string[];
  /** Of `-m statistic --mode random`. */
  readonly probability?: number;
  /** It has no condition. */
  readonly isUnconditional: boolean;
  /** Of iptables: it has no comment, as kube-proxy writes rules in a large cluster. */
  readonly lacksComment?: boolean;
}

/** kube-proxy's chains that do nothing but mark a packet, in both modes. */
export const markChains: ReadonlySet<string> = new Set(['KUBE-MARK-MASQ', 'mark-for-masquerade']);

/** @param print the rule as text */
export function viewIptablesRule(rule: IptablesRule, print: (rule: IptablesRule) => string): RuleView {
  const { target } = rule;
  const recent = new Set<string>();
  let seconds: number | undefined;
  let probability: number | undefined;
  let isForLocalSource = false;
  for (const { options } of rule.matches) {
    for (const option of options) {
      if (option.kind === 'recent') recent.add(option.action);
      else if (option.kind === 'kept' && option.name === '--seconds') seconds ??= Number(option.values[0]);
      else if (option.kind === 'probability') probability ??= option.of2To31 / 2 ** 31;
      else if (option.kind === 'addressType' && option.end === 'source' && !option.negated)
        isForLocalSource ||= option.types.includes('LOCAL');
    }
  }
  const chains = target?.kind === 'jump' || target?.kind === 'goto' ? [target.chain] : [];
  return {
    text: print(rule),
    chains,
    isForLocalSource,
    ...(rule.source === undefined ? {} : { sources: { prefixes: [rule.source.prefix], negated: rule.source.negated } }),
    ...(recent.has('rcheck') || recent.has('update') ? { remembers: { seconds } } : {}),
    records: recent.has('set') || recent.has('update'),
    drops: target?.kind === 'DROP',
    marks: target?.kind === 'MARK' || chains.some((chain) => markChains.has(chain)),
    masquerades: target?.kind === 'MASQUERADE' || target?.kind === 'SNAT',
    returns: target?.kind === 'RETURN',
    dnat:
      target?.kind === 'DNAT'
        ? target.to.flatMap(({ addresses, ports }) =>
            addresses === undefined ? [] : [`${addresses.from} ${String(ports?.from ?? '')}`],
          )
        : [],
    ...(probability === undefined ? {} : { probability }),
    isUnconditional: isWithoutCondition(rule),
    lacksComment: rule.matches.every(({ module }) => module !== 'comment'),
  };
}

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
    [source, destination, inInterface, outInterface, protocol, fragment].every((each) => each === undefined) &&
    matches.every(({ module }) => module === 'comment')
  );
}

/**
 * @param print the rule as text
 * @param set a set of the rule's table by name
 */
export function viewNftRule(
  rule: NftRule,
  print: (rule: NftRule) => string,
  set: (name: string) => NftSet | undefined,
): RuleView {
  const chains: string[] = [];
  let isForLocalSource = false;
  let isUnconditional = true;
  let drops = false;
  let returns = false;
  let records = false;
  let marks = false;
  let masquerades = false;
  let sources: RuleView['sources'];
  let remembers: RuleView['remembers'];
  const dnat: string[] = [];
  for (const statement of rule.statements) {
    dnat.push(...dnatTargetsOfStatement(statement).map(({ address, port }) => `${address} ${String(port ?? '')}`));
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
