/** The ready endpoints of a Service by family, as kube-proxy looks at their topology hints. */
import type { DesiredService } from './service.ts';
import type { Family } from '../net/family.ts';
import type { EndpointStatus } from './service-trace.ts';

/** Families without a ready endpoint are left out; an endpoint without a port is none for kube-proxy. */
export function readyByFamily({
  endpointSlices,
}: DesiredService): { readonly family: Family; readonly endpoints: readonly EndpointStatus[] }[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const endpoints = endpointSlices
      .filter(({ addressType, ports }) => addressType === family && ports.length > 0)
      .flatMap((slice) => slice.endpoints)
      .filter(({ ready }) => ready);
    return endpoints.length === 0 ? [] : [{ family, endpoints }];
  });
}
