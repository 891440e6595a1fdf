/** What a Service's endpoints cost as one Endpoints object and as EndpointSlices: size, shards, and what one change sends. */
import type { ClusterFacts } from './cluster-facts.ts';
import { present } from '../lib/present.ts';
import type { DesiredService } from './service.ts';
import type { EndpointsCostStatus } from './service-trace.ts';

/**
 * Every watcher of Endpoints gets the whole object for each change; a watcher of EndpointSlices gets the one that changed.
 * Sizes are those of the objects as JSON. Undefined where the API server was not asked.
 */
export function endpointsCost(
  { endpointSlices }: DesiredService,
  cluster: ClusterFacts | undefined,
): EndpointsCostStatus | undefined {
  const slices = cluster?.endpointSlices;
  if (slices === undefined || slices.length === 0) return undefined;
  const endpoints = cluster?.endpoints ?? undefined;
  return {
    ...present({
      legacy:
        endpoints === undefined
          ? undefined
          : {
              addresses: new Set(
                endpoints.subsets.flatMap(({ addresses, notReadyAddresses }) => [...addresses, ...notReadyAddresses]),
              ).size,
              bytes: endpoints.bytes,
              truncated: endpoints.overCapacity === 'truncated',
              changeBytes: endpoints.bytes,
            },
    }),
    endpointSlices: {
      addresses: new Set(endpointSlices.flatMap((slice) => slice.endpoints).flatMap(({ addresses }) => addresses)).size,
      bytes: slices.reduce((sum, { bytes }) => sum + bytes, 0),
      shards: slices.length,
      largestBytes: Math.max(...slices.map(({ bytes }) => bytes)),
      // An endpoint that changes is as likely to be in any shard as the shard has endpoints.
      changeBytes: expectedBytes(endpointSlices, new Map(slices.map(({ name, bytes }) => [name, bytes]))),
    },
  };
}

/** The size of the shard that a changed endpoint is in, on average over the endpoints; of the shards where there is none. */
function expectedBytes(endpointSlices: DesiredService['endpointSlices'], bytes: ReadonlyMap<string, number>): number {
  const total = endpointSlices.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  const weighted = endpointSlices.reduce(
    (sum, { name, endpoints }) => sum + (bytes.get(name) ?? 0) * (total === 0 ? 1 : endpoints.length),
    0,
  );
  return Math.round(weighted / (total === 0 ? Math.max(endpointSlices.length, 1) : total));
}
