/** What the API server's authorizer refused, and the role that gives it. */

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
  const place = namespace === undefined ? '' : ` -n ${namespace}`;
  const check = `kubectl auth can-i ${verb} ${kind}${subresource.map((each) => ` --subresource=${each}`).join('')}${place}`;
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
    return 'install the operator again, which gives it its roles: kubectl svctrace install';
  if (group === 'svctrace.io')
    return `the ClusterRole svctrace-servicetrace-editor gives it: kubectl create rolebinding traces --clusterrole=svctrace-servicetrace-editor ${subjectFlag(user)} -n ${namespace ?? 'NAMESPACE'}`;
  const name = `svctrace-${verb}-${resource.replace('/', '-')}`;
  const [kind, place] = namespace === undefined ? ['clusterrole', ''] : ['role', ` -n ${namespace}`];
  return `an administrator gives it with: kubectl create ${kind} ${name} --verb=${verb} --resource=${asked}${place} && kubectl create ${kind}binding ${name} --${kind}=${name} ${subjectFlag(user)}${place}`;
}

function subjectFlag(user: string): string {
  const account = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(user)?.[1];
  if (account !== undefined) return `--serviceaccount=${account}`;
  return `--user=${/^[\w@.:/+-]+$/.test(user) ? user : `'${user.replaceAll("'", String.raw`'\''`)}'`}`;
}
