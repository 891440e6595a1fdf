/** What is the same for all frontends of one family of a Service on a node, compared with what kube-proxy writes. */
import type { Leaf } from '../../evaluate/walk.ts';
import { masqueradeChains } from '../../kube-proxy/chain-kinds.ts';
import type { Family } from '../../net/family.ts';
import type { NodeRules } from '../../program/node-rules.ts';
import type { ProxyMode } from '../../kube-proxy/mode.ts';
import { orderFault, type OrderFault } from './chain-order.ts';
import type { Walked } from './walked-frontend.ts';

/** What is the same for all frontends of a family. */
export interface FamilyCheck {
  readonly family: Family;
  readonly rules: NodeRules;
  /** Chains of nat that do not lead packets to kube-proxy's dispatch chain, with what they hold. */
  readonly missingJumps: readonly {
    readonly hook: 'PREROUTING' | 'OUTPUT';
    readonly chain: string;
    readonly dispatch: string;
    readonly holds: readonly string[];
  }[];
  readonly orderFaults: readonly OrderFault[];
}

/** @param walked the frontends of the family */
export function checkFamily(
  family: Family,
  rules: NodeRules,
  proxyMode: ProxyMode,
  walked: readonly Walked[],
): FamilyCheck {
  const chains = [...new Set(walked.flatMap(({ chains: reached }) => reached)), ...masqueradeChains];
  return {
    family,
    rules,
    // Virtual servers are reached without a jump.
    missingJumps:
      proxyMode === 'ipvs'
        ? []
        : missingJumps(
            rules,
            proxyMode === 'nftables',
            walked.flatMap(({ outside, fromNode }) => [...outside, ...fromNode]),
          ),
    orderFaults: chains.flatMap((chain) => orderFault(rules, chain) ?? []),
  };
}

const nftablesHookChains = { PREROUTING: 'nat-prerouting', OUTPUT: 'nat-output' } as const;

/** In both modes, nat's chains of the two hooks lead every packet to one chain. */
function missingJumps(rules: NodeRules, isNftables: boolean, leaves: readonly Leaf[]): FamilyCheck['missingJumps'] {
  const dispatch = isNftables ? 'services' : 'KUBE-SERVICES';
  return (['PREROUTING', 'OUTPUT'] as const).flatMap((hook) => {
    const chain = isNftables ? nftablesHookChains[hook] : hook;
    const summaries = rules.chain(chain);
    if (summaries === undefined && !isNftables) return [];
    if (summaries?.some(({ chains }) => chains.includes(dispatch)) === true) return [];
    // Another rule may lead there in its place; only packets of PREROUTING can have come from the other hook.
    const isJumpedToElsewhere =
      hook === 'PREROUTING' && leaves.some(({ path }) => path.some((step) => step.chain === dispatch));
    return isJumpedToElsewhere && summaries !== undefined && summaries.length > 0
      ? []
      : [{ hook, chain, dispatch, holds: (summaries ?? []).map(({ text }) => text) }];
  });
}
