/** The desired state of one Service as the API server has it, in the words of status (see crds/servicetraces.yaml). */
import type { EndpointSliceStatus, ServiceStatus } from './service-trace.ts';

/**
 * - Own: nobody else in the cluster has it.
 * - Shared: other Services have it as an external address on other ports, or it is a load balancer's and a node's: rules
 *   are this Service's where they name it; conntrack entries name nobody.
 * - Taken: it is another Service's cluster IP, or its external address on a port of this one, or a pod's or node's address.
 * - Unlisted: the Services of all namespaces may not be listed, so that nobody knows.
 * - Beyond: one more than are looked at.
 */
export type AddressUse = 'Own' | 'Shared' | 'Taken' | 'Unlisted' | 'Beyond';

export interface ExternalAddress {
  /** In its canonical text. */
  readonly address: string;
  readonly use: AddressUse;
}

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
