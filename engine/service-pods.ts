/** The pods of a Service: those that it selects, that its EndpointSlices name, and where it selects none, those that are near. */
import type { CoreV1Api } from '@kubernetes/client-node';
import type { PodFacts } from '../core/api/cluster-facts.ts';
import { labelDistance } from '../core/diagnose/checks/nearest-labels.ts';
import { unlessAbsent } from './api-error.ts';
import { byName } from './fact-values.ts';
import type { KeptPod, KeptService, KeptSlice } from './kept-objects.ts';
import { podFacts } from './pod-facts.ts';

/** Pods whose labels are only near the selector are kept up to this many, the nearest first. */
const maxNearPods = 50;
/** As many pods that only EndpointSlices name are read one by one; of more, all pods of the namespace are listed. */
const maxSinglePods = 20;

export interface ServicePods {
  readonly facts: PodFacts[];
  /** Those that the Service selects. */
  readonly selected: readonly KeptPod[];
}

/**
 * @param list the pods of a namespace that a selector matches; all where it is empty
 * @throws ApiException
 */
export async function readServicePods(
  core: CoreV1Api,
  service: KeptService,
  slices: readonly KeptSlice[],
  list: (namespace: string, labelSelector: string) => Promise<readonly KeptPod[]>,
): Promise<ServicePods> {
  const namespace = service.metadata?.namespace ?? '';
  const selector = service.spec?.selector ?? {};
  const terms = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  const selected = terms.length === 0 ? [] : await list(namespace, terms.join(','));
  const known = new Set(selected.map(({ metadata }) => metadata?.name ?? ''));
  const named = new Set(
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? []).flatMap(({ targetRef }) =>
        targetRef?.kind === 'Pod' && targetRef.name !== undefined && !known.has(targetRef.name) ? [targetRef.name] : [],
      ),
    ),
  );
  // Where nothing is selected, the pods whose labels are nearest show a typo.
  const isNoneSelected = selected.length === 0 && terms.length > 0;
  const all = isNoneSelected || named.size > maxSinglePods ? await list(namespace, '') : undefined;
  const others =
    all === undefined
      ? (
          await Promise.all([...named].map((name) => unlessAbsent(core.readNamespacedPod({ namespace, name }))))
        ).flatMap((pod) => pod ?? [])
      : all.filter(({ metadata }) => named.has(metadata?.name ?? ''));
  const near = isNoneSelected
    ? nearestPods(selector, all ?? []).filter(({ metadata }) => !named.has(metadata?.name ?? ''))
    : [];
  return {
    facts: [
      ...selected.map((pod) => podFacts(pod, true)),
      ...[...others, ...near].map((pod) => podFacts(pod, false)),
    ].sort(byName),
    selected,
  };
}

/** Those that have some label of the selector, or one of its values under another key; of one set of labels, one. */
function nearestPods(selector: Readonly<Record<string, string>>, pods: readonly KeptPod[]): KeptPod[] {
  const byLabels = new Map(
    pods.map((pod) => [
      JSON.stringify(
        Object.entries(pod.metadata?.labels ?? {})
          .filter(([key]) => key !== 'pod-template-hash')
          .sort(([one], [other]) => (one < other ? -1 : 1)),
      ),
      pod,
    ]),
  );
  return [...byLabels.values()]
    .filter(({ metadata }) => isNear(selector, metadata?.labels ?? {}))
    .map((pod) => ({ pod, far: labelDistance(selector, pod.metadata?.labels ?? {}) }))
    .sort((one, other) => one.far - other.far)
    .slice(0, maxNearPods)
    .map(({ pod }) => pod);
}

function isNear(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  const values = new Set(Object.values(labels));
  return Object.entries(selector).some(([key, value]) => Object.hasOwn(labels, key) || values.has(value));
}
