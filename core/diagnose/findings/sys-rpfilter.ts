import { prefixContains, reachableAddresses } from '../../net/address.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const sysRpFilter: FindingKind = {
  id: 'SYS-RPFILTER',
  topic: 'kernel-settings',
  severity: 'info',
  isLasting: true,
  condition:
    'The Service takes packets from outside of the cluster, and a node with two or more outer interfaces checks strictly (rp_filter 1) that packets come in where their answers would go out: with another route back they are dropped.',
  notReported: 'Nodes with one outer interface; bridges; the loose check (2) and none (0).',
  source: 'ip-sysctl.rst rp_filter; KubeSkoop',
  find: ({ desired, nodes, cluster }) => {
    const { externalIPs, loadBalancerIPs, ports } = desired.service;
    if (
      externalIPs.length === 0 &&
      loadBalancerIPs.length === 0 &&
      !ports.some(({ nodePort }) => nodePort !== undefined && nodePort !== 0)
    )
      return [];
    return nodes.flatMap(({ node, read }) => {
      const sysctls = read?.system?.sysctls ?? {};
      const all = Number(sysctls['net/ipv4/conf/all/rp_filter'] ?? 0);
      const usual = Number(sysctls['net/ipv4/conf/default/rp_filter'] ?? 0);
      const podCIDRs = cluster?.nodes?.find(({ name }) => name === node)?.podCIDRs;
      // Without podCIDRs, the gateways of pods cannot be distinguished from outer interfaces.
      if (podCIDRs === undefined || podCIDRs.length === 0) return [];
      const isOfPods = (address: string): boolean =>
        podCIDRs.some((prefix) => prefixContains(prefix, address) === true);
      const outer = (read?.interfaces?.interfaces ?? []).filter(
        (each) =>
          each.bridge !== true &&
          each.name !== 'kube-ipvs0' &&
          reachableAddresses(each.addresses, 'IPv4').some((address) => !isOfPods(address)),
      );
      // The kernel takes the greater of both numbers (IN_DEV_RPFILTER), so that the loose check wins.
      const strict = outer.filter((each) => Math.max(all, each.rpFilter ?? usual) === 1);
      if (outer.length < 2 || strict.length === 0) return [];
      return [
        onNode(node, {
          message: `${node} drops packets to the Service that come in on another interface than their answers would take.`,
          evidence: strict.map(
            (each) =>
              `net.ipv4.conf.${each.name}.rp_filter is 1 (all: ${all}); ${each.name} has ${each.addresses.join(', ')}`,
          ),
          advice: `Nothing is to be done where each client has one way in and out. Otherwise set the loose check on ${node}.`,
          commands: [
            shellOn(
              node,
              'sysctl',
              '-w',
              ...strict.map((each) => `net.ipv4.conf.${each.name.replaceAll('.', '/')}.rp_filter=2`),
            ),
          ],
        }),
      ];
    });
  },
};
