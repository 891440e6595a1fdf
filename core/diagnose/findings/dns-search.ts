import { serviceDomain } from '../../dns/names.ts';
import { askedNames } from '../../dns/resolv-conf.ts';
import { asksClusterDns, clientResolvConf, sourceTexts } from '../checks/client-resolv-conf.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dnsSearch: FindingKind = {
  id: 'DNS-SEARCH',
  topic: 'dns',
  severity: 'error',
  isLasting: true,
  condition:
    "The client's resolv.conf does not name the cluster's DNS as a server, or none of its search domains makes the Service's full name of its short one.",
  notReported:
    "A client whose dnsPolicy gives it the node's DNS, which DNS-POLICY reports; a resolv.conf of which a part is not known; a link-local server (NodeLocal DNSCache).",
  source: 'Debug Services, "Does the Service work by DNS name?"; pkg/kubelet/network/dns/dns.go',
  find: (facts) => {
    const known = clientResolvConf(facts);
    if (known === undefined || known.base === 'node') return [];
    const { client, conf, source, clusterDns, clusterDomain } = known;
    const { desired } = facts;
    const full = serviceDomain(desired, clusterDomain);
    const asked = askedNames(conf, desired.name);
    const isForeign = !asksClusterDns(known);
    const isLost = !asked.includes(full);
    if (!isForeign && !isLost) return [];
    return [
      {
        where: `pod/${client.pod}`,
        message: isForeign
          ? `Pod ${client.pod} asks ${conf.nameservers.join(', ') || 'no server'} for names, and not the cluster's DNS at ${clusterDns.join(', ')}.`
          : `Pod ${client.pod} never asks for ${full} when it looks up ${desired.name}: its search path is ${conf.searches.join(' ') || 'empty'}.`,
        evidence: [
          `resolv.conf, ${sourceTexts[source]}: nameserver ${conf.nameservers.join(' ') || '-'}; search ${conf.searches.join(' ') || '-'}; options ${conf.options.join(' ') || '-'}`,
          `the name ${desired.name} is asked as: ${asked.join(', ')}`,
        ],
        advice: `The pod's dnsPolicy and dnsConfig say what it is given. Where dnsPolicy is ClusterFirst, look at clusterDNS and clusterDomain in the kubelet's configuration${client.node === undefined ? '' : ` on ${client.node}`}.`,
        commands: [
          kubectl(
            '-n',
            client.namespace,
            'get',
            `pod/${client.pod}`,
            '-o',
            'jsonpath={.spec.dnsPolicy} {.spec.dnsConfig}',
          ),
        ],
      },
    ];
  },
};
