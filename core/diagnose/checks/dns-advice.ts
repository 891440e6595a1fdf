/** Advice about the servers of the cluster's DNS. */
import type { ClusterFacts } from '../../api/cluster-facts.ts';
import { kubectl, type Command } from '../../api/command.ts';

const most = 3;

/** The logs of the DNS servers' pods that are known; by the label that DNS add-ons share where none is. */
export function dnsLogs(cluster: ClusterFacts | undefined): Command[] {
  const pods = [...new Set((cluster?.dns?.servers ?? []).flatMap(({ pod }) => pod ?? []))].slice(0, most);
  if (pods.length === 0) return [kubectl('-n', 'kube-system', 'logs', '-l', 'k8s-app=kube-dns', '--all-containers')];
  return pods.map((pod) => kubectl('-n', 'kube-system', 'logs', `pod/${pod}`, '--all-containers'));
}
