/** What kube-proxy's chains of the iptables mode say of a Service (pkg/proxy/iptables/proxier.go, 1.37). */
import { iptablesChainKind, iptablesDispatchChains } from '../kube-proxy/chain-kinds.ts';
import { isSameAddress } from '../net/address.ts';
import { chainEntered } from '../evaluate/action.ts';
import type { ChainLookup } from '../evaluate/walk-iptables.ts';
import type { IptablesRule } from '../iptables/rule.ts';
import { oncePer } from '../lib/once-per.ts';
import { iptablesRuleText } from '../iptables/print.ts';
import { referenceOf, type NodeRules, type WalkedRules } from './node-rules.ts';
import { summarizeIptablesRule, type RuleSummary } from './rule-summary.ts';

export function iptablesNodeRules(walked: WalkedRules, lookup: ChainLookup): NodeRules {
  const chain = (name: string): readonly RuleSummary[] | undefined => {
    const rules = lookup('nat', name);
    return rules === undefined ? undefined : summariesOf(rules);
  };
  const kindOf = iptablesChainKind;
  return {
    ...walked,
    chain,
    kindOf,
    // The rule by which all NodePorts leave KUBE-SERVICES counts the packets of all Services.
    isEntry: (step) =>
      iptablesDispatchChains.has(step.chain) && chainEntered(step) !== 'KUBE-NODEPORTS' && step.isUnknown !== true,
    sourceRanges(_frontend, visited) {
      for (const [name, { table }] of visited) {
        if (kindOf(name) !== 'firewall') continue;
        const allowing = (chain(name) ?? []).filter(({ chains }) => chains.some((to) => kindOf(to) === 'external'));
        const value = allowing.flatMap(({ sources }) => sources?.prefixes ?? []);
        const [first] = allowing;
        if (first !== undefined) return { value, by: { table, chain: name, rule: first.text } };
      }
      return undefined;
    },
    reference: referenceOf,
    trafficPolicy: () => undefined,
    sessionAffinity: () => undefined,
    hairpin({ address, by }) {
      const rules = by === undefined || kindOf(by.chain) !== 'endpoint' ? undefined : chain(by.chain);
      if (by === undefined || rules === undefined) return undefined;
      const marking = markedHosts(rules).find(({ hosts }) => hosts.some((host) => isSameAddress(host, address)))?.rule;
      return marking === undefined
        ? { value: false }
        : { value: true, by: { table: by.table, chain: by.chain, rule: marking.text } };
    },
    weight: () => undefined,
  };
}

/** A chain is never changed; several nodes may have the same. */
const summariesOf = oncePer((rules: readonly IptablesRule[]): readonly RuleSummary[] =>
  rules.map((rule) => summarizeIptablesRule(rule, iptablesRuleText)),
);

/** The rules that mark the packets of single addresses for masquerade, each with these addresses: those of an endpoint's chain, its own. */
const markedHosts = oncePer(
  (rules: readonly RuleSummary[]): readonly { readonly rule: RuleSummary; readonly hosts: readonly string[] }[] =>
    rules.flatMap((rule) => {
      if (!rule.chains.includes('KUBE-MARK-MASQ')) return none;
      const { sources } = rule;
      return sources?.negated === false ? { rule, hosts: sources.prefixes.flatMap(hostOf) } : none;
    }),
);

const none: readonly never[] = [];

/** The address of a prefix that is an address alone, `10.0.0.1/32`. */
function hostOf(prefix: string): string | readonly never[] {
  const slash = prefix.indexOf('/');
  if (slash < 0) return prefix;
  const length = prefix.slice(slash + 1);
  return length === '32' || length === '128' ? prefix.slice(0, slash) : none;
}
