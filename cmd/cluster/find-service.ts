/** The message for a Service that is not there: names near it, and where a Service of its name is. */
import type { ClusterClient } from './cluster-client.ts';
import type { NamedService } from './services.ts';
import { NotFoundError, UsageError } from '../cli/errors.ts';
import { isForbidden } from './explain-error.ts';
import { nearNames, nearText } from '../../core/lib/near-names.ts';

type Lists = Pick<ClusterClient, 'hasService' | 'listServices' | 'listNamespaces'>;

/**
 * Where a Service may not be read, nothing is reported: the trace itself shows it.
 * @throws NotFoundError
 */
export async function checkService(clusterClient: Lists, namespace: string, name: string): Promise<void> {
  const found = await unlessForbidden(clusterClient.hasService(namespace, name));
  if (found === false) throw new NotFoundError(await describeMissingService(clusterClient, namespace, name));
}

export async function describeMissingService(clusterClient: Lists, namespace: string, name: string): Promise<string> {
  const [here, namespaces, everywhere] = await Promise.all([
    unlessForbidden(clusterClient.listServices(namespace)),
    unlessForbidden(clusterClient.listNamespaces()),
    unlessForbidden(clusterClient.listServices()),
  ]);
  if (namespaces !== undefined && !namespaces.includes(namespace)) {
    const near = nearNames(namespace, namespaces);
    return `There is no namespace "${namespace}"${nearText(near)}.`;
  }
  const near = nearNames(
    name,
    (here ?? []).map((service) => service.name),
  );
  const elsewhere = (everywhere ?? []).filter((service) => service.name === name).map((service) => service.namespace);
  return [
    `Service "${name}" is not in namespace "${namespace}"`,
    ...(near.length === 0 ? [] : [`near: ${near.join(', ')}`]),
    ...(elsewhere.length === 0
      ? []
      : [
          `a Service of this name is in ${elsewhere.length === 1 ? 'namespace' : 'namespaces'} ${shorten(elsewhere)}: add -n ${elsewhere[0] ?? ''}`,
        ]),
    ...(near.length === 0 && elsewhere.length === 0 ? [emptyHint(here, namespace)] : []),
  ]
    .join('; ')
    .concat('.');
}

function emptyHint(here: readonly NamedService[] | undefined, namespace: string): string {
  if (here === undefined) return `you may not list its Services`;
  if (here.length === 0) return 'it has no Service at all';
  return `kubectl get services -n ${namespace} lists those that are there`;
}

/** The one namespace that has a Service of this name. @throws NotFoundError, UsageError */
export async function findNamespace(clusterClient: Pick<ClusterClient, 'listServices'>, name: string): Promise<string> {
  const services = await clusterClient.listServices();
  const found = services.filter((service) => service.name === name).map(({ namespace }) => namespace);
  const [first, ...others] = found;
  if (first === undefined) {
    const near = nearNames(
      name,
      services.map((service) => service.name),
    );
    throw new NotFoundError(`Service "${name}" is in no namespace${nearText(near)}.`);
  }
  if (others.length > 0)
    throw new UsageError(`Service "${name}" is in more than one namespace (${shorten(found)}): choose one with -n.`);
  return first;
}

function shorten(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

async function unlessForbidden<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}
