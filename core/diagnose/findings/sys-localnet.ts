import { prefixContains } from '../../net/address.ts';
import { familyOf } from '../../net/family.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const sysLocalnet: FindingKind = {
  id: 'SYS-LOCALNET',
  topic: 'kernel-settings',
  severity: 'warning',
  isLasting: true,
  condition:
    'kube-proxy of mode iptables is configured to serve node ports on 127.0.0.1, and route_localnet is 0: packets from there are dropped.',
  notReported:
    'Other modes, which do not use it; localhostNodePorts false; nodePortAddresses without the loopback network.',
  source: 'pkg/proxy/iptables/proxier.go NewProxier (route_localnet)',
  find: ({ desired, nodes }) => {
    const { ports, clusterIPs } = desired.service;
    if (
      !ports.some(({ nodePort }) => nodePort !== undefined && nodePort !== 0) ||
      !clusterIPs.some((address) => familyOf(address) === 'IPv4')
    )
      return [];
    return nodes.flatMap(({ node, read }) => {
      const config = read?.kubeProxy?.config;
      if (read?.kubeProxy?.proxyMode !== 'iptables' || config === undefined || config.localhostNodePorts === false)
        return [];
      const prefixes = config.nodePortAddresses;
      const hasLoopback =
        prefixes.length === 0 || prefixes.some((prefix) => prefixContains(prefix, '127.0.0.1') === true);
      if (!hasLoopback || read.system?.sysctls['net/ipv4/conf/all/route_localnet'] !== '0') return [];
      return [
        onNode(node, {
          message: `The Service's node ports do not answer on 127.0.0.1 of ${node}.`,
          evidence: [
            'net.ipv4.conf.all.route_localnet = 0',
            `localhostNodePorts ${config.localhostNodePorts ?? 'true by default'}, by 127.0.0.1:10249/configz`,
          ],
          advice: `Use the node's address, or set the sysctl on ${node}, as kube-proxy does when it starts.`,
          commands: [shellOn(node, 'sysctl', '-w', 'net.ipv4.conf.all.route_localnet=1')],
        }),
      ];
    });
  },
};
