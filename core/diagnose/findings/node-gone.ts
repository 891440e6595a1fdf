import { plural } from '../../lib/plural.ts';
import { isWithin } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

/** A node that joined a moment ago may be newer than the list of nodes. */
const graceMilliseconds = 60_000;

export const nodeGone: FindingKind = {
  id: 'NODE-GONE',
  topic: 'nodes',
  severity: 'error',
  condition:
    'Endpoints that get packets are on a node whose Node object is gone: kube-proxy there ended with it, and nobody renews what it wrote.',
  notReported: 'Endpoints without a node; pods that were made in the last minute.',
  source:
    'kube-proxy exits with "Node is being deleted"; k8s.io/endpointslice reconciler.go skips such pods at its next turn',
  find: ({ desired, cluster, now }) => {
    if (cluster?.nodes === undefined || cluster.nodes.length === 0) return [];
    const known = new Set(cluster.nodes.map(({ name }) => name));
    const created = new Map(cluster.pods?.map((pod) => [pod.uid, pod.createdAt]));
    const lost = desired.endpointSlices
      .flatMap((slice) => slice.endpoints)
      .filter(
        ({ ready, serving, nodeName, targetRef }) =>
          (ready || serving) &&
          nodeName !== undefined &&
          !known.has(nodeName) &&
          !isWithin(created.get(targetRef?.uid ?? ''), graceMilliseconds, now),
      );
    return [...Map.groupBy(lost, ({ nodeName = '' }) => nodeName)].map(([node, endpoints]) => ({
      where: `node/${node}`,
      node,
      message: `Service ${desired.name} has ${plural(endpoints.length, 'endpoint')} on ${node}, and the cluster has no node of that name.`,
      evidence: endpoints
        .slice(0, 10)
        .map(({ addresses, targetRef }) => `${addresses.join(', ')} ${targetRef?.name ?? 'without targetRef'}`),
      advice:
        'Where the machine is gone for good, delete the pod by force. Otherwise let its kubelet register it again.',
      commands: endpoints
        .flatMap(({ targetRef }) => targetRef?.name ?? [])
        .slice(0, 1)
        .map((pod) => kubectl('-n', desired.namespace, 'delete', `pod/${pod}`, '--grace-period=0', '--force')),
    }));
  },
};
