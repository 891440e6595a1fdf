/** A status whose trace could not be made, or not whole. */
import type { ServiceTraceStatus } from '../api/service-trace.ts';
import { boundCondition } from './bound.ts';

/** The status with Ready False for a reason that lies outside of the nodes. */
export function notReady(status: ServiceTraceStatus, reason: string, message: string, now: string): ServiceTraceStatus {
  const before = status.conditions?.find(({ type }) => type === 'Ready');
  const others = (status.conditions ?? []).filter(({ type }) => type !== 'Ready');
  const lastTransitionTime = before?.status === 'False' ? before.lastTransitionTime : now;
  const observedGeneration =
    status.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration };
  return {
    ...status,
    conditions: [
      boundCondition({ type: 'Ready', status: 'False', reason, message, lastTransitionTime, ...observedGeneration }),
      ...others,
    ],
  };
}
