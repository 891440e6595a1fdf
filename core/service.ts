/** The desired state of one Service as the API server has it, in the words of status (see crds/servicetraces.yaml). */
import type { ExternalAddress } from './external-addresses.ts';
import type { EndpointSliceStatus, ServiceStatus } from './service-trace.ts';

export type Family = 'IPv4' | 'IPv6';
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** One Service with its EndpointSlices: what every node's rules are compared with. */
export interface DesiredService {
  readonly namespace: string;
  readonly name: string;
  readonly service: ServiceStatus;
  readonly endpointSlices: readonly EndpointSliceStatus[];
  /** The newest `endpoints.kubernetes.io/last-change-trigger-time` of the slices, or when one was written, RFC 3339. */
  readonly lastChange?: string;
  /** When the Service was made, or its spec, its labels or its status were last written, RFC 3339. */
  readonly serviceChange?: string;
  /**
   * When whoever collects saw that the Service or its EndpointSlices are not what they were at the collection before,
   * RFC 3339: what was deleted, and a field that was taken away, has no time of its own.
   */
  readonly noticedChange?: string;
  /** EndpointSlices that changed while nodes were asked: a node may rightly show them as they were before. */
  readonly changedWhileCollecting?: readonly string[];
  /** Whose its external addresses are; absent where nobody has looked. */
  readonly externalAddresses?: readonly ExternalAddress[];
}

/** `namespace/name`, or `namespace/name:port` for a named port: kube-proxy's ServicePortName.String(). */
export function servicePortName(namespace: string, name: string, portName: string | undefined): string {
  return portName === undefined || portName === '' ? `${namespace}/${name}` : `${namespace}/${name}:${portName}`;
}

/** The family of an address in text; an address with a colon is IPv6. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
