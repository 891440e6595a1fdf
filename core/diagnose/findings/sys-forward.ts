import type { NodeFacts } from '../../program/node-facts.ts';
import { reachableAddresses } from '../../net/address.ts';
import { familyOf, type Family } from '../../net/family.ts';
import { shellOn } from '../../api/command.ts';
import { onNode, type FindingKind } from '../checks/finding.ts';

export const sysForward: FindingKind = {
  id: 'SYS-FORWARD',
  topic: 'kernel-settings',
  severity: 'error',
  isLasting: true,
  condition:
    "A node does not forward packets of a family that the Service has, at all or from an interface with an address that others reach it on: what is sent to the Service's endpoints stops there.",
  notReported: 'Families that the Service does not have; a node where another datapath serves Services.',
  source: 'ip-sysctl.rst ip_forward, conf/*/forwarding; KubeSkoop',
  find: ({ desired, nodes }) => {
    if (desired.service.notProxied !== undefined) return [];
    const families = [...new Set(desired.service.clusterIPs.map(familyOf))];
    return nodes.flatMap((node) => {
      if (node.read?.datapath?.replacesKubeProxy === true) return [];
      const off = families.flatMap((family) => settingsOff(node, family));
      if (off.length === 0) return [];
      return [
        onNode(node.node, {
          message: `${node.node} does not forward packets: those to and from the Service's endpoints stop there.`,
          evidence: off.map((name) => `${name} = 0`),
          advice: `Let ${node.node} forward packets, now and in /etc/sysctl.d.`,
          commands: [shellOn(node.node, 'sysctl', '-w', ...off.map((name) => `${name}=1`))],
        }),
      ];
    });
  },
};

/** The settings that are 0, by sysctl's names; those of interfaces only where the node as a whole forwards. */
function settingsOff({ read }: NodeFacts, family: Family): string[] {
  const sysctls = read?.system?.sysctls;
  if (sysctls === undefined) return [];
  const [whole, name] =
    family === 'IPv4'
      ? (['net/ipv4/ip_forward', 'ipv4'] as const)
      : (['net/ipv6/conf/all/forwarding', 'ipv6'] as const);
  if (sysctls[whole] === '0') return [whole.replaceAll('/', '.')];
  const usual = sysctls[`net/${name}/conf/default/forwarding`];
  return (read?.interfaces?.interfaces ?? [])
    .filter(({ addresses }) => reachableAddresses(addresses, family).length > 0)
    .filter(({ forwarding }) => (forwarding?.[family] === undefined ? usual === '0' : forwarding[family] === 0))
    .map((each) => `net.${name}.conf.${each.name.replaceAll('.', '/')}.forwarding`);
}
