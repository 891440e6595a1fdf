/** The legacy Endpoints object against the EndpointSlices that hold the same. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';
import { familyOf } from '../../net/family.ts';
import { mirrorController, sliceController } from './pod-endpoints.ts';

/** maxCapacity of the Endpoints controller. */
const maxAddresses = 1000;

export interface LegacyComparison {
  /** Ready addresses of each, of the family that Endpoints has. */
  readonly legacy: ReadonlySet<string>;
  readonly slices: ReadonlySet<string>;
  readonly isTruncated: boolean;
}

/** Undefined where there is no Endpoints object, or the slices are not the ones that a controller makes from the same source. */
export function legacyComparison(
  desired: DesiredService,
  cluster: ClusterFacts | undefined,
): LegacyComparison | undefined {
  const { endpoints, endpointSlices } = cluster ?? {};
  if (
    endpoints === null ||
    endpoints === undefined ||
    endpointSlices === undefined ||
    desired.service.type === 'ExternalName'
  )
    return undefined;
  const controllers = new Set(endpointSlices.map(({ managedBy }) => managedBy));
  if ([...controllers].some((each) => each !== sliceController && each !== mirrorController) || controllers.size !== 1)
    return undefined;
  const legacy = new Set(endpoints.subsets.flatMap(({ addresses }) => addresses));
  const notReady = new Set(endpoints.subsets.flatMap(({ notReadyAddresses }) => notReadyAddresses));
  const [first] = [...legacy, ...notReady];
  // Endpoints has the family of the first cluster IP; headless Services name it in ipFamilies.
  const family =
    desired.service.clusterIPs[0] === undefined
      ? (desired.service.ipFamilies?.[0] ?? (first === undefined ? 'IPv4' : familyOf(first)))
      : familyOf(desired.service.clusterIPs[0]);
  const hasPorts = desired.service.ports.length > 0;
  const slices = new Set(
    desired.endpointSlices
      // A pod without the named port is in a slice without ports, and in no subset.
      .filter(({ addressType, ports }) => addressType === family && (ports.length > 0 || !hasPorts))
      .flatMap((slice) => slice.endpoints)
      .filter(({ ready }) => ready)
      .flatMap(({ addresses }) => addresses[0] ?? []),
  );
  const isTruncated =
    endpoints.overCapacity === 'truncated' ||
    (legacy.size + notReady.size >= maxAddresses && slices.size > legacy.size);
  return { legacy, slices, isTruncated };
}
