import { isSameAddress } from '../../net/address.ts';
import { afterLook, shellOn } from '../../api/command.ts';
import { restartKubeProxy } from '../checks/kube-proxy-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { frontendText } from '../checks/frontend-drift.ts';
import { onNodes } from '../checks/on-nodes.ts';

export const ipvsNoVip: FindingKind = {
  id: 'IPVS-NO-VIP',
  topic: 'rules',
  severity: 'error',
  condition:
    'A node in IPVS mode has a virtual server for an address of the Service, and does not have the address itself (kube-ipvs0): its packets are routed on, and never come to IPVS.',
  notReported:
    'Addresses without a virtual server (IPVS-VS-MISSING); NodePorts, which use the addresses of the node; where it was not read which addresses the node has.',
  source: 'pkg/proxy/ipvs/proxier.go syncService, bindAddr; kubernetes/kubernetes#65158',
  find: (facts) =>
    onNodes(facts, ({ node, isIpvs, frontends, facts: { read } }) => {
      const missing = isIpvs ? (read?.localAddresses?.missing ?? []) : [];
      const lost = frontends.filter(
        ({ frontend }) =>
          frontend.frontend !== 'NodePort' &&
          frontend.verdict !== 'None' &&
          frontend.verdict !== 'Unknown' &&
          missing.some((address) => isSameAddress(address, frontend.address)),
      );
      return [...Map.groupBy(lost, ({ frontend }) => frontend.address)].map(([address, each]) => ({
        message: `${node} has a virtual server for ${address}, and not the address itself: packets to ${each.map(({ frontend }) => frontendText(frontend)).join(', ')} do not come to IPVS.`,
        evidence: [
          `addresses of the Service that ${node} has: ${read?.localAddresses?.local.join(', ') || 'none'}`,
          ...each.flatMap(({ frontend: { entry } }) => (entry === undefined ? [] : [entry.rule])).slice(0, 1),
        ],
        ...afterLook(shellOn(node, 'ip', 'addr', 'show', 'dev', 'kube-ipvs0'), restartKubeProxy(node, facts.cluster)),
      }));
    }),
};
