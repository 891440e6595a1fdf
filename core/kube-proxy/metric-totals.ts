/** What a kube-proxy did since it started, of both families together. */
import { mergeDurations } from './histograms.ts';
import type { Durations, KubeProxyMetrics, KubeProxySync } from './metrics.ts';
import { present } from '../lib/present.ts';

/** A field is absent where kube-proxy does not say it. */
export interface KubeProxyTotals {
  /** Seconds since 1970: when writing was last asked for, of the family for which that is longer ago than its last write; else of the newer. */
  readonly lastQueued?: number;
  /** Changes of Services and endpoints that are not written yet. */
  readonly pendingChanges?: number;
  readonly syncs?: Durations;
  readonly fullSyncs?: number;
  readonly partialSyncs?: number;
  /** Writes that failed, one for each family: a failed partial run of iptables-restore counts as failed and as partial there (proxier.go syncProxyRules). */
  readonly failures?: number;
  readonly apiRequests?: number;
  /** Packets that its rule against those of no connection dropped. */
  readonly invalidPackets?: number;
  /** Requests to the API server without an answer, or with 401, 403 or 5xx. */
  readonly apiErrors?: number;
  readonly networkProgramming?: Durations;
}

export function kubeProxyTotals(metrics: KubeProxyMetrics): KubeProxyTotals {
  const { syncs, apiRequests } = metrics;
  const sum = (values: readonly (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined && Number.isFinite(value));
    return known.length === 0 ? undefined : Math.round(known.reduce<number>((total, value) => total + (value ?? 0), 0));
  };
  const durations = (value: (sync: KubeProxySync) => Durations | undefined): Durations | undefined => {
    const known = syncs.flatMap((sync) => value(sync) ?? []);
    return known.length === 0 ? undefined : mergeDurations(known);
  };
  const failed = [...apiRequests].filter(
    ([code]) => code === '<error>' || code === '401' || code === '403' || code.startsWith('5'),
  );
  return present({
    lastQueued: lastQueuedOf(syncs),
    pendingChanges: sum([metrics.serviceChangesPending, metrics.endpointChangesPending]),
    syncs: durations((sync) => sync.syncs),
    fullSyncs: sum(syncs.map((sync) => sync.fullSyncs?.count)),
    partialSyncs: sum(syncs.map((sync) => sync.partialSyncs?.count)),
    failures: sum(syncs.map(failedWrites)),
    apiRequests: apiRequests.size === 0 ? undefined : sum([...apiRequests.values()]),
    invalidPackets: sum([metrics.invalidPacketsDropped]),
    apiErrors: apiRequests.size === 0 ? undefined : (sum(failed.map(([, count]) => count)) ?? 0),
    networkProgramming: durations((sync) => sync.networkProgramming),
  });
}

/** Undefined where kube-proxy does not say it. */
export function failedWrites({
  restoreFailures,
  partialRestoreFailures,
  nftablesSyncFailures,
}: KubeProxySync): number | undefined {
  const known = [restoreFailures, partialRestoreFailures, nftablesSyncFailures].filter((count) => count !== undefined);
  return known.length === 0
    ? undefined
    : Math.max(restoreFailures ?? 0, partialRestoreFailures ?? 0) + (nftablesSyncFailures ?? 0);
}

function lastQueuedOf(syncs: readonly KubeProxySync[]): number | undefined {
  const late = waitingSince(syncs);
  const all = syncs.flatMap(({ lastQueued }) => (isTime(lastQueued) ? [lastQueued] : []));
  return late ?? (all.length === 0 ? undefined : Math.max(...all));
}

/** Seconds since 1970, since when the longest waiting family waits to be written; undefined where none does. */
export function waitingSince(syncs: readonly KubeProxySync[]): number | undefined {
  const waiting = syncs.flatMap(({ lastQueued, lastSync }) =>
    isTime(lastQueued) && lastQueued > (lastSync ?? 0) ? [lastQueued] : [],
  );
  return waiting.length === 0 ? undefined : Math.min(...waiting);
}

/** Seconds since 1970 that a date can hold. */
function isTime(seconds: number | undefined): seconds is number {
  return seconds !== undefined && seconds > 0 && seconds < 8.64e12;
}
