import { prefixContains } from '../../net/address.ts';
import { familyOf } from '../../net/family.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const svcLbRanges: FindingKind = {
  id: 'SVC-LB-RANGES',
  topic: 'service',
  severity: 'warning',
  isLasting: true,
  condition:
    "spec.loadBalancerSourceRanges leaves out the client of spec.from: what it sends to the load balancer's address is dropped.",
  notReported:
    'Pods and nodes of the cluster, which use the cluster IP; without spec.from, since a range is there to leave somebody out.',
  source: 'pkg/proxy/iptables/proxier.go KUBE-FW; pkg/proxy/nftables/README.md firewall-ips',
  find: ({ desired, from }) => {
    const { loadBalancerSourceRanges: ranges = [], loadBalancerIPs, type } = desired.service;
    if (
      type !== 'LoadBalancer' ||
      ranges.length === 0 ||
      from === undefined ||
      from.pod !== undefined ||
      from.node !== undefined
    )
      return [];
    return from.addresses.flatMap((address) => {
      const targets = loadBalancerIPs.filter((target) => familyOf(target) === familyOf(address));
      // A range that cannot be read is not a reason to say that it leaves somebody out.
      if (targets.length === 0 || ranges.some((range) => prefixContains(range.trim(), address) !== false)) return [];
      return [
        {
          where: `service/${desired.name}`,
          message: `What ${address} sends to ${targets.join(', ')} is dropped, because it is in none of the loadBalancerSourceRanges of Service ${desired.name}.`,
          evidence: [`loadBalancerSourceRanges: ${ranges.join(', ')}`],
          advice: "Add the client's range.",
          commands: [kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`)],
        },
      ];
    });
  },
};
