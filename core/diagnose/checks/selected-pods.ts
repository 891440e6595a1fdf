/** The pods behind a Service. */
import type { ClusterFacts, PodFacts } from '../../api/cluster-facts.ts';
import type { DesiredService } from '../../api/service.ts';

/** Those that the selector matches and that have not ended (k8s.io/endpointslice util ShouldPodBeInEndpoints); undefined where pods were not read. */
export function livePods(cluster: ClusterFacts | undefined): readonly PodFacts[] | undefined {
  return cluster?.pods?.filter((pod) => pod.selected && !hasEnded(pod));
}

/** An ended pod keeps its object, and is not an endpoint. */
export function hasEnded({ phase }: PodFacts): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** `app=auth,tier=web`; empty where the Service has no selector. */
export function selectorText({ service }: DesiredService): string {
  return Object.entries(service.selector ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Where a finding about these pods belongs: the one pod, or the Service. */
export function whereOf(pods: readonly { readonly name: string }[], desired: DesiredService): string {
  const [first] = pods;
  return first !== undefined && pods.length === 1 ? `pod/${first.name}` : `service/${desired.name}`;
}
