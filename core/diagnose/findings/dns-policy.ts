import { asksClusterDns, clientResolvConf, sourceTexts } from '../checks/client-resolv-conf.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsPolicy: FindingKind = {
  id: 'DNS-POLICY',
  topic: 'dns',
  severity: 'warning',
  isLasting: true,
  condition:
    "The client's dnsPolicy (Default, or ClusterFirst in its node's network) gives it the node's DNS, which does not know the names of Services.",
  notReported: "A client whose own dnsConfig, or whose node, names the cluster's DNS.",
  source: 'pkg/kubelet/network/dns/dns.go, getPodDNSType',
  find: (facts) => {
    const known = clientResolvConf(facts);
    if (known === undefined || known.base !== 'node' || asksClusterDns(known)) return [];
    const { client, conf, source, isPartial } = known;
    const policy = `dnsPolicy ${client.dnsPolicy ?? 'ClusterFirst'}${client.hostNetwork ? " and its node's network" : ''}`;
    return [
      {
        where: `pod/${client.pod}`,
        message: `Pod ${client.pod} has ${policy}, so it asks the node's DNS, and not the cluster's, for ${facts.desired.name}.`,
        evidence: [
          policy,
          `resolv.conf, ${sourceTexts[source]}: nameserver ${conf.nameservers.join(' ') || (isPartial ? "the node's, not known" : '-')}`,
        ],
        advice: client.hostNetwork
          ? 'Set dnsPolicy: ClusterFirstWithHostNet in the pod.'
          : 'Set dnsPolicy: ClusterFirst in the pod, or leave it out.',
      },
    ];
  },
};
