/** The resolv.conf that a kubelet gives to a pod: pkg/kubelet/network/dns/dns.go, GetPodDNS, 1.37. */
import type { ClientFacts } from '../api/cluster-facts.ts';
import type { ResolvConf } from './resolv-conf.ts';

/** What a kubelet makes a pod's resolv.conf from. */
export type PodDns = Pick<ClientFacts, 'hostNetwork' | 'dnsPolicy' | 'dnsConfig'> & { readonly namespace: string };

export interface PodResolvConf extends ResolvConf {
  /** Whether it is the cluster's DNS, the node's or the pod's own words that it begins with. */
  readonly base: 'cluster' | 'node' | 'none';
  /** The node's own resolv.conf is a part of it, and is not known: nameservers (base node) and searches are then not whole. */
  readonly isPartial: boolean;
}

/** dns.go: defaultDNSOptions, and what formDNSConfigFitsLimits cuts. */
const clusterOptions = ['ndots:5'];
const maxNameservers = 3;
const maxSearches = 32;

/**
 * @param clusterDns the kubelet's clusterDNS: the cluster IPs of the DNS Service, as installers set it
 * @param node the node's own, where its probe read it
 */
export function podResolvConf(
  client: PodDns,
  clusterDns: readonly string[],
  clusterDomain: string,
  node: ResolvConf | undefined,
): PodResolvConf {
  const base = baseOf(client);
  const start = ((): ResolvConf => {
    switch (base) {
      case 'none':
        return { nameservers: [], searches: [], options: [] };
      case 'cluster':
        return {
          nameservers: clusterDns,
          searches: [
            `${client.namespace}.svc.${clusterDomain}`,
            `svc.${clusterDomain}`,
            clusterDomain,
            ...(node?.searches ?? []),
          ],
          options: clusterOptions,
        };
      case 'node':
        return node ?? { nameservers: [], searches: [], options: [] };
    }
  })();
  const own = client.dnsConfig;
  return {
    base,
    isPartial: base !== 'none' && node === undefined,
    nameservers: unique([...start.nameservers, ...(own?.nameservers ?? [])]).slice(0, maxNameservers),
    searches: unique([
      ...start.searches,
      ...(own?.searches ?? []).map((search) => search.replace(/(.)\.$/, '$1')),
    ]).slice(0, maxSearches),
    options: mergeOptions(start.options, own?.options ?? []),
  };
}

/** getPodDNSType: ClusterFirst of a pod in its node's network is Default. */
function baseOf({ dnsPolicy, hostNetwork }: PodDns): PodResolvConf['base'] {
  if (dnsPolicy === 'None') return 'none';
  if (dnsPolicy === 'Default' || (dnsPolicy === 'ClusterFirst' && hostNetwork)) return 'node';
  return 'cluster';
}

/** One of each name; the pod's word replaces the kubelet's. */
function mergeOptions(first: readonly string[], own: readonly string[]): string[] {
  const byName = new Map([...first, ...own].map((option) => [option.split(':')[0] ?? option, option]));
  return [...byName.values()];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
