/**
 * Chains of iptables that end with a random choice among endpoints (KUBE-SVC-… and KUBE-SVL-…): which rules those are, and
 * what they ask of a packet. Only rules are taken of which all is known; whatever else stands there is walked as it is.
 */
import { addressNumber, parseNetwork, canonicalAddress, comparableAddress } from '../net/address.ts';
import type { IptablesRule, IptablesPrefix } from '../iptables/rule.ts';
import type { ChainLookup } from './walk-iptables.ts';
import type { EndpointChoice } from './endpoint-choice.ts';
import { oncePer } from '../lib/once-per.ts';

/** The rules at the end of a chain that choose an endpoint, with what they ask of packets. */
export interface ChoiceRules {
  readonly rules: readonly IptablesRule[];
  askedOf(source: string): AskedOfSource;
  /** By the packet's protocol and `key` of its source, and its mark where the rules set it; null where the rules give no choice of endpoints alone. */
  readonly known: Map<string, EndpointChoice | null>;
}

/** What the rules of a choice find of a packet's source, the protocol and the mark left aside. */
interface AskedOfSource {
  /** The same for packets that the rules treat alike. */
  readonly key: string;
  /** That of sources for which no rule asks alone, and which are the same for all other rules. */
  readonly othersKey: string;
  /** The endpoints' chains that ask for this source alone: only what they do is another thing than for those others. */
  readonly chains: ReadonlySet<string>;
}

/** Where a chain's choice begins: the first of the rules at its end that only chance decides on. */
function beginOf(rules: readonly IptablesRule[]): number {
  let begin = rules.length;
  for (let at = rules.length - 1; at >= 0; at -= 1) {
    const rule = rules[at];
    if (rule?.target?.kind !== 'jump' || !isByChance(rule)) break;
    begin = at;
  }
  return begin;
}

function isByChance(rule: IptablesRule): boolean {
  return (
    hasPlainHead(rule) &&
    rule.source === undefined &&
    rule.protocol === undefined &&
    rule.matches.every(({ module }) => module === 'comment' || module === 'statistic')
  );
}

function hasPlainHead({ destination, inInterface, outInterface, fragment, refused }: IptablesRule): boolean {
  return (
    destination === undefined &&
    inInterface === undefined &&
    outInterface === undefined &&
    fragment === undefined &&
    refused === undefined
  );
}

/** The rule where the choice of a chain begins; undefined where the chain has none. A chain is never changed. */
export const choiceBegin = oncePer((rules: readonly IptablesRule[]): IptablesRule | undefined => {
  const begin = beginOf(rules);
  return rules.length - begin < 2 ? undefined : rules[begin];
});

/** What was found of a chain: the chains that it jumps to belong to it. */
interface Found {
  readonly chains: ReadonlyMap<string, readonly IptablesRule[]>;
  readonly choice: ChoiceRules | undefined;
  /** Those that have these very chains. */
  readonly lookups: WeakSet<ChainLookup>;
}

const foundOf = oncePer((_rules: readonly IptablesRule[]): Found[] => []);

/** @returns undefined where the rules ask for more than can be known beforehand */
export function choiceRules(
  lookup: ChainLookup,
  table: string,
  rules: readonly IptablesRule[],
): ChoiceRules | undefined {
  const known = foundOf(rules);
  const own = known.find(
    ({ chains, lookups }) => lookups.has(lookup) || [...chains].every(([name, chain]) => lookup(table, name) === chain),
  );
  if (own !== undefined) {
    own.lookups.add(lookup);
    return own.choice;
  }
  const made = { ...readChoice(lookup, table, rules), lookups: new WeakSet([lookup]) };
  known.push(made);
  return made.choice;
}

function readChoice(lookup: ChainLookup, table: string, rules: readonly IptablesRule[]): Omit<Found, 'lookups'> {
  const own = rules.slice(beginOf(rules));
  const chains = new Map<string, readonly IptablesRule[]>();
  const sources: AskedSource[] = [];
  const isMarking = (name: string): boolean => {
    const chain = lookup(table, name);
    if (chain === undefined) return false;
    chains.set(name, chain);
    return chain.every((rule) => rule.target?.kind === 'MARK' && rule.source === undefined && isPlain(rule));
  };
  const isPlain = (rule: IptablesRule): boolean =>
    hasPlainHead(rule) &&
    rule.matches.every(
      ({ module, options }) =>
        module === 'comment' || ((module === 'tcp' || module === 'udp' || module === 'sctp') && options.length === 0),
    );
  const isEndpointRule = (rule: IptablesRule): boolean => {
    const { target } = rule;
    if (!isPlain(rule)) return false;
    if (rule.source !== undefined) sources.push({ chain: rule.chain, source: rule.source });
    switch (target?.kind) {
      case 'MARK':
        return true;
      case 'jump':
        return isMarking(target.chain);
      case 'DNAT': {
        const [to, more] = target.to;
        return (
          more === undefined &&
          to?.addresses !== undefined &&
          to.addresses.from === to.addresses.to &&
          to.ports !== undefined &&
          to.ports.from === to.ports.to &&
          to.base === undefined &&
          target.flags.length === 0
        );
      }
      default:
        return false;
    }
  };
  const isChoice = own.every(({ target }) => {
    if (target?.kind !== 'jump') return false;
    const chain = lookup(table, target.chain);
    if (chain === undefined) return false;
    chains.set(target.chain, chain);
    return chain.every(isEndpointRule);
  });
  return { chains, choice: isChoice ? { rules: own, askedOf: asking(sources), known: new Map() } : undefined };
}

interface AskedSource {
  readonly chain: string;
  readonly source: IptablesPrefix;
}

/** Which of the conditions on the source hold; nearly all are for one endpoint alone. */
function asking(sources: readonly AskedSource[]): ChoiceRules['askedOf'] {
  const hosts = new Map<string, { key: string; readonly chains: Set<string> }>();
  const others: IptablesPrefix[] = [];
  sources.forEach(({ chain, source }, index) => {
    const host = source.negated ? undefined : hostOf(source.prefix);
    if (host === undefined) {
      others.push(source);
      return;
    }
    const known = hosts.get(host);
    if (known === undefined) hosts.set(host, { key: String(index), chains: new Set([chain]) });
    else {
      known.key += ` ${String(index)}`;
      known.chains.add(chain);
    }
  });
  const networks = others.map(({ prefix }) => parseNetwork(prefix));
  return (source) => {
    const number = addressNumber(source);
    const within = networks.map((network) =>
      network === undefined || number === undefined
        ? '?'
        : network.bits === number.bits && (number.value & network.mask) === network.network,
    );
    const host = hosts.get(comparableAddress(source));
    return {
      key: [host?.key ?? '', ...within].join(),
      othersKey: ['', ...within].join(),
      chains: host?.chains ?? noChains,
    };
  };
}

const noChains: ReadonlySet<string> = new Set();

function hostOf(prefix: string): string | undefined {
  const [address = '', length] = prefix.split('/');
  return length === undefined || length === (address.includes(':') ? '128' : '32')
    ? canonicalAddress(address)
    : undefined;
}
