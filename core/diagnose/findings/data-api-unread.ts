import type { UnreadFacts } from '../../cluster-facts.ts';
import type { FindingKind } from '../finding.ts';

export const dataApiUnread: FindingKind = {
  id: 'DATA-API-UNREAD',
  severity: 'info',
  condition: 'A part of what the API server tells around the Service could not be read: what is found from it is unknown.',
  notReported: 'The Service and its EndpointSlices, without which there is no result at all.',
  source: 'this project: unknown is never shown as healthy',
  find: ({ cluster }) =>
    (cluster?.unread ?? []).map((unread) => ({
      where: unread.what.includes(' ') ? 'cluster' : unread.what,
      message: `The API server did not give ${unread.what}, so nothing is said of ${unknownOf(unread.what)}.`,
      evidence: [unread.reason],
      advice: adviceOf(unread),
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
function adviceOf({ forbidden, reason }: UnreadFacts): string {
  if (forbidden === undefined) return 'trace again: the API server answered with an error, or not in time';
  const { verb, resource, namespace } = forbidden;
  // Of all namespaces.
  const [place, kind] = namespace === '' ? ['', 'clusterrole'] : [` -n ${namespace}`, 'role'];
  const name = `svctrace-read-${resource.split('.')[0] ?? resource}`;
  const user = /^.*? is forbidden: User "([^"]+)"/.exec(reason)?.[1];
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user ?? '');
  const subject = account === null ? `--user=${user ?? 'USER'}` : `--serviceaccount=${account[1] ?? ''}:${account[2] ?? ''}`;
  return `kubectl${place} create ${kind} ${name} --verb=${verb} --resource=${resource} && kubectl${place} create ${kind}binding ${name} --${kind}=${name} ${subject}`;
}
