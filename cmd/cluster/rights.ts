/** What the commands ask of the API server's authorizer, and what of it a user lacks: asked before anything is started, all at once. */
import { usualConfigMaps } from '../../core/kube-proxy/objects.ts';
import { serviceTraceGroup, serviceTracePlural } from '../../core/api/service-trace.ts';
import type { Access } from './access-review.ts';
import type { ClusterClient } from './cluster-client.ts';
import { ClusterError } from '../cli/errors.ts';
import { isForbidden } from './explain-error.ts';

const system = 'kube-system';

/** A right, and other names of objects of which each serves as well. */
interface Right extends Access {
  readonly orNames?: readonly string[];
}

function traces(namespace: string, ...verbs: readonly string[]): Access[] {
  return verbs.map((verb) => ({ verb, group: serviceTraceGroup, resource: serviceTracePlural, namespace }));
}

/** One result of the operator. That its trace may be deleted is not needed: it expires. */
export function operatorAccess(namespace: string): Access[] {
  return traces(namespace, 'create', 'get', 'watch');
}

/** Following a Service through the operator, with traces that are shared, renewed and deleted. */
export function traceAccess(namespace: string): Access[] {
  return [
    ...traces(namespace, 'create', 'get', 'list', 'watch', 'patch', 'delete'),
    { verb: 'get', group: '', resource: 'services', namespace },
  ];
}

/** What a process that collects itself cannot do without. */
export function standaloneAccess(namespace: string, probeNamespace: string): Access[] {
  return [
    ...serviceAccess(namespace),
    { verb: 'list', group: '', resource: 'nodes' },
    ...['create', 'list', 'watch', 'delete'].map((verb) => ({
      verb,
      group: '',
      resource: 'pods',
      namespace: probeNamespace,
    })),
    ...execAccess(probeNamespace),
  ];
}

/** What findings are made from beside the path: a process that collects itself goes on without it, and says what is unknown. */
export function findingsAccess(namespace: string): Right[] {
  const [configMap, ...orNames] = usualConfigMaps;
  return [
    ...['get', 'list'].map((verb) => ({ verb, group: '', resource: 'pods', namespace })),
    { verb: 'get', group: '', resource: 'endpoints', namespace },
    { verb: 'list', group: 'networking.k8s.io', resource: 'networkpolicies', namespace },
    { verb: 'get', group: '', resource: 'services', namespace: system },
    { verb: 'list', group: 'discovery.k8s.io', resource: 'endpointslices', namespace: system },
    { verb: 'list', group: '', resource: 'pods', namespace: system },
    // A role names one, and the right to read all of a namespace is more than that.
    { verb: 'get', group: '', resource: 'configmaps', namespace: system, name: configMap, orNames },
  ];
}

/** A command in a pod of the namespace. */
export function execAccess(namespace: string): Access[] {
  // A WebSocket is opened with GET; Kubernetes asks for create besides, since 1.35.
  return ['get', 'create'].map((verb) => ({ verb, group: '', resource: 'pods', subresource: 'exec', namespace }));
}

/** The Service and its EndpointSlices. */
export function serviceAccess(namespace: string): Access[] {
  return [
    { verb: 'get', group: '', resource: 'services', namespace },
    { verb: 'list', group: 'discovery.k8s.io', resource: 'endpointslices', namespace },
  ];
}

/** The pods of a Service, and their logs. */
export function logsAccess(namespace: string, { follow }: { readonly follow: boolean }): Access[] {
  return [
    ...['list', ...(follow ? ['watch'] : [])].map((verb) => ({ verb, group: '', resource: 'pods', namespace })),
    { verb: 'get', group: '', resource: 'pods', subresource: 'log', namespace },
  ];
}

/** `list nodes`, `create pods/exec -n kube-system`: as kubectl auth can-i takes it. */
export function accessText({ verb, group, resource, subresource, namespace, name, orNames = [] }: Right): string {
  const what = `${resource}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
  const named = name === undefined ? [what] : [name, ...orNames].map((each) => `${what}/${each}`);
  return `${verb} ${named.join(' or ')}${namespace === undefined ? '' : ` -n ${namespace}`}`;
}

/** Those that the user may not do, in their order. Where even asking is refused, nothing is known to be missing. */
export async function missingRights(
  clusterClient: Pick<ClusterClient, 'mayI'>,
  accesses: readonly Right[],
): Promise<string[]> {
  const allowed = await Promise.all(
    accesses.map(async ({ orNames = [], ...access }) => {
      const each = await Promise.all(
        [access, ...orNames.map((name) => ({ ...access, name }))].map((one) => mayI(clusterClient, one)),
      );
      return each.includes(true);
    }),
  );
  return accesses.filter((_, index) => allowed[index] === false).map(accessText);
}

async function mayI(clusterClient: Pick<ClusterClient, 'mayI'>, access: Access): Promise<boolean> {
  try {
    return await clusterClient.mayI(access);
  } catch (error) {
    if (isForbidden(error)) return true;
    throw error;
  }
}

/**
 * Before a command begins that nothing but these rights can serve.
 * @param what needs them, as the beginning of a sentence: `logs`
 * @throws ClusterError with all that are missing
 */
export async function requireRights(
  clusterClient: Pick<ClusterClient, 'mayI'>,
  accesses: readonly Access[],
  what: string,
): Promise<void> {
  const missing = await missingRights(clusterClient, accesses);
  if (missing.length > 0) throw new ClusterError(`${what} needs rights that you lack: ${missing.join('; ')}.`);
}
