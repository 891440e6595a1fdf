import { plural } from '../../lib/plural.ts';
import { isChanging } from '../checks/age.ts';
import { sliceControllerAdvice } from '../checks/slice-controller-advice.ts';
import type { FindingKind } from '../checks/finding.ts';
import { listed, namesText } from '../checks/listed.ts';
import { missingPods } from '../checks/pod-endpoints.ts';
import { selectorText, whereOf } from '../checks/selected-pods.ts';

export const epsMissing: FindingKind = {
  id: 'EPS-MISSING',
  topic: 'endpoints',
  severity: 'error',
  condition: 'A ready pod that the selector matches is in no EndpointSlice of the Service, so it gets no traffic.',
  notReported:
    'Pods that became ready in the last 10 s, that have no address of a family of the Service, or whose Node object is gone; within 10 s of a change of the EndpointSlices.',
  source: 'three-way comparison of EndpointSlices and pods; k8s.io/endpointslice reconciler.go reconcileByAddressType',
  find: ({ desired, cluster, now }) => {
    if (cluster === undefined || isChanging(desired, now)) return [];
    const missing = missingPods(desired, cluster, now);
    if (missing.length === 0) return [];
    return [
      {
        where: whereOf(
          missing.map(({ pod }) => pod),
          desired,
        ),
        message: `${missing.length === 1 ? 'Pod' : `${plural(missing.length, 'pod')}`} ${namesText(missing.map(({ pod }) => pod.name))} ${missing.length === 1 ? 'is' : 'are'} ready and in no EndpointSlice of Service ${desired.name}.`,
        evidence: [
          `the selector is ${selectorText(desired)}`,
          ...listed(
            missing.map(
              ({ pod, addresses }) =>
                `pod ${pod.name} ${addresses.join(', ')} ready since ${pod.readySince ?? 'a time that is not known'}`,
            ),
          ),
          `EndpointSlices: ${desired.endpointSlices.map(({ name }) => name).join(', ') || 'none'}`,
        ],
        ...sliceControllerAdvice(desired),
      },
    ];
  },
};
