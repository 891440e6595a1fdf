/** The addresses that DNS should answer a Service's name with. */
import type { DesiredService } from '../service.ts';

/** Sorted; undefined where the name is not an address record (ExternalName). */
export function expectedAddresses(desired: DesiredService): readonly string[] | undefined {
  const { service, endpointSlices } = desired;
  if (service.type === 'ExternalName') return undefined;
  const isHeadless = service.clusterIPs.length === 0 || service.clusterIPs[0] === 'None';
  const addresses = isHeadless
    ? endpointSlices.flatMap(({ endpoints }) => endpoints.filter(({ ready }) => ready).flatMap((endpoint) => endpoint.addresses))
    : service.clusterIPs;
  return [...new Set(addresses)].sort();
}
