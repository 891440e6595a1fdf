import type { FindingKind } from '../checks/finding.ts';
import { externalAddressesOfUse } from '../checks/external-address-use.ts';

export const svcExternalIpShared: FindingKind = {
  id: 'SVC-EXTERNAL-IP-SHARED',
  topic: 'service',
  severity: 'info',
  isLasting: true,
  condition:
    "Other Services have an external address of this one too, on other ports, or it is a load balancer's and a node's: conntrack entries do not say whose they are, so that none to this address is shown.",
  notReported: 'An address that is taken (SVC-EXTERNAL-IP-CONFLICT).',
  source: 'conntrack entries have addresses and ports, and no name',
  find: ({ desired }) =>
    externalAddressesOfUse(desired, 'Shared').map((address) => ({
      where: `service/${desired.name}`,
      message: `Others have the external address ${address} of Service ${desired.name} too, so no conntrack entry to it is shown.`,
      evidence: [`${address} is an external address of other Services or of a node`],
      advice: 'Nothing is to be done where the address is shared on purpose.',
    })),
};
