/** Where kube-proxy's chains are registered, and when their turn comes. */
import { natPriority, priorities, type Hook } from '../net/netfilter.ts';
import type { RecordOf } from '../wire/node-report.ts';
import type { NftBase } from '../nftables/table.ts';

/** Where a chain is registered at a hook of netfilter, and when its turn comes there. */
export interface RegisteredChain {
  readonly hook: Hook;
  /** The lower, the earlier. */
  readonly priority: number;
  readonly isNat: boolean;
  readonly isDropPolicy: boolean;
  readonly table: string;
  readonly chain: string;
}

function iptablesHook(hook: Hook, table: string, ...chains: readonly string[]): RegisteredChain[] {
  const priority = table === 'filter' ? priorities.filter : natPriority(hook);
  return chains.map((chain) => ({ hook, priority, isNat: table === 'nat', isDropPolicy: false, table, chain }));
}

/**
 * The chains that kube-proxy registers at netfilter's hooks, as far as a report of the iptables mode holds them
 * (pkg/proxy/iptables/proxier.go iptablesJumpChains, 1.37).
 */
export const kubeHooks: readonly RegisteredChain[] = [
  ...iptablesHook('prerouting', 'nat', 'PREROUTING'),
  ...iptablesHook('output', 'nat', 'OUTPUT'),
  ...iptablesHook('input', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'),
  ...iptablesHook('forward', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES'),
  ...iptablesHook('output', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES'),
  ...iptablesHook('postrouting', 'nat', 'KUBE-POSTROUTING'),
];

/** In the IPVS mode, nat and filter are read from their built-in chains on. */
export const builtInHooks: readonly RegisteredChain[] = [
  ...iptablesHook('prerouting', 'nat', 'PREROUTING'),
  ...iptablesHook('output', 'nat', 'OUTPUT'),
  ...iptablesHook('input', 'nat', 'INPUT'),
  ...iptablesHook('input', 'filter', 'INPUT'),
  ...iptablesHook('forward', 'filter', 'FORWARD'),
  ...iptablesHook('output', 'filter', 'OUTPUT'),
  ...iptablesHook('postrouting', 'nat', 'POSTROUTING'),
];

function nftHook(hook: Hook, priority: number, isNat: boolean, ...chains: readonly string[]): RegisteredChain[] {
  return chains.map((chain) => ({ hook, priority, isNat, isDropPolicy: false, table: 'kube-proxy', chain }));
}

const beforeNat = priorities.destinationNat - 10;
/** What the nftables mode registers where (pkg/proxy/nftables/proxier.go nftablesJumpChains and setupNFTables, 1.37). */
export const nftHooks: readonly RegisteredChain[] = [
  ...nftHook('prerouting', beforeNat, false, 'firewall-check'),
  ...nftHook('output', beforeNat, false, 'firewall-check'),
  ...nftHook('prerouting', priorities.destinationNat, true, 'nat-prerouting'),
  ...nftHook('output', priorities.destinationNat, true, 'nat-output'),
  ...nftHook('input', priorities.filter, false, 'nodeport-endpoints-check', 'service-endpoints-check'),
  ...nftHook('forward', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
  ...nftHook('output', priorities.filter, false, 'service-endpoints-check', 'cluster-ips-check'),
  ...nftHook('postrouting', priorities.sourceNat, true, 'masquerading'),
];

/** nat's built-in chains that were read; in a report of before they all were, kube-proxy's own chain stands for POSTROUTING. */
export function natHooksOf(records: readonly RecordOf<'hookChain'>[], isKubes: boolean): RegisteredChain[] {
  const read = builtInHooks.filter(
    ({ isNat, table, chain }) => isNat && records.some((record) => record.table === table && record.chain === chain),
  );
  const missing = isKubes
    ? kubeHooks.filter(({ isNat, hook }) => isNat && !read.some((each) => each.hook === hook))
    : [];
  return [...read, ...missing];
}

/** At the priority of iptables' nat, and of kube-proxy's own chains. */
export function isBesideNat(base: NftBase | undefined): boolean {
  return base?.type === 'nat' && base.priority === natPriority(base.hook);
}
