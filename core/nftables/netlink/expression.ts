/** What every rule of nf_tables is made of, whoever wrote it: its attributes, and its list of expressions. */
import { NetlinkAttributes, NetlinkError } from './message.ts';

/** NFTA_RULE_; NFTA_RULE_COMPAT is left out. */
export const ruleAttributes = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  position: 6,
  userData: 7,
  padding: 8,
} as const;

export interface KernelExpression {
  readonly name: string;
  readonly data: NetlinkAttributes;
}

/** Throws NetlinkError where one has no name. */
export function expressionsOf(rule: NetlinkAttributes): KernelExpression[] {
  const list = rule.nested(ruleAttributes.expressions);
  if (list === undefined) throw new NetlinkError('a rule has no list of expressions');
  list.requireOnly([1]);
  return list.all(1).map((bytes) => {
    const expression = new NetlinkAttributes(bytes);
    const [name, data] = [expression.string(1), expression.nested(2)];
    if (name === undefined || data === undefined) throw new NetlinkError('an expression has no name, or says nothing');
    return { name, data };
  });
}
