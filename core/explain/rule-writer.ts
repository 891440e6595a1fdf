/** Which function of kube-proxy's source writes a rule, for those who want to read why. */
import { nftChainKind } from '../kube-proxy/chain-kinds.ts';
import { ipvsTable, readChainName } from '../api/chain-name.ts';
import type { ProxyMode } from '../kube-proxy/mode.ts';
import { builtInChainNames } from '../net/netfilter.ts';

export interface WrittenRule {
  readonly table: string;
  readonly chain: string;
  /** The rule jumps to the chain of one endpoint, or rewrites the destination itself. */
  readonly sendsTo: 'endpoint chain' | 'endpoint' | undefined;
  /** Target or chain that it jumps to. */
  readonly target: string | undefined;
}

/**
 * `writeServiceToEndpointRules in pkg/proxy/iptables/proxier.go`; undefined for a rule that is not kube-proxy's.
 * Sources: pkg/proxy/{iptables,nftables,ipvs}/proxier.go, 1.37.
 */
export function ruleWriter(mode: ProxyMode, rule: WrittenRule): string | undefined {
  const writer = mode === 'unknown' ? undefined : writers[mode](rule);
  return writer === undefined ? undefined : `${writer} in pkg/proxy/${mode}/proxier.go`;
}

const writers: Readonly<Record<Exclude<ProxyMode, 'unknown'>, (rule: WrittenRule) => string | undefined>> = {
  iptables: ({ chain, sendsTo, target }) => {
    if (builtInChainNames.has(chain))
      return target?.startsWith('KUBE-') === true ? 'syncProxyRules (iptablesJumpChains)' : undefined;
    if (!isKubeProxys(chain)) return undefined;
    return sendsTo === 'endpoint chain' ? 'writeServiceToEndpointRules' : 'syncProxyRules';
  },
  nftables: ({ table, chain, sendsTo }) => {
    if (readChainName({ table, name: chain }).kind === 'map') return 'syncProxyRules';
    const kind = nftChainKind(chain);
    if (kind === undefined) return 'setupNFTables';
    if (kind !== 'cluster' && kind !== 'local') return 'syncProxyRules';
    if (sendsTo === 'endpoint') return 'writeServiceToEndpointDNATs';
    return sendsTo === 'endpoint chain' ? 'writeServiceToEndpointJumps' : 'syncProxyRules';
  },
  ipvs: ({ table, chain, target }) => {
    if (table === ipvsTable) return 'syncEndpoint';
    if (builtInChainNames.has(chain))
      return target?.startsWith('KUBE-') === true ? 'createAndLinkKubeChain' : undefined;
    if (!isKubeProxys(chain)) return undefined;
    return chain === 'KUBE-SERVICES' && target === 'ACCEPT' ? 'acceptIPVSTraffic' : 'writeIptablesRules';
  },
};

/** The kubelet writes KUBE-FIREWALL and its canaries. */
function isKubeProxys(chain: string): boolean {
  return chain.startsWith('KUBE-') && chain !== 'KUBE-FIREWALL' && !chain.endsWith('-CANARY');
}
