/** kube-proxy's ConfigMap, among those that its pods mount. */
import type { V1ConfigMap } from '@kubernetes/client-node';
import { usualConfigMaps } from '../core/kube-proxy/objects.ts';
import type { KeptPod } from './kept-objects.ts';

/** Pods of one cluster mount few; of others nobody asks. */
const mostConfigMaps = 4;

/**
 * The ConfigMaps that kube-proxy's pods mount, where one says `kube-proxy` in its name (also kube-proxy-config-<hash>, of
 * which each roll-out makes another); the usual ones where they mount none, as a static pod that only has flags.
 */
export function configMapNames(pods: readonly KeptPod[]): string[] {
  const mounted = pods
    .flatMap(({ spec }) => spec?.volumes ?? [])
    .flatMap(({ configMap, projected }) => [
      configMap?.name,
      ...(projected?.sources ?? []).map((source) => source.configMap?.name),
    ])
    .flatMap((name) => (name?.includes('kube-proxy') === true ? [name] : []));
  const names = [...new Set(mounted)].sort().slice(0, mostConfigMaps);
  return names.length === 0 ? [...usualConfigMaps] : names;
}

/** The one with kube-proxy's configuration: another may hold its kubeconfig alone, as that of EKS named kube-proxy does. */
export function withConfiguration(
  maps: readonly V1ConfigMap[],
): { readonly name: string; readonly data: Record<string, string> } | undefined {
  const filled = maps.flatMap(({ metadata, data }) =>
    data === undefined ? [] : [{ name: metadata?.name ?? '', data }],
  );
  const holds = (data: Record<string, string>): boolean =>
    Object.hasOwn(data, 'config.conf') ||
    Object.values(data).some((text) => /^\s*"?kind"?:\s*"?KubeProxyConfiguration/m.test(text));
  return filled.find(({ data }) => holds(data)) ?? filled[0];
}
