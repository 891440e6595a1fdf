/** What is known of the names in a status' rules. */
import { mapChainName } from '../api/chain-name.ts';
import type { ChainStatus, NodePortStatus } from '../api/service-trace.ts';
import { printNatRange } from '../iptables/print.ts';
import { destinationText } from '../net/address.ts';
import { dnatTargetsOfStatement } from '../nftables/targets.ts';
import { programMaps } from '../program/program-chains.ts';
import { chainPurpose } from './chain-purpose.ts';
import { withPod, type Names } from './explained.ts';
import type { ServiceNames } from './service-names.ts';
import type { StatusChains } from './status-chains.ts';
import type { StatusRuleModel } from './status-rule.ts';

/**
 * @param chain whose rules name others: of its family and table
 * @param ports of a node that has the program
 */
export function statusNames(
  chains: StatusChains,
  chain: ChainStatus,
  { port, pod }: ServiceNames,
  ports: readonly NodePortStatus[],
): Names {
  return {
    chain: (name) => chainPurpose(name, port, targetText),
    pod,
    set,
    ipSet: () => undefined,
  };

  /** The endpoint whose chain it is, `10.244.1.4:8080 (auth-1)`. */
  function targetText(name: string): string | undefined {
    const found = chains.beside(chain, name);
    return found === undefined ? undefined : chains.rules(found).flatMap((rule) => rewrittenTo(rule, pod))[0];
  }

  // Of kube-proxy's maps, a program has the elements of the Service; one without any is not in it.
  function set(name: string): ReturnType<Names['set']> {
    const map = chains.beside(chain, mapChainName(name));
    const isEmpty =
      map === undefined &&
      programMaps.has(name) &&
      ports.some(({ family, verdict }) => family === chain.family && verdict !== 'Unknown');
    if (map === undefined && !isEmpty) return undefined;
    return {
      name,
      type: [],
      flags: [],
      data: ['verdict'],
      elements:
        map === undefined ? [] : chains.rules(map).flatMap((each) => (each.kind === 'element' ? [each.element] : [])),
    };
  }
}

/** The first destination that the rule gives packets, with its pod. */
function rewrittenTo(rule: StatusRuleModel, pod: Names['pod']): string[] {
  if (rule.kind === 'iptables' && rule.rule.target?.kind === 'DNAT')
    return rule.rule.target.to
      .slice(0, 1)
      .flatMap((range) =>
        range.addresses === undefined ? [] : [withPod(printNatRange(range), range.addresses.from, { pod })],
      );
  if (rule.kind !== 'nftables') return [];
  return rule.rule.statements
    .flatMap(dnatTargetsOfStatement)
    .slice(0, 1)
    .map((target) => withPod(destinationText(target), target.address, { pod }));
}
