/** A Service with its EndpointSlices, as the API server has them now. */
import { CoreV1Api, DiscoveryV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { DesiredService } from '../core/api/service.ts';
import { present } from '../core/lib/present.ts';
import { unlessAbsent } from './api-error.ts';
import type { KeptSlice } from './kept-objects.ts';
import { desiredServiceOf } from './observe.ts';

/** The EndpointSlices of a Service as one list has them, and the times around it in milliseconds since 1970. */
export interface SliceList {
  readonly items: readonly KeptSlice[];
  /** Of the list; absent where the API server does not say it. */
  readonly resourceVersion?: string;
  readonly askedAt: number;
  readonly seenAt: number;
}

/** @throws ApiException */
export async function listEndpointSlices(
  discovery: DiscoveryV1Api,
  namespace: string,
  service: string,
): Promise<SliceList> {
  const labelSelector = `kubernetes.io/service-name=${service}`;
  const askedAt = Date.now();
  const { items, metadata } = await discovery.listNamespacedEndpointSlice({ namespace, labelSelector });
  return { items, ...present({ resourceVersion: metadata?.resourceVersion }), askedAt, seenAt: Date.now() };
}

/** @throws ApiException */
export async function readEndpointSlices(
  discovery: DiscoveryV1Api,
  namespace: string,
  service: string,
): Promise<readonly KeptSlice[]> {
  return (await listEndpointSlices(discovery, namespace, service)).items;
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
