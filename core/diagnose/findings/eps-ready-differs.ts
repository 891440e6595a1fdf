import { isChanging } from '../checks/age.ts';
import { sliceControllerAdvice } from '../checks/slice-controller-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { readyDifferences } from '../checks/pod-endpoints.ts';

export const epsReadyDiffers: FindingKind = {
  id: 'EPS-READY-DIFFERS',
  topic: 'endpoints',
  severity: 'error',
  condition: 'An endpoint is ready and its pod is not, or the pod is ready and its endpoint is not.',
  notReported:
    'With publishNotReadyAddresses, which makes every endpoint ready; pods that changed in the last 10 s; EndpointSlices of another writer than the EndpointSlice controller.',
  source: 'three-way comparison of EndpointSlices and pods; k8s.io/endpointslice utils.go podToEndpoint',
  find: ({ desired, cluster, now }) => {
    if (cluster === undefined || isChanging(desired, now)) return [];
    const different = readyDifferences(desired, cluster, now);
    if (different.length === 0) return [];
    return [
      {
        where: `service/${desired.name}`,
        message: `The EndpointSlices of Service ${desired.name} do not follow its pods: ${namesText(different.map(({ endpoint, pod }) => `pod ${pod.name} is ${stateText(pod)} and its endpoint ${endpoint.ready ? 'ready' : 'not ready'}`))}.`,
        evidence: listed(
          different.map(
            ({ slice, endpoint, pod }) =>
              `${slice.name} ${endpoint.addresses.join(', ')} ready=${endpoint.ready}; pod ${pod.name} ${stateText(pod)}${pod.notReady === undefined ? '' : ` (${pod.notReady})`}`,
          ),
        ),
        ...sliceControllerAdvice(desired),
      },
    ];
  },
};

function stateText({
  ready,
  deletionTimestamp,
}: {
  readonly ready: boolean;
  readonly deletionTimestamp?: string | undefined;
}): string {
  if (deletionTimestamp !== undefined) return 'being deleted';
  return ready ? 'ready' : 'not ready';
}
