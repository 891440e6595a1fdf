import { maxExternalAddresses } from '../../api/external-addresses.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { externalAddressesOfUse } from '../checks/external-address-use.ts';
import { listed } from '../checks/listed.ts';

export const svcExternalIpMany: FindingKind = {
  id: 'SVC-EXTERNAL-IP-MANY',
  topic: 'service',
  severity: 'info',
  isLasting: true,
  condition: `The Service has more than ${String(maxExternalAddresses)} external addresses: nodes are asked for the first of them.`,
  source: 'this project: what one Service costs a node is bounded',
  find: ({ desired }) => {
    const beyond = externalAddressesOfUse(desired, 'Beyond');
    if (beyond.length === 0) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `Service ${desired.name} has ${String(beyond.length + maxExternalAddresses)} external addresses; nodes were asked for the first ${String(maxExternalAddresses)}, and nothing is said of the others.`,
        evidence: listed(beyond.map((address) => `not asked for: ${address}`)),
        advice: 'Split the Service.',
        commands: [kubectl('-n', desired.namespace, 'get', `service/${desired.name}`, '-o', 'yaml')],
      },
    ];
  },
};
