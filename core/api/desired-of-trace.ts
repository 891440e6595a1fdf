/** The Service as the status of its trace has it. */
import type { DesiredService } from './service.ts';
import type { ServiceTrace } from './service-trace.ts';

/** Without the times of its changes. Of a status without a Service, one without addresses and ports. */
export function desiredOfTrace({ metadata, spec, status }: ServiceTrace): DesiredService {
  return {
    namespace: metadata.namespace ?? 'default',
    name: spec.serviceRef.name,
    service: status?.service ?? { type: '', clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] },
    endpointSlices: status?.endpointSlices ?? [],
  };
}
