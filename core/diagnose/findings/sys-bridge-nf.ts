import { prefixContains } from '../../net/address.ts';
import { familyOf } from '../../net/family.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const sysBridgeNf: FindingKind = {
  id: 'SYS-BRIDGE-NF',
  topic: 'kernel-settings',
  severity: 'warning',
  isLasting: true,
  condition:
    "The node's pods are on a bridge, one of the Service's endpoints among them, and packets that stay on the bridge meet no rule (bridge-nf-call-iptables is 0, or br_netfilter is not loaded): an answer to a pod of the same node comes back with the endpoint's address, and is dropped.",
  notReported: "Bridges that have no address of the node's podCIDR (docker0); pod networks without a bridge.",
  source: 'kubernetes/kubernetes#20475; KubeSkoop, flannel; net/bridge/br_netfilter_hooks.c',
  find: ({ desired, nodes, cluster }) =>
    nodes.flatMap((node) => {
      const { read } = node;
      const podCIDRs = cluster?.nodes?.find(({ name }) => name === node.node)?.podCIDRs ?? [];
      if (read?.system === undefined || read.interfaces === undefined) return [];
      const endpoints = desired.endpointSlices
        .flatMap((slice) => slice.endpoints)
        .filter((endpoint) => endpoint.nodeName === node.node && endpoint.ready);
      for (const prefix of podCIDRs) {
        const family = familyOf(prefix);
        const bridge = read.interfaces.interfaces.find(
          (each) => each.bridge === true && each.addresses.some((address) => prefixContains(prefix, address) === true),
        );
        const local = endpoints.find(({ addresses }) =>
          addresses.some((address) => prefixContains(prefix, address) === true),
        );
        const setting = `net/bridge/bridge-nf-call-${family === 'IPv4' ? 'iptables' : 'ip6tables'}`;
        const value = read.system.sysctls[setting];
        if (bridge === undefined || local === undefined || value === '1') continue;
        return [
          onNode(node.node, {
            message: `On ${node.node}, a pod on ${bridge.name} cannot use the Service where the endpoint is on the same bridge: its answers meet no rule.`,
            evidence: [
              value === undefined
                ? `${setting.replaceAll('/', '.')} is not there: the module br_netfilter is not loaded`
                : `${setting.replaceAll('/', '.')} = ${value}`,
              `${bridge.name} has ${bridge.addresses.join(', ')}; endpoint ${local.addresses.join(', ')}`,
            ],
            advice: `Load br_netfilter on ${node.node}, and let packets on bridges meet the rules.`,
            commands: [
              shellOn(node.node, 'modprobe', 'br_netfilter'),
              shellOn(node.node, 'sysctl', '-w', `${setting.replaceAll('/', '.')}=1`),
            ],
          }),
        ];
      }
      return [];
    }),
};
