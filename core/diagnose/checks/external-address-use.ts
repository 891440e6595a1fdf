/** The external addresses of a Service by whose they are. */
import type { AddressUse, DesiredService } from '../../api/service.ts';

export function externalAddressesOfUse({ externalAddresses = [] }: DesiredService, use: AddressUse): string[] {
  return externalAddresses.flatMap((each) => (each.use === use ? [each.address] : []));
}
