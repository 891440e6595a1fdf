import type { FindingKind } from '../finding.ts';

export const dnsDown: FindingKind = {
  id: 'DNS-DOWN',
  severity: 'error',
  condition: "The cluster's DNS does not answer a node, or refuses.",
  source: 'Debug Services, "Does the Service work by DNS name?"',
  find: ({ nodes }) =>
    nodes.flatMap((node) => {
      const dns = node.read?.dns;
      if (dns?.error === undefined || dns.error === 'ENOTFOUND' || dns.error === 'ENODATA') return [];
      return [
        {
          where: `node/${node.node}`,
          node: node.node,
          message: `DNS at ${dns.server} does not answer ${node.node}.`,
          evidence: [`the question ${dns.name} ended with ${dns.error}`],
          advice: 'kubectl svctrace kube-dns -n kube-system traces the DNS Service itself',
        },
      ];
    }),
};
