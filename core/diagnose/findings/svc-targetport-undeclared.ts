import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { whereOf } from '../checks/selected-pods.ts';
import { declaredPortsText, servicePortText } from '../checks/target-port.ts';
import { undeclaredPorts } from '../checks/undeclared-ports.ts';

export const svcTargetPortUndeclared: FindingKind = {
  id: 'SVC-TARGETPORT-UNDECLARED',
  topic: 'service',
  severity: 'warning',
  otherSeverities: {
    error: 'where conntrack holds connections to it that nobody answered, or that were reset at once',
  },
  condition:
    'A port of the Service goes to a port number that none of its pods declares, though all their containers declare ports: most likely nothing listens there.',
  notReported:
    'Pods with a container that declares no port, for a declaration is not needed to listen; a port on which a pod of the same workload answered (conntrack, --connect); a number that is declared in another protocol (SVC-PROTO); headless Services; a number that some of the pods declare (SVC-TARGETPORT-PARTIAL).',
  source:
    'Debug Services, "Is the Service defined correctly?"; core/v1 ContainerPort ("not specifying a port here DOES NOT prevent that port from being exposed")',
  find: (facts) =>
    undeclaredPorts(facts).flatMap(({ port, target, pods, without, isWhole, failures }) => {
      if (!isWhole) return [];
      const { desired } = facts;
      return [
        {
          ...(failures.length === 0 ? {} : { severity: 'error' as const }),
          where: whereOf([], desired),
          message: `Port ${servicePortText(port)} of Service ${desired.name} goes to port ${String(target)} of its pods, and none of its ${plural(pods.length, 'pod')} declares that port: connections are refused where nothing listens there.`,
          evidence: [
            `targetPort: ${String(target)}`,
            ...listed(without.map((pod) => `pod ${pod.name} declares ${declaredPortsText(pod)}`)),
            ...listed(failures),
          ],
          advice:
            'Compare targetPort with the port that the program listens on, and set it. The active check (--connect) shows whether the port is open.',
          commands: [
            kubectl('svctrace', desired.name, '-n', desired.namespace, '--connect'),
            kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`),
          ],
        },
      ];
    }),
};
