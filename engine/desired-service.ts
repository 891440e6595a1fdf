/** A Service with its EndpointSlices, as the API server has them now. */
import { CoreV1Api, DiscoveryV1Api, type KubeConfig, type V1EndpointSlice } from '@kubernetes/client-node';
import type { DesiredService } from '../core/api/service.ts';
import { unlessAbsent } from './api-error.ts';
import { desiredServiceOf } from './observe.ts';

/** @throws ApiException */
export async function readEndpointSlices(
  discovery: DiscoveryV1Api,
  namespace: string,
  service: string,
): Promise<readonly V1EndpointSlice[]> {
  const labelSelector = `kubernetes.io/service-name=${service}`;
  return (await discovery.listNamespacedEndpointSlice({ namespace, labelSelector })).items;
}

/** Undefined where the Service is not there. @throws ApiException */
export async function readDesiredService(
  kubeConfig: KubeConfig,
  namespace: string,
  name: string,
): Promise<DesiredService | undefined> {
  const service = await unlessAbsent(kubeConfig.makeApiClient(CoreV1Api).readNamespacedService({ namespace, name }));
  if (service === undefined) return undefined;
  return desiredServiceOf(service, await readEndpointSlices(kubeConfig.makeApiClient(DiscoveryV1Api), namespace, name));
}
