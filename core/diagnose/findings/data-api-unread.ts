import type { UnreadFacts } from '../../api/cluster-facts.ts';
import { kubectl, type Action } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataApiUnread: FindingKind = {
  id: 'DATA-API-UNREAD',
  severity: 'info',
  condition:
    'A part of what the API server tells around the Service could not be read: what is found from it is unknown.',
  notReported: 'The Service and its EndpointSlices, without which there is no result at all.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ cluster }) =>
    (cluster?.unread ?? []).map((unread) => ({
      where: unread.what.includes(' ') ? 'cluster' : unread.what,
      message: `The API server did not give ${unread.what}, so nothing is said of ${unknownOf(unread.what)}.`,
      evidence: [unread.reason],
      ...actionOf(unread),
    })),
};

/** By the first word of what was not read. */
const unknownParts: ReadonlyMap<string, string> = new Map([
  ['services', 'whose the external addresses are, and nothing was asked for there'],
  ['pods', 'the pods: labels near a selector, readiness, restarts, ports, and endpoints without a pod'],
  ['endpoints', 'the legacy Endpoints object'],
  ['networkpolicies', 'NetworkPolicies that may refuse the clients'],
  ['service', "the cluster's DNS Service"],
  ['kube-proxy', 'the pods of kube-proxy'],
  ['configmap', 'the configuration of kube-proxy'],
]);

function unknownOf(what: string): string {
  if (what.startsWith('pods of kube-proxy')) return 'the pods of kube-proxy';
  return unknownParts.get(/^[a-z-]+/.exec(what)?.[0] ?? '') ?? 'what depends on it';
}

/** The rights to give, as kubectl takes them; the subject is the one that the API server named. */
function actionOf({ forbidden, reason }: UnreadFacts): Action {
  if (forbidden === undefined) return { advice: 'Trace again: the API server answered with an error, or not in time.' };
  const { verb, resource, namespace, names = [] } = forbidden;
  // Of all namespaces.
  const isEverywhere = namespace === '';
  const kind = isEverywhere ? 'clusterrole' : 'role';
  const place = isEverywhere ? [] : ['-n', namespace];
  const name = `svctrace-read-${resource.split('.')[0] ?? resource}`;
  const user = /^.*? is forbidden: User "([^"]+)"/.exec(reason)?.[1];
  const advice = `Where it should be read, give ${user ?? 'the user who traces'} the right to ${verb.replaceAll(',', ' and ')} ${resource.replaceAll(',', ' and ')} ${isEverywhere ? 'of all namespaces' : `in namespace ${namespace}`}.`;
  if (user === undefined) return { advice };
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  const subject = account === null ? `--user=${user}` : `--serviceaccount=${account[1] ?? ''}:${account[2] ?? ''}`;
  return {
    advice,
    commands: [
      kubectl(
        ...place,
        'create',
        kind,
        name,
        `--verb=${verb}`,
        `--resource=${resource}`,
        ...names.map((each) => `--resource-name=${each}`),
      ),
      kubectl(...place, 'create', `${kind}binding`, name, `--${kind}=${name}`, subject),
    ],
  };
}
