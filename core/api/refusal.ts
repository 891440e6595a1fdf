/** What the API server's authorizer refused, and the role that gives it. */
import { kubectl } from './command.ts';

/** How apiserver/pkg/endpoints/handlers/responsewriters/errors.go says it. */
const forbiddenPattern =
  /is forbidden: User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)" (?:in the namespace "([^"]*)"|at the cluster scope)/;

/**
 * `User "jane" may not list nodes in the whole cluster (kubectl auth can-i list nodes); an administrator gives it with: …`,
 * without a period; undefined for a message that is not the authorizer's.
 */
export function describeRefusal(message: string): string | undefined {
  const match = forbiddenPattern.exec(message);
  if (match === null) return undefined;
  const [, user = '', verb = '', resource = '', group = '', namespace] = match;
  const [plural = '', ...subresource] = resource.split('/');
  const kind = group === '' ? plural : `${plural}.${group}`;
  const check = kubectl(
    'auth',
    'can-i',
    verb,
    kind,
    ...subresource.map((each) => `--subresource=${each}`),
    ...namespaceFlag(namespace),
  ).run;
  const where = namespace === undefined ? 'in the whole cluster' : `in namespace "${namespace}"`;
  return `User "${user}" may not ${verb} ${group === '' ? resource : `${resource}.${group}`} ${where} (${check}); ${remedy({ user, verb, resource, group, namespace, asked: [kind, ...subresource].join('/') })}`;
}

interface Refused {
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
  readonly group: string;
  readonly namespace: string | undefined;
  /** As `kubectl create role` takes it: `deployments.apps/scale`. */
  readonly asked: string;
}

/** The narrowest role that gives it, and its binding, as commands. */
function remedy({ user, verb, resource, group, namespace, asked }: Refused): string {
  if (user.startsWith('system:serviceaccount:svctrace-system:'))
    return `install the operator again, which gives it its roles: ${kubectl('svctrace', 'install').run}`;
  const create = (kind: string, ...words: readonly string[]): string =>
    kubectl('create', kind, ...words, ...namespaceFlag(namespace)).run;
  if (group === 'svctrace.io') {
    const role = 'svctrace-servicetrace-editor';
    const kind = namespace === undefined ? 'clusterrolebinding' : 'rolebinding';
    return `the ClusterRole ${role} gives it: ${create(kind, 'traces', `--clusterrole=${role}`, subjectFlag(user))}`;
  }
  const name = `svctrace-${verb}-${resource.replace('/', '-')}`;
  const kind = namespace === undefined ? 'clusterrole' : 'role';
  const role = create(kind, name, `--verb=${verb}`, `--resource=${asked}`);
  const binding = create(`${kind}binding`, name, `--${kind}=${name}`, subjectFlag(user));
  return `an administrator gives it with: ${role} && ${binding}`;
}

function namespaceFlag(namespace: string | undefined): readonly string[] {
  return namespace === undefined ? [] : ['-n', namespace];
}

function subjectFlag(user: string): string {
  const account = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(user)?.[1];
  return account === undefined ? `--user=${user}` : `--serviceaccount=${account}`;
}
