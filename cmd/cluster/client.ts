/** The one door to the cluster. Tests replace it by a literal object. */
import type { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import {
  serviceTraceGroup,
  serviceTracePlural,
  serviceTraceVersion,
  type ServiceTrace,
  type ServiceTraceSpec,
} from '../../core/api/service-trace.ts';
import { ApiError, createApi, statusError, type Api } from './api.ts';
import { loadKubeConfig } from './kube-config.ts';
import type { Environment } from '../cli/io.ts';
import type { ClusterFlags } from '../cli/request.ts';

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

/** An object of a manifest, as it is written there. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}

export interface OperatorDeployment {
  readonly image: string;
  readonly availableReplicas: number;
  /** The message of its condition Available or Progressing, where it is not available. */
  readonly message: string;
}

export interface Access {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  /** Absent for what the cluster has once, and for all namespaces. */
  readonly namespace?: string;
  /** Absent for all objects. */
  readonly name?: string;
}

/** A pod with the containers whose logs may be read. */
export interface LogPod {
  readonly name: string;
  readonly uid: string;
  readonly node?: string | undefined;
  /** It was told to end. */
  readonly isEnding: boolean;
  /** Sidecars among them. */
  readonly containers: readonly LogContainer[];
}

export interface LogContainer {
  readonly name: string;
  readonly restarts: number;
  /** It runs, or has run: there is a log. */
  readonly hasStarted: boolean;
  readonly isRunning: boolean;
  /** Why it neither runs nor has ended for good, in the kubelet's word: `CrashLoopBackOff`. */
  readonly waiting?: string | undefined;
  /** Of the last run that is over; `at` in RFC 3339. */
  readonly ended?: { readonly exitCode: number; readonly reason?: string | undefined; readonly at: string } | undefined;
}

export interface LogQuery {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly follow: boolean;
  /** Of the container's run before this one. */
  readonly previous: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
}

export type WatchEvent =
  | { readonly kind: 'trace'; readonly trace: ServiceTrace }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

export interface ClusterClient {
  /** Address of the API server. */
  readonly server: string;
  /** Of the flags, else of the context, else `default`. */
  readonly namespace: string;
  readonly kubeConfig: KubeConfig;
  /** Whether the Service is there. */
  hasService(namespace: string, name: string): Promise<boolean>;
  /** The Services of a namespace; of all namespaces where none is given. */
  listServices(namespace?: string): Promise<NamedService[]>;
  /** The same with what a list shows of them. */
  listServicesWithEndpoints(namespace?: string): Promise<ListedService[]>;
  listNamespaces(): Promise<string[]>;
  listPods(namespace: string): Promise<string[]>;
  listNodes(): Promise<string[]>;
  /** Of a namespace, or those that the selector matches. */
  listLogPods(
    namespace: string,
    selector: string | undefined,
  ): Promise<{ readonly pods: readonly LogPod[]; readonly resourceVersion: string }>;
  /** Ends when the server ends the watch. @throws ApiError with code 410 where the version is too old */
  watchLogPods(
    namespace: string,
    selector: string | undefined,
    resourceVersion: string,
    onPod: (pod: LogPod, isThere: boolean) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Calls back for each line, with its time in front. @throws ApiError with code 400 where the container has no such log */
  readLog(query: LogQuery, onLine: (line: string) => void, signal: AbortSignal): Promise<void>;
  createTrace(trace: {
    readonly namespace: string;
    readonly generateName: string;
    readonly annotations: Readonly<Record<string, string>>;
    readonly spec: ServiceTraceSpec;
  }): Promise<ServiceTrace>;
  readTrace(namespace: string, name: string): Promise<ServiceTrace>;
  listTraces(namespace: string | undefined): Promise<ServiceTrace[]>;
  /** Ends when the server ends the watch. @throws ApiError with code 410 where the version is too old */
  watchTrace(
    namespace: string,
    name: string,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  annotateTrace(namespace: string, name: string, annotations: Readonly<Record<string, string>>): Promise<void>;
  deleteTrace(namespace: string, name: string, uid: string | undefined): Promise<void>;
  /** Undefined where it is not there. */
  readOperator(): Promise<OperatorDeployment | undefined>;
  /** Whether the CRD is there and served. */
  readCrd(): Promise<'absent' | 'established' | 'notEstablished'>;
  mayI(access: Access): Promise<boolean>;
  /** Server-side apply. */
  apply(manifest: Manifest): Promise<void>;
  /** Whether the object is there. */
  has(manifest: Manifest): Promise<boolean>;
  /** False where it is not there. */
  remove(manifest: Manifest): Promise<boolean>;
}

export const operatorNamespace = 'svctrace-system';
export const operatorName = 'svctrace-operator';
const fieldManager = 'kubectl-svctrace';
const managedByLabel = { 'app.kubernetes.io/managed-by': fieldManager } as const;

/** @throws ClusterError where no cluster is configured */
export function connect(flags: ClusterFlags, env: Environment, log: (line: string) => void): ClusterClient {
  const config = loadKubeConfig(flags, env);
  const api = createApi(config, {
    timeoutMilliseconds: flags.requestTimeoutMilliseconds,
    ...(flags.verbosity >= 6 ? { log } : {}),
  });
  return createClient(api, config, { server: config.server, namespace: config.namespace });
}

const metadataSchema = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().optional() }) });
const listSchema = z.object({ items: z.array(metadataSchema) });
const traceListSchema = z.object({ items: z.array(z.record(z.string(), z.unknown())) });
const watchSchema = z.object({ type: z.string(), object: z.record(z.string(), z.unknown()) });
const conditionsSchema = z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() }));
const deploymentSchema = z.object({
  spec: z.object({
    replicas: z.number().optional(),
    template: z.object({ spec: z.object({ containers: z.array(z.object({ image: z.string().optional() })) }) }),
  }),
  status: z.object({ availableReplicas: z.number().optional(), conditions: conditionsSchema.optional() }).optional(),
});
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
const crdSchema = z.object({ status: z.object({ conditions: conditionsSchema.optional() }).optional() });
const terminatedSchema = z.object({
  exitCode: z.number(),
  reason: z.string().optional(),
  finishedAt: z.string().nullish(),
});
const containerStateSchema = z
  .object({ running: z.unknown(), terminated: terminatedSchema, waiting: z.object({ reason: z.string().optional() }) })
  .partial();
const containerStatusSchema = z.array(
  z.object({
    name: z.string(),
    restartCount: z.number(),
    state: containerStateSchema.optional(),
    lastState: containerStateSchema.optional(),
  }),
);
const podSchema = z.object({
  metadata: z.object({ name: z.string(), uid: z.string().optional(), deletionTimestamp: z.string().optional() }),
  spec: z.object({
    nodeName: z.string().optional(),
    containers: z.array(z.object({ name: z.string() })),
    initContainers: z.array(z.object({ name: z.string(), restartPolicy: z.string().optional() })).optional(),
  }),
  status: z
    .object({
      containerStatuses: containerStatusSchema.optional(),
      initContainerStatuses: containerStatusSchema.optional(),
    })
    .optional(),
});
const podListSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(podSchema) });
const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });
const resourcesSchema = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

function createClient(
  api: Api,
  kubeConfig: KubeConfig,
  { server, namespace: ownNamespace }: { server: string; namespace: string },
): ClusterClient {
  const traces = (namespace: string | undefined): string =>
    `/apis/${serviceTraceGroup}/${serviceTraceVersion}${namespace === undefined ? '' : `/namespaces/${segment(namespace)}`}/${serviceTracePlural}`;
  const names = async (path: string): Promise<NamedService[]> => {
    const { items } = listSchema.parse(await api.request({ method: 'GET', path }));
    return items.map(({ metadata }) => ({ name: metadata.name, namespace: metadata.namespace ?? '' }));
  };
  const onlyNames = async (path: string): Promise<string[]> => (await names(path)).map(({ name }) => name);

  /** Path of an object's resource, as the API server's discovery says it. */
  const discovered = new Map<string, Promise<z.infer<typeof resourcesSchema>>>();
  const pathOf = async ({ apiVersion, kind, metadata }: Manifest): Promise<string> => {
    const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const known =
      discovered.get(base) ?? api.request({ method: 'GET', path: base }).then((body) => resourcesSchema.parse(body));
    discovered.set(base, known);
    const resource = (await known).resources.find(
      (candidate) => candidate.kind === kind && !candidate.name.includes('/'),
    );
    if (resource === undefined)
      throw statusError({ reason: 'NotFound', message: `the API server has no ${kind} in ${apiVersion}` }, 404);
    const place = resource.namespaced ? `/namespaces/${segment(metadata.namespace ?? 'default')}` : '';
    return `${base}${place}/${resource.name}/${segment(metadata.name)}`;
  };

  return {
    server,
    namespace: ownNamespace,
    kubeConfig,
    async hasService(namespace, name) {
      return isThere(
        api.request({ method: 'GET', path: `/api/v1/namespaces/${segment(namespace)}/services/${segment(name)}` }),
      );
    },
    listServices: (namespace) =>
      names(namespace === undefined ? '/api/v1/services' : `/api/v1/namespaces/${segment(namespace)}/services`),
    async listServicesWithEndpoints(namespace) {
      const place = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
      const [services, slices] = await Promise.all([
        api.request({ method: 'GET', path: `/api/v1${place}/services` }).then((body) => serviceListSchema.parse(body)),
        api.request({ method: 'GET', path: `/apis/discovery.k8s.io/v1${place}/endpointslices` }).then(
          (body) => sliceListSchema.parse(body),
          (error: unknown) => {
            if (error instanceof ApiError && error.code === 403) return undefined;
            throw error;
          },
        ),
      ]);
      const counts = countEndpoints(slices?.items ?? []);
      return services.items.map(({ metadata, spec }): ListedService => ({
        namespace: metadata.namespace,
        name: metadata.name,
        type: spec.type ?? 'ClusterIP',
        ...(spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None'
          ? {}
          : { clusterIP: spec.clusterIP }),
        ports: (spec.ports ?? []).map(({ port, protocol = 'TCP' }) => `${String(port)}/${protocol}`),
        selectsPods: Object.keys(spec.selector ?? {}).length > 0,
        ...(slices === undefined
          ? {}
          : (counts.get(`${metadata.namespace}/${metadata.name}`) ?? { endpoints: 0, readyEndpoints: 0 })),
      }));
    },
    listNamespaces: () => onlyNames('/api/v1/namespaces'),
    listPods: (namespace) => onlyNames(`/api/v1/namespaces/${segment(namespace)}/pods`),
    listNodes: () => onlyNames('/api/v1/nodes'),
    async listLogPods(namespace, selector) {
      const { items, metadata } = podListSchema.parse(
        await api.request({
          method: 'GET',
          path: `/api/v1/namespaces/${segment(namespace)}/pods`,
          query: { labelSelector: selector },
        }),
      );
      return { pods: items.map(logPodOf), resourceVersion: metadata.resourceVersion };
    },
    async watchLogPods(namespace, selector, resourceVersion, onPod, signal) {
      const query = {
        watch: true,
        labelSelector: selector,
        resourceVersion,
        allowWatchBookmarks: true,
        timeoutSeconds: 300,
      };
      await api.stream(
        { method: 'GET', path: `/api/v1/namespaces/${segment(namespace)}/pods`, query, signal },
        (line) => {
          const { type, object } = watchSchema.parse(line);
          if (type === 'ERROR')
            throw statusError(object, z.object({ code: z.number() }).safeParse(object).data?.code ?? 500);
          if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED')
            onPod(logPodOf(podSchema.parse(object)), type !== 'DELETED');
        },
      );
    },
    async readLog({ namespace, pod, container, follow, previous, sinceSeconds, sinceTime, tailLines }, onLine, signal) {
      const query = {
        container,
        timestamps: true,
        follow: follow || undefined,
        previous: previous || undefined,
        sinceSeconds,
        sinceTime,
        tailLines,
      };
      await api.lines(
        {
          method: 'GET',
          path: `/api/v1/namespaces/${segment(namespace)}/pods/${segment(pod)}/log`,
          query,
          signal,
          isEndless: follow,
        },
        onLine,
      );
    },
    async createTrace({ namespace, generateName, annotations, spec }) {
      const body = {
        apiVersion: `${serviceTraceGroup}/${serviceTraceVersion}`,
        kind: 'ServiceTrace',
        metadata: { generateName, namespace, labels: managedByLabel, annotations },
        spec,
      };
      return parseServiceTrace(
        await api.request({ method: 'POST', path: traces(namespace), query: { fieldManager }, body }),
      );
    },
    async readTrace(namespace, name) {
      return parseServiceTrace(await api.request({ method: 'GET', path: `${traces(namespace)}/${segment(name)}` }));
    },
    async listTraces(namespace) {
      const { items } = traceListSchema.parse(await api.request({ method: 'GET', path: traces(namespace) }));
      return items.map(parseServiceTrace);
    },
    async watchTrace(namespace, name, resourceVersion, onEvent, signal) {
      const query = {
        watch: true,
        allowWatchBookmarks: true,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion,
        timeoutSeconds: 300,
      };
      await api.stream({ method: 'GET', path: traces(namespace), query, signal }, (line) => {
        const { type, object } = watchSchema.parse(line);
        if (type === 'ERROR')
          throw statusError(object, z.object({ code: z.number() }).safeParse(object).data?.code ?? 500);
        if (type === 'DELETED') onEvent({ kind: 'deleted' });
        else if (type === 'BOOKMARK') {
          const version = z.object({ metadata: z.object({ resourceVersion: z.string() }) }).parse(object)
            .metadata.resourceVersion;
          onEvent({ kind: 'bookmark', resourceVersion: version });
        } else onEvent({ kind: 'trace', trace: parseServiceTrace(object) });
      });
    },
    async annotateTrace(namespace, name, annotations) {
      await api.request({
        method: 'PATCH',
        path: `${traces(namespace)}/${segment(name)}`,
        query: { fieldManager },
        contentType: 'application/merge-patch+json',
        body: { metadata: { annotations } },
      });
    },
    async deleteTrace(namespace, name, uid) {
      const body = uid === undefined ? {} : { preconditions: { uid } };
      await isThere(api.request({ method: 'DELETE', path: `${traces(namespace)}/${segment(name)}`, body }));
    },
    async readOperator() {
      const path = `/apis/apps/v1/namespaces/${operatorNamespace}/deployments/${operatorName}`;
      const body = await orAbsent(api.request({ method: 'GET', path }));
      if (body === undefined) return undefined;
      const { spec, status } = deploymentSchema.parse(body);
      const failing = status?.conditions?.find(
        ({ type, status: value }) => (type === 'Available' || type === 'Progressing') && value === 'False',
      );
      return {
        image: spec.template.spec.containers[0]?.image ?? '',
        availableReplicas: status?.availableReplicas ?? 0,
        message:
          spec.replicas === 0 ? 'it is scaled to 0 replicas' : (failing?.message ?? 'none of its pods is available'),
      };
    },
    async readCrd() {
      const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${serviceTracePlural}.${serviceTraceGroup}`;
      const body = await orAbsent(api.request({ method: 'GET', path }));
      if (body === undefined) return 'absent';
      const established = crdSchema.parse(body).status?.conditions?.find(({ type }) => type === 'Established');
      return established?.status === 'True' ? 'established' : 'notEstablished';
    },
    async mayI({ verb, group, resource, subresource, namespace, name }) {
      const body = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: {
          resourceAttributes: {
            verb,
            group,
            resource,
            ...(subresource === undefined ? {} : { subresource }),
            ...(namespace === undefined ? {} : { namespace }),
            ...(name === undefined ? {} : { name }),
          },
        },
      };
      return reviewSchema.parse(
        await api.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body }),
      ).status.allowed;
    },
    async apply(manifest) {
      const path = await pathOf(manifest);
      await api.request({
        method: 'PATCH',
        path,
        query: { fieldManager, force: true },
        contentType: 'application/apply-patch+yaml',
        body: manifest,
      });
    },
    async has(manifest) {
      return isThere(pathOf(manifest).then((path) => api.request({ method: 'GET', path })));
    },
    async remove(manifest) {
      return isThere(
        pathOf(manifest).then((path) =>
          api.request({ method: 'DELETE', path, body: { propagationPolicy: 'Background' } }),
        ),
      );
    },
  };
}

function logPodOf({ metadata, spec, status }: z.infer<typeof podSchema>): LogPod {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return {
    name: metadata.name,
    uid: metadata.uid ?? metadata.name,
    node: spec.nodeName,
    isEnding: metadata.deletionTimestamp !== undefined,
    containers: [...spec.containers, ...sidecars].map(({ name }): LogContainer => {
      const own = statuses.find((each) => each.name === name);
      const over = own?.state?.terminated ?? own?.lastState?.terminated;
      return {
        name,
        restarts: own?.restartCount ?? 0,
        isRunning: own?.state?.running !== undefined,
        // While a container waits for its next run, the kubelet gives the log of the one before.
        hasStarted: own?.state?.running !== undefined || over !== undefined,
        waiting:
          own?.state?.running !== undefined || own?.state?.terminated !== undefined
            ? undefined
            : (own?.state?.waiting?.reason ?? (spec.nodeName === undefined ? 'not scheduled' : 'not started')),
        ended:
          over === undefined ? undefined : { exitCode: over.exitCode, reason: over.reason, at: over.finishedAt ?? '' },
      };
    }),
  };
}

/** By `namespace/Service`: of each family there are as many, so the one with the most is counted. */
function countEndpoints(
  slices: z.infer<typeof sliceListSchema>['items'],
): Map<string, { endpoints: number; readyEndpoints: number }> {
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
  const counts = new Map<string, { endpoints: number; readyEndpoints: number }>();
  for (const { service, endpoints, readyEndpoints } of byFamily.values()) {
    if (endpoints >= (counts.get(service)?.endpoints ?? 0)) counts.set(service, { endpoints, readyEndpoints });
  }
  return counts;
}

function segment(name: string): string {
  return encodeURIComponent(name);
}

async function isThere(answer: Promise<unknown>): Promise<boolean> {
  return (await orAbsent(answer)) !== undefined;
}

/** Undefined where the answer is 404. */
async function orAbsent(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return undefined;
    throw error;
  }
}
