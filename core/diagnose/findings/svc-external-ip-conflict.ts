import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { externalAddressesOfUse } from '../checks/external-address-use.ts';

export const svcExternalIpConflict: FindingKind = {
  id: 'SVC-EXTERNAL-IP-CONFLICT',
  topic: 'service',
  severity: 'warning',
  isLasting: true,
  condition:
    "An external address of the Service is in use in the cluster: it is another Service's cluster IP, or its external address on the same port, or a pod's or a node's address. Nodes are not asked for it, and nothing connects to it.",
  notReported:
    "An address that other Services have on other ports (SVC-EXTERNAL-IP-SHARED); a load balancer's address that is a node's, as its controller has made it; who has the address.",
  source: 'CVE-2020-8554; Service, "External IPs": Kubernetes does not manage them',
  find: (facts) =>
    externalAddressesOfUse(facts.desired, 'Taken').map((address) => ({
      where: `service/${facts.desired.name}`,
      message: `The external address ${address} of Service ${facts.desired.name} is in use in this cluster, so it is not the Service's own and nothing is said of it.`,
      evidence: [`${address} is the address of another Service, of a pod or of a node`],
      advice:
        'Give the Service an address that nobody has. The admission plugin DenyServiceExternalIPs refuses externalIPs altogether.',
      commands: [kubectl('-n', facts.desired.namespace, 'edit', `service/${facts.desired.name}`)],
    })),
};
