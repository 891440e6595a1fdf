/** Services with what a list shows of them, and the names of pods, nodes and namespaces. */
import * as z from 'zod';
import type { Api } from './api.ts';
import { isForbidden } from './api-error.ts';
import { isThere, namespacePath, segment } from './objects.ts';

export interface NamedService {
  readonly namespace: string;
  readonly name: string;
}

/** A Service as a list shows it. */
export interface ListedService extends NamedService {
  readonly type: string;
  /** Absent where it has none. */
  readonly clusterIP?: string;
  /** Such as 80/TCP. */
  readonly ports: readonly string[];
  readonly selectsPods: boolean;
  /** Of its EndpointSlices, a dual-stack pod counted once; absent where they may not be read. */
  readonly endpoints?: number;
  readonly readyEndpoints?: number;
}

const metadataSchema = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) });
const listSchema = z.object({ items: z.array(metadataSchema) });
const serviceListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string() }),
      spec: z.object({
        type: z.string().optional(),
        clusterIP: z.string().optional(),
        selector: z.record(z.string(), z.string()).optional(),
        ports: z.array(z.object({ port: z.number(), protocol: z.string().optional() })).optional(),
      }),
    }),
  ),
});
const sliceListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ namespace: z.string(), labels: z.record(z.string(), z.string()).optional() }),
      addressType: z.string(),
      endpoints: z.array(z.object({ conditions: z.object({ ready: z.boolean().nullish() }).optional() })).nullish(),
    }),
  ),
});

export async function hasService(api: Api, namespace: string, name: string): Promise<boolean> {
  return isThere(api.request({ method: 'GET', path: `/api/v1${namespacePath(namespace)}/services/${segment(name)}` }));
}

export async function listServices(api: Api, namespace: string | undefined): Promise<NamedService[]> {
  return listObjects(api, `/api/v1${namespacePath(namespace)}/services`);
}

export async function listNamespaces(api: Api): Promise<string[]> {
  return listNames(api, '/api/v1/namespaces');
}

export async function listPods(api: Api, namespace: string): Promise<string[]> {
  return listNames(api, `/api/v1${namespacePath(namespace)}/pods`);
}

export async function listNodes(api: Api): Promise<string[]> {
  return listNames(api, '/api/v1/nodes');
}

async function listObjects(api: Api, path: string): Promise<NamedService[]> {
  const { items } = listSchema.parse(await api.request({ method: 'GET', path }));
  return items.map(({ metadata }) => ({ name: metadata.name, namespace: metadata.namespace ?? '' }));
}

async function listNames(api: Api, path: string): Promise<string[]> {
  return (await listObjects(api, path)).map(({ name }) => name);
}

export async function listServicesWithEndpoints(api: Api, namespace: string | undefined): Promise<ListedService[]> {
  const place = namespacePath(namespace);
  const [services, slices] = await Promise.all([
    api.request({ method: 'GET', path: `/api/v1${place}/services` }).then((body) => serviceListSchema.parse(body)),
    api.request({ method: 'GET', path: `/apis/discovery.k8s.io/v1${place}/endpointslices` }).then(
      (body) => sliceListSchema.parse(body),
      (error: unknown) => {
        if (isForbidden(error)) return undefined;
        throw error;
      },
    ),
  ]);
  const counts = slices === undefined ? undefined : countEndpoints(slices.items);
  return services.items.map((service) => listedService(service, counts));
}

type EndpointCount = Required<Pick<ListedService, 'endpoints' | 'readyEndpoints'>>;

/** @param counts by `namespace/Service`; undefined where EndpointSlices may not be read */
function listedService(
  { metadata, spec }: z.infer<typeof serviceListSchema>['items'][number],
  counts: ReadonlyMap<string, EndpointCount> | undefined,
): ListedService {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type: spec.type ?? 'ClusterIP',
    ...(spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None'
      ? {}
      : { clusterIP: spec.clusterIP }),
    ports: (spec.ports ?? []).map(({ port, protocol = 'TCP' }) => `${String(port)}/${protocol}`),
    selectsPods: Object.keys(spec.selector ?? {}).length > 0,
    ...(counts === undefined
      ? {}
      : (counts.get(`${metadata.namespace}/${metadata.name}`) ?? { endpoints: 0, readyEndpoints: 0 })),
  };
}

/** By `namespace/Service`: of each family there are as many, so the one with the most is counted. */
function countEndpoints(slices: z.infer<typeof sliceListSchema>['items']): Map<string, EndpointCount> {
  const byFamily = new Map<string, { service: string; endpoints: number; readyEndpoints: number }>();
  for (const { metadata, addressType, endpoints } of slices) {
    const name = metadata.labels?.['kubernetes.io/service-name'];
    if (name === undefined) continue;
    const service = `${metadata.namespace}/${name}`;
    const count = byFamily.get(`${service} ${addressType}`) ?? { service, endpoints: 0, readyEndpoints: 0 };
    byFamily.set(`${service} ${addressType}`, count);
    count.endpoints += endpoints?.length ?? 0;
    count.readyEndpoints += (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).length;
  }
  const counts = new Map<string, EndpointCount>();
  for (const { service, endpoints, readyEndpoints } of byFamily.values()) {
    if (endpoints >= (counts.get(service)?.endpoints ?? 0)) counts.set(service, { endpoints, readyEndpoints });
  }
  return counts;
}
