/** What kube-proxy's table of the nftables mode says of a Service (pkg/proxy/nftables/proxier.go, 1.37). */
import { nftChainKind } from '../kube-proxy/chain-kinds.ts';
import { mapChainName } from '../api/chain-name.ts';
import { isSameAddress, comparableAddress } from '../net/address.ts';
import type { NftTable } from '../evaluate/walk-nftables.ts';
import type { NftExpression, NftElement } from '../nftables/rule.ts';
import { referenceOf, type FrontendKey, type NodeRules, type WalkedRules } from './node-rules.ts';
import { printNftElement, printNftRule } from '../nftables/print.ts';
import { oncePer } from '../lib/once-per.ts';
import { summarizeNftRule, type RuleSummary } from './rule-summary.ts';

/** The chains that dispatch by destination address and port. */
const dispatchChains = new Set([
  'services',
  'endpoints-check',
  'service-endpoints-check',
  'nodeport-endpoints-check',
  'firewall-check',
  'external-ips',
  'cluster-ips',
]);

export function nftNodeRules(walked: WalkedRules, table: NftTable): NodeRules {
  const summaries = new Map<string, readonly RuleSummary[] | undefined>();
  const chain = (name: string): readonly RuleSummary[] | undefined => {
    if (!summaries.has(name))
      summaries.set(
        name,
        table.chain(name)?.rules.map((rule) => summarizeNftRule(rule, printNftRule, (set) => table.set(set))),
      );
    return summaries.get(name);
  };
  const kindOf = nftChainKind;
  return {
    ...walked,
    chain,
    kindOf,
    isEntry: (step) => dispatchChains.has(step.chain) && step.verdictMap !== undefined && step.isUnknown !== true,
    sourceRanges(frontend) {
      const element = table.map('firewall-ips')?.elements.find(({ key }) => isKeyOf(key, frontend));
      const verdict = element?.value?.kind === 'verdict' ? element.value.verdict : undefined;
      if (verdict === undefined || !('chain' in verdict)) return undefined;
      const dropping = chain(verdict.chain)?.find(({ drops, sources }) => drops && sources?.negated === true);
      return dropping?.sources === undefined
        ? undefined
        : { value: dropping.sources.prefixes, by: { table: table.name, chain: verdict.chain, rule: dropping.text } };
    },
    reference(step, frontend) {
      const map = step.verdictMap === undefined ? undefined : table.map(step.verdictMap);
      const element = map?.elements.find(({ key }) => isKeyOf(key, frontend));
      return map === undefined || element === undefined
        ? referenceOf(step)
        : { table: step.table, chain: mapChainName(map.name), rule: printNftElement(map, element) };
    },
    trafficPolicy: () => undefined,
    sessionAffinity: () => undefined,
    hairpin({ address, port }, protocol) {
      const pairs = table.set('hairpin-connections');
      if (pairs === undefined) return undefined;
      const element = elementsByAddress(pairs.elements)
        .get(comparableAddress(address))
        ?.find(({ key }) => {
          const [, to, name, number] = key.kind === 'concatenation' ? key.parts : [];
          return (
            isAddress(to, address) &&
            (number === undefined || (isWord(name, protocol.toLowerCase()) && isWord(number, String(port))))
          );
        });
      return element === undefined
        ? { value: false }
        : {
            value: true,
            by: { table: table.name, chain: 'set hairpin-connections', rule: printNftElement(pairs, element) },
          };
    },
    weight: () => undefined,
  };
}

/** Those whose key begins with an address, by it. */
const elementsByAddress = oncePer((elements: readonly NftElement[]): ReadonlyMap<string, readonly NftElement[]> => {
  const byAddress = new Map<string, NftElement[]>();
  for (const element of elements) {
    const [from] = element.key.kind === 'concatenation' ? element.key.parts : [];
    if (from?.kind !== 'value') continue;
    const address = comparableAddress(String(from.value));
    const own = byAddress.get(address);
    if (own === undefined) byAddress.set(address, [element]);
    else own.push(element);
  }
  return byAddress;
});

/** `address . protocol . port`, or `protocol . port` of a NodePort. */
function isKeyOf(key: NftExpression, { frontend, address, protocol, port }: FrontendKey): boolean {
  const parts = key.kind === 'concatenation' ? key.parts : [];
  const [name, number] = parts.slice(-2);
  if (!isWord(name, protocol.toLowerCase()) || !isWord(number, String(port))) return false;
  return frontend === 'NodePort' ? parts.length === 2 : parts.length === 3 && isAddress(parts[0], address);
}

function isAddress(expression: NftExpression | undefined, address: string): boolean {
  return expression?.kind === 'value' && isSameAddress(String(expression.value), address);
}

function isWord(expression: NftExpression | undefined, word: string): boolean {
  return expression?.kind === 'value' && String(expression.value) === word;
}
