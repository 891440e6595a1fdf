import { plural } from '../../lib/plural.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { livePods, whereOf } from '../checks/selected-pods.ts';
import { declaredPortsText, servicePortText, targetPortName, targetPortOf } from '../checks/target-port.ts';

export const svcTargetPortName: FindingKind = {
  id: 'SVC-TARGETPORT-NAME',
  topic: 'service',
  severity: 'error',
  condition:
    'A port of the Service goes to a named port that no selected pod has in that protocol, so the port has no endpoint.',
  notReported:
    'Headless Services, whose clients choose the port; a name that some of the pods have (SVC-TARGETPORT-PARTIAL).',
  source: 'Debug Services, "Is the Service defined correctly?"; k8s.io/endpointslice utils.go FindPort',
  find: ({ desired, cluster }) => {
    const pods = livePods(cluster)?.filter(({ deletionTimestamp }) => deletionTimestamp === undefined) ?? [];
    if (pods.length === 0 || desired.service.notProxied !== undefined) return [];
    return desired.service.ports.flatMap((port) => {
      const name = targetPortName(port);
      if (name === undefined || pods.some((pod) => targetPortOf(pod, port) !== undefined)) return [];
      return [
        {
          where: whereOf([], desired),
          message: `Port ${servicePortText(port)} of Service ${desired.name} has no endpoint: none of its ${plural(pods.length, 'pod')} has a port named ${name} of protocol ${port.protocol}.`,
          evidence: [
            `targetPort: ${name}`,
            ...listed(pods.map((pod) => `pod ${pod.name} declares ${declaredPortsText(pod)}`)),
          ],
          advice: `Name the container's port ${name} in the pods' template, or set the Service's targetPort.`,
          commands: [kubectl('-n', desired.namespace, 'edit', `service/${desired.name}`)],
        },
      ];
    });
  },
};
