import type { PodFacts } from '../../api/cluster-facts.ts';
import type { ServicePortStatus } from '../../api/service-trace.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { livePods } from '../checks/selected-pods.ts';
import { containerPorts, declaredPortsText, servicePortText, targetPortName } from '../checks/target-port.ts';

export const svcProto: FindingKind = {
  id: 'SVC-PROTO',
  topic: 'service',
  severity: 'warning',
  isLasting: true,
  condition: 'A port of the Service has another protocol than the one in which its pods declare the target port.',
  notReported:
    'Target ports that no pod declares, since a declaration is not needed; a number that another port of the Service uses in the declared protocol, as HTTP/3 beside HTTP/2.',
  source: 'Debug Services, "Is the Service defined correctly?"',
  find: ({ desired, cluster }) => {
    const pods = livePods(cluster) ?? [];
    const { ports } = desired.service;
    return ports.flatMap((port) => {
      const declared = new Set(pods.flatMap((pod) => declaredProtocols(pod, port)));
      if (declared.size === 0 || declared.has(port.protocol)) return [];
      const target = port.targetPort ?? String(port.port);
      if (
        ports.some(
          (other) =>
            other !== port && declared.has(other.protocol) && (other.targetPort ?? String(other.port)) === target,
        )
      )
        return [];
      return [
        {
          where: `service/${desired.name}`,
          message: `Port ${servicePortText(port)} of Service ${desired.name} goes to ${target} over ${port.protocol}, and its pods declare that port as ${[...declared].join(' and ')}.`,
          evidence: listed(
            pods
              .filter((pod) => declaredProtocols(pod, port).length > 0)
              .map((pod) => `pod ${pod.name} declares ${declaredPortsText(pod)}`),
          ),
          advice: `Set the protocol of the Service's port, or declare the port as ${port.protocol} in the pods' template.`,
          commands: [kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`)],
        },
      ];
    });
  },
};

function declaredProtocols(pod: PodFacts, port: ServicePortStatus): ServicePortStatus['protocol'][] {
  const name = targetPortName(port);
  const number = Number(port.targetPort ?? port.port);
  return containerPorts(pod)
    .filter((declared) => (name === undefined ? declared.port === number : declared.name === name))
    .map(({ protocol }) => protocol);
}
