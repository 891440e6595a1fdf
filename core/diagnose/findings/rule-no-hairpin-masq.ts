import { hostPort, isSameAddress } from '../../address.ts';
import { restartKubeProxy } from '../kube-proxy-advice.ts';
import type { FindingKind } from '../finding.ts';
import { frontendText } from '../frontend-drift.ts';
import { isSent, leavingBranches, markedBy } from '../node-check.ts';
import { onNodes } from '../on-nodes.ts';

export const ruleNoHairpinMasq: FindingKind = {
  id: 'RULE-NO-HAIRPIN-MASQ',
  severity: 'warning',
  condition: "Packets of an endpoint to the Service that come back to itself keep its address as their source: the endpoint answers itself directly, and the connection hangs.",
  notReported: "Endpoints on other nodes, whose own rules do it; endpoints on the node's own address.",
  source: 'Debug Services, "A Pod fails to reach itself via the Service IP"; pkg/proxy/iptables/proxier.go ("Handle traffic that loops back to the originator with SNAT")',
  find: (facts) =>
    onNodes(facts, (check) =>
      check.frontends.filter(({ frontend, explainedBy }) => frontend.frontend === 'ClusterIP' && explainedBy === undefined && frontend.verdict === 'DNAT').flatMap(({ frontend, desired, family, destination }) => {
        if (family === undefined || destination === undefined || check.families.some(({ orderFaults }) => orderFaults.length > 0)) return [];
        const lost = desired.filter(({ nodeName }) => nodeName === check.node).filter(({ address, port }) => {
          const { leaves } = family.rules.walk({ source: address, destination, destinationPort: frontend.port, protocol: frontend.protocol, entersAt: 'PREROUTING' });
          return leavingBranches(check, leaves).some((leaf) => isSent(leaf) && !leaf.masquerade && markedBy(leaf) === undefined && leaf.dnat?.port === port && isSameAddress(leaf.dnat.address, address));
        });
        if (lost.length === 0) return [];
        return [
          {
            message: `On ${check.node}, ${lost.map(({ address, port }) => hostPort(address, port)).join(', ')} cannot reach ${frontend.dnatTargets.length === 1 ? 'itself' : 'itself among others'} by ${frontendText(frontend)}: its packets are not masqueraded when they come back to it.`,
            evidence: frontend.dnatTargets.filter(({ address }) => lost.some((each) => each.address === address)).map(({ address, by }) => `no rule masquerades packets from ${address} to itself${by === undefined ? '' : `; it is reached by ${by.rule}`}`),
            ...restartKubeProxy(check.node, facts.cluster),
          },
        ];
      }),
    ),
};
