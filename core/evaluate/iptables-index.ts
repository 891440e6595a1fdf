/**
 * Which rules of a long chain a packet can match at all. kube-proxy's KUBE-SERVICES has one rule for each Service's
 * address, KUBE-NODEPORTS one for each port: nearly all of them are surely not for the packet.
 */
import { canonicalAddress, comparableAddress } from '../net/address.ts';
import { portsOf, type IptablesRule } from '../iptables/rule.ts';
import { oncePer } from '../lib/once-per.ts';

/** Where a branch of the packet goes when it enters the chain. */
export interface Goal {
  readonly address: string;
  /** undefined where it is not known: any port may be it. */
  readonly port: number | undefined;
}

/** Chooses rules, in their order; those that are left out would not match any packet to the goals. */
export type SelectRules = (rules: readonly IptablesRule[], goals: readonly Goal[]) => Iterable<IptablesRule>;

/** All of them: what the others must be equal to. */
export const everyRule: SelectRules = (rules) => rules;

/** By destination address and port. A chain is looked through once and is never changed after that. */
export const indexedRules: SelectRules = (rules, goals) => {
  if (rules.length < shortChain) return rules;
  return select(rules, indexOf(rules), goals);
};

/** So few rules are sooner asked than looked up. */
const shortChain = 16;

interface Index {
  readonly byAddress: ReadonlyMap<string, readonly number[]>;
  readonly byPort: ReadonlyMap<number, readonly number[]>;
  /** Rules that ask for no single address and no single port. */
  readonly others: readonly number[];
}

const indexOf = oncePer((rules: readonly IptablesRule[]): Index => {
  const byAddress = new Map<string, number[]>();
  const byPort = new Map<number, number[]>();
  const others: number[] = [];
  rules.forEach((rule, at) => {
    const address = singleAddress(rule);
    if (address !== undefined) add(byAddress, address, at);
    else {
      const port = singlePort(rule);
      if (port !== undefined) add(byPort, port, at);
      else others.push(at);
    }
  });
  return { byAddress, byPort, others };
});

function add<Key>(map: Map<Key, number[]>, key: Key, at: number): void {
  const present = map.get(key);
  if (present === undefined) map.set(key, [at]);
  else present.push(at);
}

function singleAddress({ destination }: IptablesRule): string | undefined {
  if (destination === undefined || destination.negated) return undefined;
  const { prefix } = destination;
  const slash = prefix.indexOf('/');
  if (slash < 0) return canonicalAddress(prefix);
  const length = prefix.slice(slash + 1);
  return length === (prefix.includes(':') ? '128' : '32') ? canonicalAddress(prefix.slice(0, slash)) : undefined;
}

function singlePort(rule: IptablesRule): number | undefined {
  const ports = portsOf(rule, 'destination');
  const [only, more] = ports?.ranges ?? [];
  return ports?.negated === true || only === undefined || more !== undefined || only.from !== only.to
    ? undefined
    : only.from;
}

function* select(
  rules: readonly IptablesRule[],
  { byAddress, byPort, others }: Index,
  goals: readonly Goal[],
): Generator<IptablesRule> {
  const found = new Set<number>();
  for (const address of new Set(goals.map((goal) => comparableAddress(goal.address))))
    for (const at of byAddress.get(address) ?? []) found.add(at);
  for (const port of new Set(goals.map((goal) => goal.port))) {
    for (const own of port === undefined ? byPort.values() : [byPort.get(port) ?? []])
      for (const at of own) found.add(at);
  }
  const wanted = [...found].sort((one, other) => one - other);
  // Both lists are in order: the next rule is the lower of their next ones.
  let next = 0;
  for (const other of others) {
    for (let at = wanted[next]; at !== undefined && at < other; at = wanted[next]) {
      next += 1;
      const rule = rules[at];
      if (rule !== undefined) yield rule;
    }
    const rule = rules[other];
    if (rule !== undefined) yield rule;
  }
  for (; next < wanted.length; next += 1) {
    const rule = rules[wanted[next] ?? 0];
    if (rule !== undefined) yield rule;
  }
}
