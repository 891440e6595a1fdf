import { plural } from '../../lib/plural.ts';
import type { PodFacts } from '../../api/cluster-facts.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed } from '../checks/listed.ts';
import { livePods } from '../checks/selected-pods.ts';
import { declaredPortsText, servicePortText, targetPortName, targetPortOf } from '../checks/target-port.ts';
import { undeclaredPorts } from '../checks/undeclared-ports.ts';

export const svcTargetPortPartial: FindingKind = {
  id: 'SVC-TARGETPORT-PARTIAL',
  topic: 'service',
  severity: 'warning',
  otherSeverities: {
    error:
      'where conntrack holds connections to a number on such pods that nobody answered, or that were reset at once',
  },
  condition:
    'A port of the Service goes to a port that some of the selected pods lack: of a named one they get no traffic; of a number that they do not declare they most likely refuse it.',
  notReported:
    'Pods that are being deleted; headless Services; of a number, pods with a container that declares no port, and those of a workload that answered on it (conntrack, --connect).',
  source:
    'k8s.io/endpointslice utils.go FindPort: a pod without the name is put into an EndpointSlice without that port, and one without the number is an endpoint all the same',
  find: (facts) => {
    const { desired, cluster } = facts;
    if (desired.service.notProxied !== undefined) return [];
    const pods = livePods(cluster)?.filter(({ deletionTimestamp }) => deletionTimestamp === undefined) ?? [];
    const declarations = (without: readonly PodFacts[]): string[] =>
      listed(without.map((pod) => `pod ${pod.name} declares ${declaredPortsText(pod)}`));
    const advice = (what: string): string =>
      `Give every template of pods behind Service ${desired.name} ${what}, or make the selector narrower.`;
    const named = desired.service.ports.flatMap((port) => {
      const name = targetPortName(port);
      const without = name === undefined ? [] : pods.filter((pod) => targetPortOf(pod, port) === undefined);
      if (name === undefined || without.length === 0 || without.length === pods.length) return [];
      return [
        {
          where: `service/${desired.name}`,
          message: `${without.length} of ${plural(pods.length, 'pod')} ${without.length === 1 ? 'gets' : 'get'} no traffic of port ${servicePortText(port)}, because ${without.length === 1 ? 'it has' : 'they have'} no port named ${name} of protocol ${port.protocol}.`,
          evidence: [`targetPort: ${name}`, ...declarations(without)],
          advice: advice(`a port named ${name}`),
        },
      ];
    });
    const numbered = undeclaredPorts(facts).flatMap(({ port, target, without, isWhole, failures }) =>
      isWhole
        ? []
        : [
            {
              ...(failures.length === 0 ? {} : { severity: 'error' as const }),
              where: `service/${desired.name}`,
              message: `${without.length} of ${plural(pods.length, 'pod')} ${without.length === 1 ? 'does' : 'do'} not declare port ${String(target)}, to which port ${servicePortText(port)} of Service ${desired.name} leads: their share of the connections is refused where nothing listens there.`,
              evidence: [`targetPort: ${String(target)}`, ...declarations(without), ...listed(failures)],
              advice: advice(`the port ${String(target)}`),
            },
          ],
    );
    return [...named, ...numbered];
  },
};
