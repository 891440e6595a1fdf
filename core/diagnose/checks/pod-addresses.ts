/** An address that a pod of a node could have. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { parseNetwork, addressText } from '../../net/address.ts';
import { familyOf, type Family } from '../../net/family.ts';
import type { NodeFacts } from '../../program/node-facts.ts';
import { kubeProxyConfigOf } from './kube-proxy-config-of.ts';

/**
 * An address within the node's pod ranges (within kube-proxy's clusterCIDR, where the Node object has no range), by the
 * numbers the last one but one: hardly any pod has it, and it need not.
 */
export function podAddress(facts: NodeFacts, cluster: ClusterFacts | undefined, family: Family): string | undefined {
  if (!knowsPods(facts, cluster, family)) return undefined;
  const ranges = [
    ...(cluster?.nodes?.find(({ name }) => name === facts.node)?.podCIDRs ?? []),
    ...(kubeProxyConfigOf(facts, cluster)?.config.clusterCIDRs ?? []),
  ];
  return lastButOne(ranges.find((prefix) => familyOf(prefix) === family));
}

/** Whether kube-proxy is configured to recognize packets from pods, so that it masquerades others that go to a cluster IP. */
export function knowsPods(node: NodeFacts, cluster: ClusterFacts | undefined, family: Family): boolean {
  const config = kubeProxyConfigOf(node, cluster)?.config;
  if (config === undefined || (config.detectLocalMode ?? 'ClusterCIDR') !== 'ClusterCIDR') return false;
  return config.clusterCIDRs.some((prefix) => familyOf(prefix) === family);
}

/** Whether kube-proxy is configured to serve node ports on some of the node's addresses alone; the nftables mode's own default counts as all. */
export function limitsNodePorts(node: NodeFacts, cluster: ClusterFacts | undefined): boolean {
  return (kubeProxyConfigOf(node, cluster)?.config.nodePortAddresses ?? []).some((each) => each !== 'primary');
}

/** Of the range's addresses the last one but one. */
export function lastButOne(range: string | undefined): string | undefined {
  const network = range === undefined ? undefined : parseNetwork(range);
  return network === undefined
    ? undefined
    : addressText((network.network | (((1n << BigInt(network.bits)) - 1n) ^ network.mask)) - 1n, network.bits);
}
