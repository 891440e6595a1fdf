/** Every pod that was behind a Service while it was followed, and when each was deleted. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RolloutPod } from '../../core/rollout/pod-termination.ts';
import { ApiError } from '../cluster/api.ts';
import type { ClusterClient } from '../cluster/cluster-client.ts';
import { isForbidden, passingReason } from '../cluster/explain-error.ts';
import type { OwnedPod, OwnerName } from '../cluster/rollout-pods.ts';

export interface OwnedPods {
  /** All that were seen; undefined where they may not be read. */
  seen(): readonly RolloutPod[] | undefined;
  /** The owners of those that are there. */
  owners(): readonly OwnerName[];
}

const retryMilliseconds = 500;

/**
 * The first list has come when this resolves; after that, they are watched until `signal` aborts.
 * @param selector undefined where the Service has none
 */
export async function followOwnedPods(
  clusterClient: Pick<ClusterClient, 'listOwnedPods' | 'watchOwnedPods'>,
  { namespace, selector }: { readonly namespace: string; readonly selector: string | undefined },
  signal: AbortSignal,
): Promise<OwnedPods> {
  if (selector === undefined) return { seen: () => [], owners: () => [] };
  const pods = new Map<string, { readonly pod: OwnedPod; readonly isThere: boolean }>();
  let isRefused = false;
  const saw = (pod: OwnedPod, isThere: boolean): void => {
    const former = pods.get(pod.uid)?.pod;
    // What is deleted without a grace period carries no stamp: nobody knows when it got its signal.
    if (!isThere && pod.deletedAt === undefined && former?.deletedAt === undefined) pods.delete(pod.uid);
    else pods.set(pod.uid, { pod: merged(former, pod), isThere });
  };
  const list = async (): Promise<string> => {
    const { pods: listed, resourceVersion } = await clusterClient.listOwnedPods(namespace, selector);
    const uids = new Set(listed.map(({ uid }) => uid));
    for (const { pod, isThere } of [...pods.values()]) if (isThere && !uids.has(pod.uid)) saw(pod, false);
    for (const pod of listed) saw(pod, true);
    return resourceVersion;
  };
  let version: string | undefined;
  try {
    version = await list();
  } catch (error) {
    if (!isForbidden(error)) throw error;
    isRefused = true;
  }
  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        version ??= await list();
        await clusterClient.watchOwnedPods({ namespace, selector, resourceVersion: version }, saw, signal);
        // The server ends a watch after some time; the list shows what came in between.
        version = undefined;
      } catch (error) {
        if (signal.aborted) return;
        version = undefined;
        if (isForbidden(error)) {
          isRefused = true;
          return;
        }
        if (!(error instanceof ApiError && error.code === 410) && passingReason(error) === undefined) throw error;
      }
      await sleep(retryMilliseconds, undefined, { signal }).catch(() => undefined);
    }
  };
  if (!isRefused)
    watch().catch(() => {
      isRefused = true;
    });
  return {
    seen: () => (isRefused ? undefined : [...pods.values()].map(({ pod }) => pod)),
    owners: () => [
      ...new Map(
        [...pods.values()].flatMap(({ pod: { owner }, isThere }) =>
          owner === undefined || !isThere ? [] : [[`${owner.kind}/${owner.name}`, owner] as const],
        ),
      ).values(),
    ],
  };
}

/** The last state of a pod that goes has neither its addresses nor the grace period that it was given. */
function merged(former: OwnedPod | undefined, pod: OwnedPod): OwnedPod {
  if (former === undefined) return pod;
  const addresses = [...new Set([...former.addresses, ...pod.addresses])];
  return former.deletedAt === undefined ? { ...pod, addresses } : { ...former, addresses };
}
