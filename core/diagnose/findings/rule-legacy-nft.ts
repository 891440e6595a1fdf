import { recordsOf } from '../../wire/node-report.ts';
import { shellOn } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const ruleLegacyNft: FindingKind = {
  id: 'RULE-LEGACY+NFT',
  topic: 'rules',
  severity: 'warning',
  condition:
    "Both backends of iptables hold kube-proxy's rules (KUBE-SERVICES in nat) on one node: the kernel runs both, and kube-proxy keeps one of them up to date.",
  notReported:
    "Chains of kubelet's (KUBE-FIREWALL, KUBE-KUBELET-CANARY), and those of other programs, in the other backend.",
  source: 'kubernetes/kubernetes#109811, #71305',
  find: ({ nodes }) =>
    nodes.flatMap(({ node, read }) => {
      if (read === undefined) return [];
      const dispatch = recordsOf(read.report, 'iptablesChain').filter(
        ({ table, chain, absent }) => table === 'nat' && chain === 'KUBE-SERVICES' && !absent,
      );
      const proven = recordsOf(read.report, 'dispatchReferences').filter(({ table }) => table === 'nat');
      const families = (['IPv4', 'IPv6'] as const).filter((family) =>
        (['nf_tables', 'legacy'] as const).every((backend) =>
          [...dispatch, ...proven].some((record) => record.backend === backend && record.family === family),
        ),
      );
      const [first] = families;
      if (first === undefined) return [];
      const legacy = dispatch.find(({ backend, family }) => backend === 'legacy' && family === first);
      return [
        {
          where: `node/${node}`,
          node,
          message: `On ${node}, both iptables-nft and iptables-legacy hold kube-proxy's chains (${families.join(' and ')}): packets meet the rules of both.`,
          evidence: [
            'nf_tables: nat KUBE-SERVICES is there',
            'legacy: nat KUBE-SERVICES is there',
            ...(legacy?.lines ?? []).slice(0, 3).map((line) => `legacy: ${line}`),
          ],
          advice: `Find out which one kube-proxy on ${node} writes, by the version of iptables in its image, and remove the KUBE- chains of the other: by kube-proxy's --cleanup with that iptables, or a restart of the node.`,
          commands: [shellOn(node, 'iptables', '--version')],
        },
      ];
    }),
};
