import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const npEgressDns: FindingKind = {
  id: 'NP-EGRESS-DNS',
  topic: 'network-policies',
  severity: 'error',
  isLasting: true,
  condition:
    'NetworkPolicies isolate the egress of the pod of spec.from and no rule of theirs has port 53/UDP, so it cannot ask the DNS for the name of the Service.',
  notReported:
    'Where a rule has that port for any peer, or a port by its name; pods of the host network. A network plugin that does not enforce policies lets the packets through all the same.',
  source: 'Kubernetes, "Network Policies": default deny all egress traffic',
  find: ({ desired, cluster }) => {
    const client = cluster?.client;
    const policies = client?.egressPolicies ?? [];
    if (client === undefined || client.hostNetwork || policies.length === 0) return [];
    const hasDns = policies.some(({ egress }) =>
      egress.some(
        ({ ports }) =>
          ports.length === 0 ||
          ports.some(
            ({ protocol, port, endPort }) =>
              protocol === 'UDP' &&
              (typeof port !== 'number' || port === 53 || (port < 53 && endPort !== undefined && endPort >= 53)),
          ),
      ),
    );
    if (hasDns) return [];
    const names = policies.map(({ name }) => `networkpolicy/${name}`).join(', ');
    return [
      {
        where: `pod/${client.pod}`,
        message: `NetworkPolicies do not let pod ${client.pod} ask any DNS server, so it cannot find Service ${desired.name} by its name.`,
        evidence: [`${names} isolate what leaves the pod, and no rule of theirs has 53/UDP`],
        advice: 'Add an egress rule for ports 53/UDP and 53/TCP to the pods of kube-dns in kube-system.',
        commands: policies
          .slice(0, 1)
          .map(({ name }) => kubectl('-n', desired.namespace, 'edit', `networkpolicy/${name}`)),
      },
    ];
  },
};
