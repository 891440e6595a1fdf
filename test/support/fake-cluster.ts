/** A cluster for tests of commands: a literal client that keeps its ServiceTraces in a list. */
import { KubeConfig } from '@kubernetes/client-node';
import type { ClusterClient } from '../../cmd/cluster/cluster-client.ts';
import type { WatchEvent } from '../../cmd/cluster/traces.ts';
import { ApiError } from '../../cmd/cluster/api.ts';
import type { Io } from '../../cmd/cli/io.ts';
import type { ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';

export interface FakeCluster {
  readonly client: ClusterClient;
  readonly traces: ServiceTrace[];
  /** What was done, in order. */
  readonly log: string[];
  /** As the operator does it. */
  writeStatus(name: string, status: ServiceTraceStatus): void;
  /** As somebody else does it. */
  remove(name: string): void;
}

/** `onCreated` plays the operator. */
export function fakeCluster({
  onCreated,
  ...own
}: Partial<ClusterClient> & { onCreated?: (name: string, cluster: FakeCluster) => void } = {}): FakeCluster {
  const traces: ServiceTrace[] = [];
  const log: string[] = [];
  const watchers = new Set<(event: WatchEvent) => void>();
  let version = 1;
  const find = (name: string): ServiceTrace => {
    const found = traces.find(({ metadata }) => metadata.name === name);
    if (found === undefined)
      throw new ApiError(404, 'NotFound', `servicetraces.svctrace.io "${name}" not found`, 'servicetraces');
    return found;
  };
  const replace = (trace: ServiceTrace): void => {
    version += 1;
    const next = { ...trace, metadata: { ...trace.metadata, resourceVersion: String(version) } };
    traces.splice(
      traces.findIndex(({ metadata }) => metadata.name === trace.metadata.name),
      1,
      next,
    );
    for (const send of watchers) send({ kind: 'trace', trace: next });
  };
  const cluster: FakeCluster = {
    traces,
    log,
    writeStatus(name, status) {
      replace({ ...find(name), status });
    },
    remove(name) {
      traces.splice(traces.indexOf(find(name)), 1);
      for (const send of watchers) send({ kind: 'deleted' });
    },
    client: {
      server: 'https://api.test',
      namespace: 'default',
      kubeConfig: new KubeConfig(),
      hasService: async () => true,
      listServices: async () => [],
      listServicesWithEndpoints: async () => [],
      listNamespaces: async () => ['default', 'kube-system'],
      listPods: async () => [],
      listNodes: async () => [],
      listLogPods: async () => ({ pods: [], resourceVersion: '1' }),
      watchLogPods: async () => undefined,
      readLog: async () => undefined,
      listOwnedPods: async () => ({ pods: [], resourceVersion: '1' }),
      watchOwnedPods: async () => undefined,
      readWorkload: async () => undefined,
      async createTrace({ namespace, generateName, annotations, spec }) {
        const name = `${generateName}${traces.length + 1}`;
        const trace: ServiceTrace = {
          apiVersion: 'svctrace.io/v1alpha1',
          kind: 'ServiceTrace',
          metadata: {
            name,
            namespace,
            uid: `uid-${name}`,
            generation: 1,
            resourceVersion: String(version),
            annotations: { ...annotations },
          },
          spec,
        };
        traces.push(trace);
        log.push(`create ${name}`);
        onCreated?.(name, cluster);
        return trace;
      },
      readTrace: async (_namespace, name) => find(name),
      listTraces: async () => traces,
      async watchTrace(_namespace, name, _version, onEvent, signal) {
        const ended = new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
        const send = (event: WatchEvent): void => {
          if (event.kind === 'trace' && event.trace.metadata.name !== name) return;
          onEvent(event);
        };
        watchers.add(send);
        // Only the client ends a watch before its time, as with an API server.
        await ended;
        watchers.delete(send);
      },
      annotateTrace: async (_namespace, name) => {
        log.push(`annotate ${name}`);
      },
      async deleteTrace(_namespace, name, uid) {
        log.push(`delete ${name} ${uid ?? ''}`);
        traces.splice(traces.indexOf(find(name)), 1);
      },
      readOperator: async () => ({ image: 'operator:1', availableReplicas: 1, message: '' }),
      readCrd: async () => 'established',
      mayI: async () => true,
      apply: async ({ kind, metadata }) => {
        log.push(`apply ${kind}/${metadata.name}`);
      },
      has: async () => false,
      async remove({ kind, metadata }) {
        log.push(`remove ${kind}/${metadata.name}`);
        return true;
      },
      ...own,
    },
  };
  return cluster;
}

export interface TestIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
  readonly interrupt: (reason: Error) => void;
}

/** Streams that are no terminal. */
export function testIo(env: Record<string, string> = { COLUMNS: '80' }): TestIo {
  const stop = new AbortController();
  let out = '';
  let err = '';
  return {
    stdout: {
      write: (text) => {
        out += text;
      },
    },
    stderr: {
      write: (text) => {
        err += text;
      },
    },
    stdin: {},
    env,
    signal: stop.signal,
    out: () => out,
    err: () => err,
    interrupt: (reason) => {
      stop.abort(reason);
    },
  };
}
