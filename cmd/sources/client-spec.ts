/** A client whose packet is walked, as the spec of a trace names it. */
import { canonicalAddress } from '../../core/net/address.ts';
import type { FromSpec } from '../../core/api/service-trace.ts';

/** What is not an address is the name of a pod. */
export function clientSpec(client: string): FromSpec {
  return canonicalAddress(client) === undefined ? { pod: client } : { ip: client };
}
