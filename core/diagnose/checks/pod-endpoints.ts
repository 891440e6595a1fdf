/** Where EndpointSlices and pods disagree. They are lists of different moments: what they disagree in is looked for twice (second-look.ts). */
import { isSameAddress, comparableAddress } from '../../net/address.ts';
import type { ClusterFacts, PodFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf } from '../../net/family.ts';
import type { EndpointSliceStatus, EndpointStatus } from '../../api/service-trace.ts';
import { controllerGraceMilliseconds, isWithin } from './age.ts';
import { hasEnded, livePods } from './selected-pods.ts';

export const sliceController = 'endpointslice-controller.k8s.io';
export const mirrorController = 'endpointslicemirroring-controller.k8s.io';

export interface StaleEndpoint {
  readonly slice: EndpointSliceStatus;
  readonly endpoint: EndpointStatus;
  /** A relative clause: "which is not there". */
  readonly why: string;
}

/** Endpoints that get packets and whose pod is gone, has ended, is another one, or has another address. */
export function staleEndpoints(desired: DesiredService, { pods }: Pick<ClusterFacts, 'pods'>): StaleEndpoint[] {
  if (pods === undefined) return [];
  const byName = new Map(pods.map((pod) => [pod.name, pod]));
  return usedEndpoints(desired).flatMap(({ slice, endpoint }) => {
    const { targetRef, addresses } = endpoint;
    if (targetRef?.kind !== 'Pod' || targetRef.name === undefined) return [];
    const why = staleReason(byName.get(targetRef.name), targetRef.uid, addresses);
    return why === undefined ? [] : [{ slice, endpoint, why }];
  });
}

function staleReason(
  pod: PodFacts | undefined,
  uid: string | undefined,
  addresses: readonly string[],
): string | undefined {
  if (pod === undefined) return 'which is not there';
  if (uid !== undefined && uid !== pod.uid)
    return `which is another pod of the same name now (uid ${pod.uid}, the EndpointSlice says ${uid})`;
  if (hasEnded(pod)) return `which has ended (${pod.phase})`;
  if (pod.addresses.length > 0 && addresses[0] !== undefined && !hasAddress(pod.addresses, addresses[0]))
    return `whose address is ${pod.addresses.join(', ')} now`;
  return undefined;
}

/** The controller writes addresses in their canonical form, whatever the pod's status has. */
function hasAddress(addresses: readonly string[], address: string): boolean {
  return addresses.some((each) => isSameAddress(each, address));
}

/** Endpoints that kube-proxy may choose: ready, or, where none is, serving while they terminate. */
function usedEndpoints({ endpointSlices }: DesiredService): { slice: EndpointSliceStatus; endpoint: EndpointStatus }[] {
  const all = endpointSlices.flatMap((slice) => slice.endpoints.map((endpoint) => ({ slice, endpoint })));
  const ready = all.filter(({ endpoint }) => endpoint.ready);
  return ready.length > 0 ? ready : all.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
}

export interface MissingPod {
  readonly pod: PodFacts;
  /** Its addresses that no EndpointSlice has, of the families that the Service has. */
  readonly addresses: readonly string[];
}

/** Ready pods that the selector matches and that are in no EndpointSlice of a family that the Service has. */
export function missingPods(desired: DesiredService, cluster: ClusterFacts, now: string): MissingPod[] {
  const { service, endpointSlices } = desired;
  if (service.type === 'ExternalName') return [];
  const families = service.ipFamilies ?? endpointSlices.map(({ addressType }) => addressType);
  const present = new Set(
    endpointSlices
      .flatMap(({ endpoints }) => endpoints)
      .flatMap((endpoint) => endpoint.addresses)
      .map(comparableAddress),
  );
  // The controller leaves out a pod whose Node object is not there.
  const nodes = cluster.nodes === undefined ? undefined : new Set(cluster.nodes.map(({ name }) => name));
  return (livePods(cluster) ?? []).flatMap((pod) => {
    if (!pod.ready || pod.deletionTimestamp !== undefined || isWithin(pod.readySince, controllerGraceMilliseconds, now))
      return [];
    if (pod.node !== undefined && nodes?.has(pod.node) === false) return [];
    const addresses = pod.addresses.filter(
      (address) => families.includes(familyOf(address)) && !present.has(comparableAddress(address)),
    );
    return addresses.length === 0 ? [] : [{ pod, addresses }];
  });
}

export interface ReadyDifference {
  readonly slice: EndpointSliceStatus;
  readonly endpoint: EndpointStatus;
  readonly pod: PodFacts;
}

/** Endpoints of the controller's own slices whose `ready` is not what the pod's is (k8s.io/endpointslice utils.go podToEndpoint). */
export function readyDifferences(desired: DesiredService, cluster: ClusterFacts, now: string): ReadyDifference[] {
  if (desired.service.publishNotReadyAddresses === true) return [];
  const byUid = new Map((livePods(cluster) ?? []).map((pod) => [pod.uid, pod]));
  return ownSlices(desired, cluster).flatMap((slice) =>
    slice.endpoints.flatMap((endpoint) => {
      const pod = byUid.get(endpoint.targetRef?.uid ?? '');
      if (pod === undefined || endpoint.ready === (pod.ready && pod.deletionTimestamp === undefined)) return [];
      if (
        [pod.readySince, pod.notReadySince, pod.createdAt, deletedAt(pod)].some((time) =>
          isWithin(time, controllerGraceMilliseconds, now),
        )
      )
        return [];
      return [{ slice, endpoint, pod }];
    }),
  );
}

/** The slices that the EndpointSlice controller keeps, as far as that is known. */
function ownSlices({ endpointSlices }: DesiredService, cluster: ClusterFacts): EndpointSliceStatus[] {
  const managers = new Map(cluster.endpointSlices?.map(({ name, managedBy }) => [name, managedBy]));
  return endpointSlices.filter(({ name }) => managers.get(name) === sliceController);
}

/** When its deletion was asked for: the API has only the time at which it is to be gone. */
export function deletedAt({ deletionTimestamp, terminationGracePeriodSeconds = 0 }: PodFacts): string | undefined {
  return deletionTimestamp === undefined
    ? undefined
    : new Date(Date.parse(deletionTimestamp) - terminationGracePeriodSeconds * 1000).toISOString();
}

export interface DuplicateEndpoint {
  readonly address: string;
  readonly port: number;
  readonly owners: readonly { readonly slice: EndpointSliceStatus; readonly endpoint: EndpointStatus }[];
}

/** One address and port more than once; pods that share their node's address are different endpoints all the same. */
export function duplicateEndpoints(
  { endpointSlices }: DesiredService,
  { pods }: Pick<ClusterFacts, 'pods'>,
): DuplicateEndpoint[] {
  const hostPods = new Set((pods ?? []).filter(({ hostNetwork }) => hostNetwork).map(({ uid }) => uid));
  const owners = new Map<string, DuplicateEndpoint['owners'][number][]>();
  const places = new Map<string, { address: string; port: number }>();
  for (const slice of endpointSlices) {
    for (const { name = '', port, protocol = 'TCP' } of slice.ports) {
      if (port === undefined) continue;
      for (const endpoint of slice.endpoints) {
        const address = endpoint.addresses[0];
        if (address === undefined) continue;
        const key = `${address} ${name} ${port} ${protocol}`;
        places.set(key, { address, port });
        const known = owners.get(key);
        if (known === undefined) owners.set(key, [{ slice, endpoint }]);
        else known.push({ slice, endpoint });
      }
    }
  }
  return [...places].flatMap(([key, place]) => {
    const all = owners.get(key) ?? [];
    const isShared =
      all.every(({ endpoint }) => hostPods.has(endpoint.targetRef?.uid ?? '')) &&
      new Set(all.map(({ endpoint }) => endpoint.targetRef?.uid)).size === all.length;
    return all.length < 2 || isShared ? [] : [{ ...place, owners: all }];
  });
}

/** Slices that were mirrored from an Endpoints object, beside a selector that makes slices of its own. */
export function leftoverMirrors(desired: DesiredService, cluster: ClusterFacts, now: string): EndpointSliceStatus[] {
  if (Object.keys(desired.service.selector ?? {}).length === 0) return [];
  const mirrored = new Map(
    cluster.endpointSlices
      ?.filter(({ managedBy }) => managedBy === mirrorController)
      .map((slice) => [slice.name, slice]),
  );
  return desired.endpointSlices.filter(({ name, endpoints }) => {
    const slice = mirrored.get(name);
    return (
      slice !== undefined &&
      endpoints.length > 0 &&
      ![slice.createdAt, desired.serviceChange].some((time) => isWithin(time, controllerGraceMilliseconds, now))
    );
  });
}
