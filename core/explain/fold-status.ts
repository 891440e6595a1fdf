/** Which rules of a status' chain are written out, where of many alike endpoints one is. */
import type { ChainStatus, NodePortStatus } from '../api/service-trace.ts';
import { iptablesChainKind } from '../kube-proxy/chain-kinds.ts';
import { present } from '../lib/present.ts';
import { printNftRule } from '../nftables/print.ts';
import type { NftElement, NftRule } from '../nftables/rule.ts';
import { chainOfVerdict } from '../nftables/targets.ts';
import {
  alikeEndpoints,
  foldAlike,
  iptablesChoice,
  nftChoice,
  nftChoices,
  realServerChoice,
  withoutElements,
  type Choice,
} from './alike.ts';
import type { AlikeEndpoint, AlikeEndpoints } from './explanation.ts';
import type { ServiceNames } from './service-names.ts';
import type { StatusChains } from './status-chains.ts';
import { namesAfter, targetKey, type StatusRuleModel } from './status-rule.ts';
import { endpointShare } from './status-shares.ts';

export interface FoldedChain {
  /** Indexes of rules that are not written out. */
  readonly hidden: ReadonlySet<number>;
  readonly rules: ReadonlyMap<number, FoldedRule>;
}

/** A rule that is written out for others, or for elements of its own map. */
export interface FoldedRule {
  readonly alike: readonly AlikeEndpoints[];
  /** Elements that are not written out. */
  readonly hidden: ReadonlySet<NftElement>;
  /** The rule without them; absent where it has none. */
  readonly text?: string;
  /** Chains of this program that it jumps to, but for theirs. */
  readonly jumpsTo: readonly ChainStatus[];
}

/** What describes the endpoints. */
interface EndpointFacts {
  readonly pod: ServiceNames['pod'];
  /** Of a node that has the program. */
  readonly ports: readonly NodePortStatus[];
}

export function foldStatusChain(chains: StatusChains, chain: ChainStatus, facts: EndpointFacts): FoldedChain {
  const choices = ruleChoices(chains, chain);
  const folded = foldAlike(choices);
  const ofRules = [...folded].map(([first, others]): [number, FoldedRule] => {
    const alike = alikeOf(chain, choices, [first, others], facts, (index) => chain.rules[index]?.packets);
    return [first, { alike, hidden: new Set(), jumpsTo: chains.jumpsTo(chain, first) }];
  });
  const ofMaps = chains.rules(chain).flatMap((rule, index): [number, FoldedRule][] => {
    const found = rule.kind === 'nftables' ? foldElements(chains, chain, index, rule.rule, facts) : undefined;
    return found === undefined ? [] : [[index, found]];
  });
  return { hidden: new Set([...folded.values()].flat()), rules: new Map([...ofRules, ...ofMaps]) };
}

/** What each rule of the chain chooses: of iptables those that jump to the chain of an endpoint, of IPVS the real servers. */
function ruleChoices(chains: StatusChains, chain: ChainStatus): readonly (Choice | undefined)[] {
  const rules = chains.rules(chain);
  const jumped = (rule: StatusRuleModel): readonly ChainStatus[] =>
    rule.kind === 'iptables' ? chains.named(chain, namesAfter(rule)) : [];
  const isJump = (rule: StatusRuleModel): boolean =>
    jumped(rule).some(({ name }) => iptablesChainKind(name) === 'endpoint');
  const last = rules.findLastIndex(isJump);
  return rules.map((rule, index) => {
    if (rule.kind === 'server') return realServerChoice(rule.server);
    if (rule.kind !== 'iptables' || !isJump(rule)) return undefined;
    const target = jumped(rule).flatMap((each) => chains.rules(each));
    return iptablesChoice(
      rule.rule,
      target.flatMap((each) => (each.kind === 'iptables' ? [each.rule] : [])),
      index === last,
    );
  });
}

/** Of the map by which a rule chooses; undefined where all of its elements are written out. */
function foldElements(
  chains: StatusChains,
  chain: ChainStatus,
  index: number,
  rule: NftRule,
  facts: EndpointFacts,
): FoldedRule | undefined {
  const elements = nftChoices(rule) ?? [];
  const jumpsTo = chains.jumpsTo(chain, index);
  const byName = new Map(jumpsTo.map((each) => [each.name, each]));
  const choices = elements.map((element) => nftChoice(element, (name) => nftRules(chains, byName.get(name))));
  const groups = foldAlike(choices);
  if (groups.size === 0) return undefined;
  const alike = [...groups].flatMap((group) =>
    alikeOf(
      chain,
      choices,
      group,
      facts,
      (at) => chainsOf(elements[at]).flatMap((name) => chains.rewrittenPackets(byName.get(name)) ?? [])[0],
    ),
  );
  const hidden = new Set([...groups.values()].flat().flatMap((at) => elements[at] ?? []));
  const shown = withoutElements(rule, hidden);
  const left = new Set(namesAfter({ kind: 'nftables', rule: shown }));
  return { alike, hidden, text: printNftRule(shown), jumpsTo: jumpsTo.filter(({ name }) => left.has(name)) };
}

function nftRules(chains: StatusChains, chain: ChainStatus | undefined): readonly NftRule[] {
  return chain === undefined
    ? []
    : chains.rules(chain).flatMap((each) => (each.kind === 'nftables' ? [each.rule] : []));
}

function alikeOf(
  { family }: ChainStatus,
  choices: readonly (Choice | undefined)[],
  [first, others]: readonly [number, readonly number[]],
  { pod, ports }: EndpointFacts,
  packetsOf: (index: number) => number | undefined,
): AlikeEndpoints[] {
  return alikeEndpoints(choices, first, others, {
    pod,
    factsOf: ({ endpoint: { address, port } }, index): Omit<AlikeEndpoint, 'endpoint' | 'pod'> =>
      present({
        endpointShare: endpointShare(ports, family, new Set([targetKey(address, port)])),
        packets: packetsOf(index),
      }),
  });
}

function chainsOf(element: NftElement | undefined): string[] {
  return element?.value?.kind === 'verdict' ? chainOfVerdict(element.value.verdict) : [];
}
