import type { FindingKind } from '../finding.ts';
import { expectedAddresses } from '../expected-addresses.ts';

export const dnsWrongIp: FindingKind = {
  id: 'DNS-WRONG-IP',
  severity: 'error',
  condition: "The cluster's DNS answers the Service's name with other addresses than its cluster IPs (for a headless Service, its endpoints).",
  source: 'Debug Services, "Does the Service work by DNS name?"; Kubernetes DNS-Based Service Discovery',
  find: ({ desired, nodes }) =>
    nodes.flatMap((node) => {
      const dns = node.read?.dns;
      const expected = expectedAddresses(desired);
      if (dns === undefined || dns.error !== undefined || expected === undefined) return [];
      const missing = expected.filter((address) => !dns.answers.includes(address));
      const extra = dns.answers.filter((address) => !expected.includes(address));
      if (missing.length === 0 && extra.length === 0) return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${dns.server}, asked from ${node.node}, answers ${dns.name} with ${dns.answers.join(', ') || 'nothing'} instead of ${expected.join(', ')}.`,
          evidence: [`answer: ${dns.answers.join(', ') || 'none'}`, `expected: ${expected.join(', ')}`],
          advice: 'kubectl -n kube-system logs -l k8s-app=kube-dns shows whether CoreDNS still follows the API server; a cache holds old answers for 30 s',
        },
      ];
    }),
};
