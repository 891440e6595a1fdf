/** The endpoints of a status by the address that kube-proxy takes, their first. */
import { oncePer } from '../lib/once-per.ts';
import type { EndpointStatus, ServiceTraceStatus } from './service-trace.ts';

/** Of an address that is in more than one slice, the ready endpoint; where none is ready, the first. */
export const endpointsByAddress = oncePer(
  ({ endpointSlices = [] }: Pick<ServiceTraceStatus, 'endpointSlices'>): ReadonlyMap<string, EndpointStatus> => {
    const endpoints = new Map<string, EndpointStatus>();
    for (const endpoint of endpointSlices.flatMap((slice) => slice.endpoints)) {
      const [address] = endpoint.addresses;
      if (address === undefined) continue;
      const known = endpoints.get(address);
      if (known === undefined || (endpoint.ready && !known.ready)) endpoints.set(address, endpoint);
    }
    return endpoints;
  },
);
