/**
 * What a command that reads a Service once is made from: a recorded trace, one that this process collects with the user's
 * own rights, or, where those do not suffice, the status of a trace that the operator collects.
 */
import type { Bundle } from '../../core/wire/bundle.ts';
import type { CollectSpec, ServiceTrace } from '../../core/api/service-trace.ts';
import { readBundle } from './bundle.ts';
import type { connect as connectToCluster } from '../cluster/cluster-client.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { ClusterError, NotFoundError } from '../cli/errors.ts';
import type { Io } from '../cli/io.ts';
import type { ClientName, CommonRequest, ServiceOrigin } from '../cli/request.ts';

export type ServiceReading =
  | { readonly kind: 'bundle'; readonly bundle: Bundle }
  /** `lacking`: the rights, in words, without which this process cannot collect itself. */
  | { readonly kind: 'trace'; readonly trace: ServiceTrace; readonly lacking: readonly string[] };

/** @returns the bundle. @throws UsageError where the file is none, NotFoundError where it holds another Service */
export async function readServiceBundle({
  file,
  service,
}: Extract<ServiceOrigin, { readonly kind: 'bundle' }>): Promise<Bundle> {
  const bundle = await readBundle(file);
  if (service !== undefined && service !== bundle.desired.name)
    throw new NotFoundError(`${file} holds a trace of Service "${bundle.desired.name}", not of "${service}".`);
  return bundle;
}

/**
 * @param connectTo replaced by tests
 * @throws NotFoundError where the file holds another Service
 * @throws ClusterError where the user may neither collect nor ask the operator, with all rights that are missing
 */
export async function readService(
  {
    origin,
    nodes,
    from,
    flags,
  }: CommonRequest & { readonly origin: ServiceOrigin; readonly nodes: readonly string[]; readonly from?: ClientName },
  collect: CollectSpec,
  io: Io,
  connectTo?: typeof connectToCluster,
): Promise<ServiceReading> {
  if (origin.kind === 'bundle') return { kind: 'bundle', bundle: await readServiceBundle(origin) };
  const [{ connect }, { checkClient }, { collectBundle }, { createProgress }, { missingRights, standaloneAccess }] =
    await Promise.all([
      import('../cluster/cluster-client.ts'),
      import('../cluster/find-client.ts'),
      import('./collect-bundle.ts'),
      import('../cli/progress.ts'),
      import('../cluster/rights.ts'),
    ]);
  const clusterClient = (connectTo ?? connect)(flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const { namespace } = clusterClient;
  await checkClient(clusterClient, namespace, from);
  const asked = { ...origin, nodes, collect, ...(from === undefined ? {} : { from }) };
  const lacking = await missingRights(clusterClient, standaloneAccess(namespace, origin.probeNamespace));
  const connectsFromPod = (collect.connect ?? 'None') !== 'None' && from !== undefined && 'pod' in from;
  if (lacking.length > 0) {
    const trace = await traceByOperator(clusterClient, { ...asked, lacking }, io);
    if (!connectsFromPod) return { kind: 'trace', trace, lacking };
    const { traceWithPodConnections } = await import('./pod-connections.ts');
    return { kind: 'trace', trace: await traceWithPodConnections(clusterClient, trace, from.pod), lacking };
  }
  const { bundle } = await collectBundle(clusterClient, asked, createProgress(io.stderr), io);
  if (!connectsFromPod) return { kind: 'bundle', bundle };
  const { bundleWithPodConnections } = await import('./pod-connections.ts');
  return { kind: 'bundle', bundle: await bundleWithPodConnections(clusterClient, bundle) };
}

export interface OperatorQuestion {
  readonly service: string;
  /** Empty for all. */
  readonly nodes: readonly string[];
  readonly from?: ClientName;
  readonly collect: CollectSpec;
  readonly timeoutMilliseconds: number;
  /** Asks this many of the nodes at most. */
  readonly maxNodes?: number;
  /** Why this process does not collect itself. */
  readonly lacking: readonly string[];
}

/** @throws ClusterError where the operator may not be asked, or is not there; NotFoundError where the Service is not */
export async function traceByOperator(
  clusterClient: ClusterClient,
  { service, nodes, from, collect, timeoutMilliseconds, maxNodes, lacking }: OperatorQuestion,
  io: Io,
): Promise<ServiceTrace> {
  const { namespace } = clusterClient;
  const [{ openOnce }, { createProgress }, { missingRights, operatorAccess }, { checkService }, { resultOf }] =
    await Promise.all([
      import('./operator.ts'),
      import('../cli/progress.ts'),
      import('../cluster/rights.ts'),
      import('../cluster/find-service.ts'),
      import('./trace-result.ts'),
    ]);
  const denied = await missingRights(clusterClient, operatorAccess(namespace));
  if (denied.length > 0)
    throw new ClusterError(
      `You may neither ask the operator, for which you lack ${denied.join('; ')} (the ClusterRole svctrace-servicetrace-editor has them), nor collect without it, for which you lack ${lacking.join('; ')}.`,
    );
  await checkService(clusterClient, namespace, service);
  const chosen = {
    ...(nodes.length === 0 ? {} : { names: [...nodes] }),
    ...(maxNodes === undefined ? {} : { max: maxNodes }),
  };
  const spec = {
    serviceRef: { name: service },
    collect,
    ...(from === undefined ? {} : { from }),
    ...(Object.keys(chosen).length === 0 ? {} : { nodes: chosen }),
  };
  const progress = createProgress(io.stderr);
  try {
    const source = await openOnce(clusterClient, { namespace, spec, keep: false });
    try {
      const { trace } = await resultOf(source, { timeoutMilliseconds, signal: io.signal, progress });
      return trace;
    } finally {
      await source.close();
    }
  } catch (error) {
    const { explainError } = await import('../cluster/explain-error.ts');
    const explained = explainError(error);
    // Without its operator, the rights for collecting here are what would help.
    if (explained instanceof ClusterError && !io.signal.aborted)
      throw new ClusterError(`${explained.message} To collect without the operator, you lack ${lacking.join('; ')}.`, {
        cause: error,
      });
    throw error;
  } finally {
    progress.end();
  }
}

/** Where a result comes from, and what more there would be. @param more a clause, such as `the DNS Service is traced` */
export function lackingText(lacking: readonly string[], more: string): string {
  return `the operator collected this, for you lack the rights to ${lacking.join('; ')}; with them, ${more}.`;
}

/** The same on stderr. */
export function sayLacking(io: Io, lacking: readonly string[], more: string): void {
  io.stderr.write(`Notice: ${lackingText(lacking, more)}\n`);
}
