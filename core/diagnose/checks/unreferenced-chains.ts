/** Chains of a Service that a node holds and no rule jumps to. */
import { allChains, iptablesChainNames, nftablesChainService } from '../../kube-proxy/chain-names.ts';
import { chainOfVerdict } from '../../nftables/targets.ts';
import { recordsOf } from '../../wire/node-report.ts';
import { parseNftMapElements } from '../../nftables/map-elements.ts';
import type { DesiredService } from '../../api/service.ts';
import type { NodeCheck } from './node-check.ts';

export interface UnreferencedChain {
  readonly name: string;
  readonly rules: readonly string[];
}

export function unreferencedChains(
  { families, facts: { read } }: NodeCheck,
  desired: DesiredService,
): UnreferencedChain[] {
  if (read === undefined) return [];
  const { namespace, name } = desired;
  const id = `${namespace}/${name}`;
  const iptablesNames = desired.service.ports.flatMap(({ name: portName, protocol }) =>
    allChains(iptablesChainNames({ namespace, name, portName, protocol })),
  );
  const nftNames = recordsOf(read.report, 'nftChain')
    .filter(({ service, chain, absent }) => service === id && !absent && nftablesChainService(chain) === id)
    .map(({ chain }) => chain);
  return families.flatMap(({ family, rules }) => {
    const held = [...new Set([...iptablesNames, ...nftNames])].filter((chain) => (rules.chain(chain)?.length ?? 0) > 0);
    const summaries = held.flatMap((chain) => rules.chain(chain) ?? []);
    // Comments stand on every rule that jumps to an endpoint's chain but in a large cluster.
    if (
      summaries.some(
        ({ lacksComment, chains }) => lacksComment === true && chains.some((to) => rules.kindOf(to) === 'endpoint'),
      )
    )
      return [];
    const dispatched = [...(rules.chain('KUBE-SERVICES') ?? []), ...(rules.chain('KUBE-NODEPORTS') ?? [])].flatMap(
      ({ chains }) => chains,
    );
    const byMap = recordsOf(read.report, 'nftElements')
      .filter((record) => record.service === id && record.family === family)
      .flatMap(({ elements }) => chainsOfElements(elements));
    const jumpedTo = new Set([...summaries.flatMap(({ chains }) => chains), ...dispatched, ...byMap]);
    return held
      .filter((chain) => !jumpedTo.has(chain))
      .map((chain) => ({ name: chain, rules: (rules.chain(chain) ?? []).map(({ text }) => text) }));
  });
}

function chainsOfElements(elements: readonly unknown[]): string[] {
  return parseNftMapElements(elements).flatMap(({ verdict }) => chainOfVerdict(verdict));
}
