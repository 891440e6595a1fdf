import type { FindingKind } from '../finding.ts';
import { listed } from '../listed.ts';
import { livePods } from '../selected-pods.ts';
import { declaredPortsText, servicePortText, targetPortName, targetPortOf } from '../target-port.ts';

export const svcTargetPortPartial: FindingKind = {
  id: 'SVC-TARGETPORT-PARTIAL',
  severity: 'warning',
  condition: 'A port of the Service leads to a named port that some of the selected pods lack, so they get no traffic of that port.',
  notReported: 'Pods that are being deleted; headless Services.',
  source: 'k8s.io/endpointslice utils.go FindPort: such a pod is put into an EndpointSlice without that port',
  find: ({ desired, cluster }) => {
    if (desired.service.notProxied !== undefined) return [];
    const pods = livePods(cluster)?.filter(({ deletionTimestamp }) => deletionTimestamp === undefined) ?? [];
    return desired.service.ports.flatMap((port) => {
      const name = targetPortName(port);
      const without = name === undefined ? [] : pods.filter((pod) => targetPortOf(pod, port) === undefined);
      if (name === undefined || without.length === 0 || without.length === pods.length) return [];
      return [
        {
          where: `service/${desired.name}`,
          message: `${without.length} of ${pods.length} pods get no traffic of port ${servicePortText(port)}, because they have no port named ${name} of protocol ${port.protocol}.`,
          evidence: [`targetPort: ${name}`, ...listed(without.map((pod) => `pod ${pod.name} declares ${declaredPortsText(pod)}`))],
          advice: `give every template of pods behind Service ${desired.name} a port named ${name}, or make the selector narrower`,
        },
      ];
    });
  },
};
