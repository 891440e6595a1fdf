/** The one door to the cluster. Tests replace it by a literal object. */
import type { KubeConfig } from '@kubernetes/client-node';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { Environment } from '../cli/io.ts';
import type { ClusterFlags } from '../cli/request.ts';
import { reviewAccess, type Access } from './access-review.ts';
import { createApi, type Api } from './api.ts';
import { readCrd, readOperator, type CrdState, type OperatorDeployment } from './installation.ts';
import { loadKubeConfig, type PluginKubeConfig } from './kube-config.ts';
import { listLogPods, readLog, watchLogPods, type LogPod, type LogQuery } from './log-pods.ts';
import type { PodList } from './pods.ts';
import { applyManifest, discoveredPaths, hasManifest, removeManifest, type Manifest } from './manifests.ts';
import { listOwnedPods, watchOwnedPods, type OwnedPod, type OwnerName } from './rollout-pods.ts';
import {
  hasService,
  listNamespaces,
  listNodes,
  listPods,
  listServices,
  listServicesWithEndpoints,
  type ListedService,
  type NamedService,
} from './services.ts';
import {
  annotateTrace,
  createTrace,
  deleteTrace,
  listTraces,
  readTrace,
  watchTrace,
  type NewTrace,
  type WatchEvent,
} from './traces.ts';
import { readWorkload, type Workload } from './workloads.ts';

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
  listLogPods(namespace: string, selector: string | undefined): Promise<PodList<LogPod>>;
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
  /** That the selector matches, with their termination and their owners. */
  listOwnedPods(namespace: string, selector: string): Promise<PodList<OwnedPod>>;
  /** Ends when the server ends the watch. @throws ApiError with code 410 where the version is too old */
  watchOwnedPods(
    query: { readonly namespace: string; readonly selector: string; readonly resourceVersion: string },
    onPod: (pod: OwnedPod, isThere: boolean) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** The workload that rolls the owner's pods out; undefined where there is none, or it may not be read. */
  readWorkload(namespace: string, owner: OwnerName): Promise<Workload | undefined>;
  createTrace(trace: NewTrace): Promise<ServiceTrace>;
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
  readCrd(): Promise<CrdState>;
  mayI(access: Access): Promise<boolean>;
  /** Server-side apply. */
  apply(manifest: Manifest): Promise<void>;
  /** Whether the object is there. */
  has(manifest: Manifest): Promise<boolean>;
  /** False where it is not there. */
  remove(manifest: Manifest): Promise<boolean>;
}

/** @throws ClusterError where no cluster is configured */
export function connect(flags: ClusterFlags, env: Environment, log: (line: string) => void): ClusterClient {
  const config = loadKubeConfig(flags, env);
  const api = createApi(config, {
    timeoutMilliseconds: flags.requestTimeoutMilliseconds,
    ...(flags.verbosity >= 6 ? { log } : {}),
  });
  return createClient(api, config);
}

function createClient(api: Api, kubeConfig: PluginKubeConfig): ClusterClient {
  const pathOf = discoveredPaths(api);
  return {
    server: kubeConfig.server,
    namespace: kubeConfig.namespace,
    kubeConfig,
    hasService: (namespace, name) => hasService(api, namespace, name),
    listServices: (namespace) => listServices(api, namespace),
    listServicesWithEndpoints: (namespace) => listServicesWithEndpoints(api, namespace),
    listNamespaces: () => listNamespaces(api),
    listPods: (namespace) => listPods(api, namespace),
    listNodes: () => listNodes(api),
    listLogPods: (namespace, selector) => listLogPods(api, namespace, selector),
    watchLogPods: (namespace, selector, resourceVersion, onPod, signal) =>
      watchLogPods(api, { namespace, selector, resourceVersion }, onPod, signal),
    readLog: (query, onLine, signal) => readLog(api, query, onLine, signal),
    listOwnedPods: (namespace, selector) => listOwnedPods(api, namespace, selector),
    watchOwnedPods: (query, onPod, signal) => watchOwnedPods(api, query, onPod, signal),
    readWorkload: (namespace, owner) => readWorkload(api, namespace, owner),
    createTrace: (trace) => createTrace(api, trace),
    readTrace: (namespace, name) => readTrace(api, namespace, name),
    listTraces: (namespace) => listTraces(api, namespace),
    watchTrace: (namespace, name, resourceVersion, onEvent, signal) =>
      watchTrace(api, namespace, name, resourceVersion, onEvent, signal),
    annotateTrace: (namespace, name, annotations) => annotateTrace(api, namespace, name, annotations),
    deleteTrace: (namespace, name, uid) => deleteTrace(api, namespace, name, uid),
    readOperator: () => readOperator(api),
    readCrd: () => readCrd(api),
    mayI: (access) => reviewAccess(api, access),
    apply: (manifest) => applyManifest(api, pathOf, manifest),
    has: (manifest) => hasManifest(api, pathOf, manifest),
    remove: (manifest) => removeManifest(api, pathOf, manifest),
  };
}
