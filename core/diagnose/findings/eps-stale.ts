import { isChanging } from '../checks/age.ts';
import { sliceControllerAdvice } from '../checks/slice-controller-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { sliceController, staleEndpoints } from '../checks/pod-endpoints.ts';

export const epsStale: FindingKind = {
  id: 'EPS-STALE',
  topic: 'endpoints',
  severity: 'error',
  condition:
    'An EndpointSlice sends packets to a pod that is gone, has ended, has another address, or is another pod of the same name (its uid differs).',
  notReported:
    'Endpoints that are not ready, which get no packets; within 10 s of a change of the EndpointSlices; what a second reading of both did not confirm.',
  source: 'three-way comparison of EndpointSlices and pods; siderolabs/talos#12802',
  find: ({ desired, cluster, now }) => {
    if (cluster === undefined || isChanging(desired, now)) return [];
    const bySlice = Map.groupBy(staleEndpoints(desired, cluster), ({ slice }) => slice.name);
    const managers = new Map(cluster.endpointSlices?.map(({ name, managedBy }) => [name, managedBy]));
    return [...bySlice].map(([slice, stale]) => ({
      where: `endpointslice/${slice}`,
      message: `EndpointSlice ${slice} sends packets to ${namesText(stale.map(({ endpoint, why }) => `${endpoint.addresses.join(', ')} of pod ${endpoint.targetRef?.name ?? ''}, ${why}`))}.`,
      evidence: [
        ...listed(
          stale.map(
            ({ endpoint }) =>
              `${endpoint.addresses.join(', ')} pod ${endpoint.targetRef?.name ?? ''} uid ${endpoint.targetRef?.uid ?? 'not set'} ready=${endpoint.ready} serving=${endpoint.serving} terminating=${endpoint.terminating}`,
          ),
        ),
        `the EndpointSlice is managed by ${managers.get(slice) ?? 'nobody that its label names'}`,
      ],
      ...sliceControllerAdvice(desired, managers.get(slice) === sliceController ? undefined : slice),
    }));
  },
};
