/** What is known of the cluster without asking for it: objects that somebody watches. */
import type { SliceList } from './desired-service.ts';
import type { KeptNode, KeptPod, KeptService } from './kept-objects.ts';

/** Undefined means of each that it is not known for sure right now: then the API server has to be asked. */
export interface ClusterLister {
  /** Undefined also where there is none: it may be there, and not reported yet. */
  service(namespace: string, name: string): KeptService | undefined;
  serviceNames(namespace: string): readonly string[] | undefined;
  /** Of the whole cluster, those of which `holderEntries` has one of these. */
  servicesAt(entries: readonly string[]): readonly KeptService[] | undefined;
  endpointSlices(namespace: string, service: string): SliceList | undefined;
  /** Of the whole cluster. */
  nodes(): readonly KeptNode[] | undefined;
  /** Not known when it is asked for the first time: from then on they are watched. */
  pods(selection: PodSelection): readonly KeptPod[] | undefined;
}

/** By one of the two selectors, as the API server takes them. */
export interface PodSelection {
  /** Absent: of all. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ClusterCache {
  /** @param podsMilliseconds for so long pods stay watched after they were asked for; 0: they are not watched for this */
  lister(podsMilliseconds: number): ClusterLister;
}
