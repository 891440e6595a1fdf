/** Where a trace comes from: the operator, an engine of our own (--standalone), or a file. */
import { requireRights, standaloneAccess } from '../cluster/rights.ts';
import type { ServiceTrace, ServiceTraceSpec } from '../../core/api/service-trace.ts';
import type { Io } from '../cli/io.ts';
import type { TraceRequest } from '../cli/request.ts';
import { connect } from '../cluster/cluster-client.ts';
import { explainError } from '../cluster/explain-error.ts';
import { checkClient } from '../cluster/find-client.ts';
import { findNamespace, checkService } from '../cluster/find-service.ts';
import { openExisting, openWatch, openOnce } from './operator.ts';
import type { TraceSource } from './source.ts';

/** @param isWatching whether one result follows the other */
export async function openSource(
  request: TraceRequest,
  isWatching: boolean,
  io: Io,
  connectTo: typeof connect = connect,
  log: (line: string) => void = () => undefined,
): Promise<TraceSource> {
  const { origin, flags } = request;
  if (origin.kind === 'bundle') {
    const { openBundle } = await import('../sources/bundle.ts');
    return openBundle(origin.file, { service: request.service, namespace: flags.namespace });
  }
  const clusterClient = connectTo(flags, io.env, log);
  const follow = async (
    where: { readonly namespace: string; readonly service: string },
    ...listener: Parameters<NonNullable<TraceSource['logs']>>
  ): Promise<void> => {
    const { followServiceLogs } = await import('../logs/service.ts');
    await followServiceLogs(clusterClient, { ...where, nodes: request.nodes }, ...listener);
  };
  if (origin.kind === 'existing') {
    const existing = { namespace: clusterClient.namespace, name: origin.trace };
    const source = await openExisting(clusterClient, existing);
    return {
      ...source,
      logs: async (...listener) =>
        follow(
          {
            namespace: existing.namespace,
            service: (await clusterClient.readTrace(existing.namespace, existing.name)).spec.serviceRef.name,
          },
          ...listener,
        ),
    };
  }
  const service = request.service ?? '';
  const namespace = request.allNamespaces ? await findNamespace(clusterClient, service) : clusterClient.namespace;
  await checkService(clusterClient, namespace, service);
  await checkClient(clusterClient, namespace, request.from);
  const spec = specOf(service, request);
  const save = async (): Promise<string> => {
    const { saveBundle } = await import('../sources/save-bundle.ts');
    const probes =
      origin.kind === 'standalone' ? { probeNamespace: origin.probeNamespace, probeImage: origin.probeImage } : {};
    try {
      return await saveBundle({ ...clusterClient, namespace }, { service, nodes: request.nodes, ...probes }, io);
    } catch (error) {
      throw explainError(error);
    }
  };
  const logs: NonNullable<TraceSource['logs']> = (...listener) => follow({ namespace, service }, ...listener);
  const { from, connect: mode } = request;
  const connectFromPod =
    mode === 'None' || from === undefined || !('pod' in from)
      ? {}
      : {
          connectFromPod: async (trace: ServiceTrace) => {
            const { traceWithPodConnections } = await import('../sources/pod-connections.ts');
            return traceWithPodConnections(clusterClient, trace, from.pod);
          },
        };
  if (origin.kind === 'standalone') {
    await requireRights(clusterClient, standaloneAccess(namespace, origin.probeNamespace), '--standalone');
    const { openStandalone } = await import('../sources/standalone.ts');
    return {
      ...openStandalone(clusterClient, {
        namespace,
        spec,
        probeNamespace: origin.probeNamespace,
        probeImage: origin.probeImage,
        watch: isWatching,
      }),
      save,
      logs,
      ...connectFromPod,
    };
  }
  return isWatching
    ? { ...(await openWatch(clusterClient, { namespace, spec })), save, logs }
    : { ...(await openOnce(clusterClient, { namespace, spec, keep: origin.keep })), ...connectFromPod };
}

function specOf(service: string, { nodes, from, conntrack, connect }: TraceRequest): ServiceTraceSpec {
  const collect = { ...(conntrack === 'Summary' ? {} : { conntrack }), ...(connect === 'None' ? {} : { connect }) };
  return {
    serviceRef: { name: service },
    ...(nodes.length === 0 ? {} : { nodes: { names: [...nodes] } }),
    ...(from === undefined ? {} : { from }),
    ...(Object.keys(collect).length === 0 ? {} : { collect }),
  };
}
