/** A ServiceTrace object for a status that no API server holds. */
import {
  serviceTraceGroup,
  serviceTraceVersion,
  type ServiceTrace,
  type ServiceTraceSpec,
  type ServiceTraceStatus,
} from '../../core/api/service-trace.ts';

export function traceOf({
  namespace,
  name,
  spec,
  status,
}: {
  namespace: string;
  name: string;
  spec: ServiceTraceSpec;
  status: ServiceTraceStatus;
}): ServiceTrace {
  return {
    apiVersion: `${serviceTraceGroup}/${serviceTraceVersion}`,
    kind: 'ServiceTrace',
    metadata: { name, namespace },
    spec,
    status,
  };
}
