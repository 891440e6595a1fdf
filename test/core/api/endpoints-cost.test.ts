import { describe, expect, it } from 'vitest';
import { endpointsCost } from '../../../core/api/endpoints-cost.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { cluster } from '../../support/cluster-facts.ts';
import { desiredService, endpoint } from '../../support/node-facts.ts';

/** Slices of so many endpoints and bytes. */
function sharded(...shards: readonly { readonly endpoints: number; readonly bytes: number }[]): {
  desired: DesiredService;
  endpointSlices: ReturnType<typeof cluster>['endpointSlices'];
} {
  const slices = shards.map(({ endpoints }, index) => ({
    name: `auth-service-${index}`,
    addressType: 'IPv4' as const,
    ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, each) => endpoint(`10.244.${index}.${each + 1}`)),
  }));
  return {
    desired: { ...desiredService(), endpointSlices: slices },
    endpointSlices: shards.map(({ bytes }, index) => ({ name: `auth-service-${index}`, bytes })),
  };
}

const legacyOf = (
  addresses: string[],
  bytes: number,
  overCapacity?: string,
): ReturnType<typeof cluster>['endpoints'] => ({
  bytes,
  ...(overCapacity === undefined ? {} : { overCapacity }),
  subsets: [{ addresses, notReadyAddresses: ['10.244.9.9'], ports: [] }],
});

describe('endpointsCost', () => {
  it('sends the whole Endpoints object, and of the EndpointSlices one shard, for a change', () => {
    const { desired, endpointSlices } = sharded(
      { endpoints: 100, bytes: 30_000 },
      { endpoints: 100, bytes: 30_000 },
      { endpoints: 50, bytes: 15_000 },
    );
    expect(endpointsCost(desired, cluster({ endpointSlices, endpoints: legacyOf(['10.244.0.1'], 60_000) }))).toEqual({
      legacy: { addresses: 2, bytes: 60_000, truncated: false, changeBytes: 60_000 },
      endpointSlices: { addresses: 250, bytes: 75_000, shards: 3, largestBytes: 30_000, changeBytes: 27_000 },
    });
  });

  it('says that an Endpoints object was cut', () => {
    const { desired, endpointSlices } = sharded({ endpoints: 1, bytes: 1 });
    expect(
      endpointsCost(desired, cluster({ endpointSlices, endpoints: legacyOf([], 1, 'truncated') }))?.legacy?.truncated,
    ).toBe(true);
  });

  it('has an empty shard for a Service without endpoints, and no Endpoints object where there is none', () => {
    const { desired, endpointSlices } = sharded({ endpoints: 0, bytes: 400 });
    expect(endpointsCost(desired, cluster({ endpointSlices, endpoints: null }))).toEqual({
      endpointSlices: { addresses: 0, bytes: 400, shards: 1, largestBytes: 400, changeBytes: 400 },
    });
  });

  it('says nothing where the API server was not asked', () => {
    expect(endpointsCost(desiredService(), undefined)).toBeUndefined();
    expect(endpointsCost(desiredService(), cluster({ endpointSlices: [] }))).toBeUndefined();
  });
});
