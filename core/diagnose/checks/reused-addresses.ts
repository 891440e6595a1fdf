/** Pods that have the address of an endpoint of before. */
import { isSameAddress } from '../../net/address.ts';
import type { ClusterFacts, PodFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { hasEnded } from './selected-pods.ts';

/**
 * The pod of the namespace that got the address after the EndpointSlices last changed: it was never an endpoint with it.
 * Pods of other namespaces are not read.
 */
export function reusedBy(
  address: string,
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
): PodFacts | undefined {
  const { lastChange } = desired;
  if (lastChange === undefined) return undefined;
  return cluster?.pods?.find(
    (pod) =>
      !pod.selected &&
      !pod.hostNetwork &&
      !hasEnded(pod) &&
      pod.createdAt !== undefined &&
      Date.parse(pod.createdAt) > Date.parse(lastChange) &&
      pod.addresses.some((each) => isSameAddress(each, address)),
  );
}
