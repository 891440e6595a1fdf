import type { ApiPart, UnreadFacts } from '../../api/cluster-facts.ts';
import { kubectl, type Action } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const dataApiUnread: FindingKind = {
  id: 'DATA-API-UNREAD',
  topic: 'data',
  severity: 'info',
  isLasting: true,
  condition:
    'A part of what the API server holds around the Service could not be read: what is found from it is unknown.',
  notReported: 'The Service and its EndpointSlices, without which there is no result at all.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ cluster }) =>
    (cluster?.unread ?? []).map((unread) => ({
      where: unread.part === 'endpoints' ? unread.what : 'cluster',
      message: `The API server did not give ${unread.what}, so nothing is said of ${unknownOf[unread.part]}.`,
      evidence: [unread.reason],
      ...actionOf(unread),
    })),
};

const unknownOf: Readonly<Record<ApiPart, string>> = {
  addressHolders: 'whose the external addresses are, and nothing was asked for there',
  pods: 'the pods: labels near a selector, readiness, restarts, ports, and endpoints without a pod',
  endpoints: 'the legacy Endpoints object',
  networkPolicies: 'NetworkPolicies that may refuse the clients',
  clusterDns: "the cluster's DNS Service",
  kubeProxyPods: 'the pods of kube-proxy',
  kubeProxyConfig: 'the configuration of kube-proxy',
  other: 'what depends on it',
};

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
