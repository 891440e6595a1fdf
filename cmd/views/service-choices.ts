/** The Services that a user may choose from, each with its health at a glance. */
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { plural } from '../../core/lib/plural.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import type { ListedService } from '../cluster/services.ts';
import { isForbidden } from '../cluster/api-error.ts';
import { cell, type Cell } from '../tables/tone.ts';

export interface ServiceChoice extends ListedService {
  /** The newest trace of it that is there already. */
  readonly trace?: ServiceTrace;
}

type Lists = Pick<ClusterClient, 'listServicesWithEndpoints' | 'listTraces'>;

/** In the order of their names. @param namespace all of them where none is given */
export async function listChoices(clusterClient: Lists, namespace: string | undefined): Promise<ServiceChoice[]> {
  const [services, traces] = await Promise.all([
    clusterClient.listServicesWithEndpoints(namespace),
    // Traces only add to what is seen: without the CRD, or the right to list them, the Services are listed all the same.
    clusterClient.listTraces(namespace).catch((error: unknown) => {
      if (isForbidden(error) || (error instanceof Error && 'code' in error && error.code === 404)) return [];
      throw error;
    }),
  ]);
  const newest = new Map<string, ServiceTrace>();
  for (const trace of traces) {
    const key = `${trace.metadata.namespace ?? ''}/${trace.spec.serviceRef.name}`;
    const known = newest.get(key);
    if (trace.status !== undefined && (trace.status.collectedAt ?? '') > (known?.status?.collectedAt ?? ''))
      newest.set(key, trace);
  }
  return services
    .map((service): ServiceChoice => {
      const trace = newest.get(`${service.namespace}/${service.name}`);
      return trace === undefined ? service : { ...service, trace };
    })
    .sort((one, other) => (`${one.namespace}/${one.name}` < `${other.namespace}/${other.name}` ? -1 : 1));
}

/** What its endpoints, and a trace that is there, show: never more than is known. */
export function healthCell({ type, selectsPods, endpoints, readyEndpoints, trace }: ServiceChoice): Cell {
  const errors = trace?.status?.summary?.errors ?? 0;
  const warnings = trace?.status?.summary?.warnings ?? 0;
  if (errors > 0) return cell(plural(errors, 'error'), 'error');
  if (type === 'ExternalName') return cell('alias in DNS', 'dim');
  if (endpoints === undefined || readyEndpoints === undefined) return cell('endpoints unknown', 'warning');
  if (endpoints === 0) return selectsPods ? cell('no endpoint', 'error') : cell('no endpoint', 'warning');
  if (readyEndpoints === 0) return cell('none ready', 'error');
  if (warnings > 0) return cell(plural(warnings, 'warning'), 'warning');
  if (readyEndpoints < endpoints) return cell('some not ready', 'warning');
  return trace === undefined ? cell('endpoints ready', 'plain') : cell('ok', 'ok');
}
