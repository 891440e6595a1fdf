import type { FindingKind } from '../finding.ts';
import { expectedAddresses } from '../expected-addresses.ts';

export const dnsNxdomain: FindingKind = {
  id: 'DNS-NXDOMAIN',
  severity: 'error',
  condition: "The cluster's DNS says that the Service's name does not exist, or has no address.",
  notReported: 'A headless Service without a ready endpoint, which has no name; ExternalName Services.',
  source: 'Debug Services, "Does the Service work by DNS name?"',
  find: ({ desired, nodes }) =>
    nodes.flatMap((node) => {
      const dns = node.read?.dns;
      const expected = expectedAddresses(desired);
      if (dns === undefined || expected === undefined || expected.length === 0) return [];
      if (dns.error !== 'ENOTFOUND' && dns.error !== 'ENODATA') return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${dns.server}, asked from ${node.node}, does not know ${dns.name}.`,
          evidence: [`answer: ${dns.error}`, `expected: ${expected.join(', ')}`],
          advice: 'kubectl -n kube-system logs -l k8s-app=kube-dns; the cluster domain may be another than cluster.local',
        },
      ];
    }),
};
