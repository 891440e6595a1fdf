/** kube-proxy: its pods, and the ConfigMap with its configuration. */
import type { CoreV1Api } from '@kubernetes/client-node';
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import { kubeProxyLabels } from '../core/kube-proxy/objects.ts';
import { present } from '../core/lib/present.ts';
import { unlessAbsent } from './api-error.ts';
import { byName, ownerOf } from './fact-values.ts';
import type { KeptPod } from './kept-objects.ts';
import { withConfiguration } from './kube-proxy-config-maps.ts';

const namespace = 'kube-system';

export type KubeProxyConfigMap = NonNullable<ReturnType<typeof withConfiguration>>;

/** @param list pods of a namespace that a selector matches */
export async function listKubeProxyPods(
  list: (namespace: string, labelSelector: string) => Promise<readonly KeptPod[]>,
): Promise<readonly KeptPod[]> {
  const lists = await Promise.all(kubeProxyLabels.map((labels) => list(namespace, labels)));
  return [...new Map(lists.flat().map((pod) => [pod.metadata?.name ?? '', pod])).values()];
}

/**
 * The one of these ConfigMaps that holds the configuration; undefined where none of them is there.
 * @throws ApiException where none was found and one could not be read
 */
export async function readKubeProxyConfigMap(
  core: CoreV1Api,
  names: readonly string[],
): Promise<KubeProxyConfigMap | undefined> {
  const read = await Promise.allSettled(
    names.map((name) => unlessAbsent(core.readNamespacedConfigMap({ namespace, name }))),
  );
  const found = withConfiguration(
    read.flatMap((each) => (each.status === 'fulfilled' && each.value !== undefined ? [each.value] : [])),
  );
  const failed = read.find((each) => each.status === 'rejected');
  if (found === undefined && failed !== undefined) throw failed.reason;
  return found;
}

export function kubeProxyFacts(
  pods: readonly KeptPod[],
  config: KubeProxyConfigMap | undefined,
): NonNullable<ClusterFacts['kubeProxy']> {
  return {
    ...present({ config: config?.data, configMap: config?.name }),
    pods: pods
      .map(({ metadata, spec, status }) => ({
        ...present({ node: spec?.nodeName, owner: ownerOf(metadata) }),
        name: metadata?.name ?? '',
        ready: isReady(status?.conditions),
        restarts: (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
        image: spec?.containers[0]?.image ?? '',
      }))
      .sort(byName),
  };
}

function isReady(conditions: readonly { type: string; status: string }[] | undefined): boolean {
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
