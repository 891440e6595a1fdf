import { prefixContains } from '../../net/address.ts';
import { familyOf } from '../../net/family.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';
import { kubeProxyConfigOf, sourceText } from '../checks/kube-proxy-config-of.ts';

export const kpNodePortAddr: FindingKind = {
  id: 'KP-NODEPORT-ADDR',
  topic: 'kube-proxy',
  severity: 'warning',
  isLasting: true,
  condition:
    "The Service has a node port, and kube-proxy's nodePortAddresses leaves out an InternalIP of the node: nobody serves the port there.",
  notReported:
    'An empty list, and the word primary, which serve the InternalIP in every mode; families that the Service does not have.',
  source: 'pkg/proxy/util/nodeport_addresses.go; pkg/proxy/nftables/README.md (default primary)',
  find: ({ desired, nodes, cluster }) => {
    if (!desired.service.ports.some(({ nodePort }) => nodePort !== undefined && nodePort !== 0)) return [];
    const families = new Set(desired.service.clusterIPs.map(familyOf));
    return nodes.flatMap((node) => {
      const own = kubeProxyConfigOf(node, cluster);
      const prefixes = own?.config.nodePortAddresses ?? [];
      if (own === undefined || prefixes.length === 0 || prefixes.includes('primary')) return [];
      const internal = cluster?.nodes?.find(({ name }) => name === node.node)?.internalIPs ?? [];
      const left = internal.filter(
        (address) =>
          families.has(familyOf(address)) && !prefixes.some((prefix) => prefixContains(prefix, address) === true),
      );
      if (left.length === 0) return [];
      return [
        onNode(node.node, {
          message: `The Service's node ports are not served on ${left.join(', ')} of ${node.node}.`,
          evidence: [`nodePortAddresses: ${prefixes.join(', ')}, by ${sourceText(own)}`],
          advice: "Where this is not meant, add the node's network to nodePortAddresses in kube-proxy's configuration.",
        }),
      ];
    });
  },
};
