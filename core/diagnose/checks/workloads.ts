/** Which workload made a pod: what a Service's endpoints have in common, where its selector takes in those of one alone. */
import type { PodFacts } from '../../api/cluster-facts.ts';
import { containerPorts } from './target-port.ts';

export interface Workload {
  /** `Deployment auth`; `pods app=auth` for pods that nobody controls. */
  readonly text: string;
  readonly pods: readonly PodFacts[];
}

/** Each workload once, that with the most pods first. */
export function workloadsOf(pods: readonly PodFacts[]): Workload[] {
  return [...Map.groupBy(pods, workloadText)]
    .map(([text, own]): Workload => ({ text, pods: own }))
    .sort((one, other) => other.pods.length - one.pods.length || (one.text < other.text ? -1 : 1));
}

/** Labels that a ReplicaSet's owner puts the hash of its template into, by which the ReplicaSet's name ends. */
const templateHashes: readonly (readonly [label: string, kind: string])[] = [
  ['pod-template-hash', 'Deployment'],
  ['rollouts-pod-template-hash', 'Rollout'],
];

/** Labels that name what a pod is for (Recommended Labels, and those from before them). */
const namingLabels = ['app.kubernetes.io/name', 'app.kubernetes.io/component', 'app', 'k8s-app', 'component'] as const;

export function workloadText({ owner, labels }: PodFacts): string {
  if (owner === undefined) {
    const named = namingLabels.flatMap((label) => (labels[label] === undefined ? [] : [`${label}=${labels[label]}`]));
    return `pods ${named.join(',') || 'without a label app'}`;
  }
  if (owner.kind === 'ReplicaSet') {
    for (const [label, kind] of templateHashes) {
      const suffix = `-${labels[label] ?? ''}`;
      if (suffix !== '-' && owner.name.endsWith(suffix)) return `${kind} ${owner.name.slice(0, -suffix.length)}`;
    }
  }
  return `${owner.kind} ${owner.name}`;
}

/** `8080/TCP, 9090/TCP`: every port that some pod of the workload declares; `no port`. */
export function workloadPortsText({ pods }: Workload): string {
  return (
    [...new Set(pods.flatMap((pod) => containerPorts(pod).map(({ port, protocol }) => `${String(port)}/${protocol}`)))]
      .sort((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10))
      .join(', ') || 'no port'
  );
}
