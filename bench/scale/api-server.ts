/**
 * The API server of the simulated cluster: lists, watches and writes over HTTPS, kept in memory. What an operator does to pods
 * and traces is done as the real one does it, as far as an operator sees it; nothing is validated or authorized.
 */
import { createServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { KubeConfig } from '@kubernetes/client-node';
import { generate } from 'selfsigned';
import * as z from 'zod';
import { startFakeCollections, type FakeCollections, type FakeObject } from '../../test/support/fake-collections.ts';
import { createdAt, managed, nodeName, nodeObject, serviceObject, sliceObject } from '../cluster-objects.ts';
import { serveNodes } from './node-sessions.ts';
import { clusterCIDR, tracedService, type TracedService } from './traced-service.ts';

export const operatorNamespace = 'svctrace-system';
export const leaseName = 'svctrace-operator';
const traceCollection = '/apis/svctrace.io/v1alpha1/servicetraces';
const podCollection = '/api/v1/pods';
const leaseCollection = '/apis/coordination.k8s.io/v1/leases';
/** A container's start, in milliseconds, where its image is there. */
const start = { least: 800, most: 2500 };
const endMilliseconds = 1000;

export interface SimulatedCluster {
  readonly kubeConfig: KubeConfig;
  /** That are traced; the others come on top. */
  readonly traced: readonly TracedService[];
  readonly counts: Counts;
  /** Pods of probes. */
  probes(): number;
  makeTrace(name: string, service: TracedService, spec: object): void;
  deleteTrace(name: string, service: TracedService): void;
  /** Undefined where it has none, or is not there. */
  statusOf(name: string, service: TracedService): TraceStatus | undefined;
  /** Who works, by the Lease. */
  holder(): string;
  close(): Promise<void>;
}

/** From the beginning. */
export interface Counts {
  /** By verb and resource, such as `create pods`; watches that are opened again count. */
  readonly requests: Map<string, number>;
  /** Writes of ServiceTraces, and the bytes of the objects that they left. */
  traceWrites: number;
  traceBytes: number;
  largestTraceBytes: number;
}

const statusSchema = z.object({
  collectedAt: z.string().optional(),
  conditions: z.array(z.object({ type: z.string(), status: z.string(), reason: z.string() })).optional(),
  summary: z.object({ nodes: z.string() }).optional(),
  findings: z.array(z.object({ id: z.string() })).optional(),
  truncated: z.array(z.string()).optional(),
});
export type TraceStatus = z.infer<typeof statusSchema>;

const objectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().optional(),
    generateName: z.string().optional(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
});
const podSchema = z.looseObject({ spec: z.looseObject({ nodeName: z.string() }) });
const holderSchema = z.object({ spec: z.object({ holderIdentity: z.string() }) });
const patchSchema = z.array(z.object({ op: z.enum(['test', 'add', 'replace']), path: z.string(), value: z.unknown() }));

/** @param services beside those that are traced */
export async function startCluster(options: {
  readonly nodes: number;
  readonly services: number;
  readonly traced: number;
}): Promise<SimulatedCluster> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'simulated' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  const counts: Counts = { requests: new Map(), traceWrites: 0, traceBytes: 0, largestTraceBytes: 0 };
  const count = (what: string): void => {
    counts.requests.set(what, (counts.requests.get(what) ?? 0) + 1);
  };
  let server: Server | undefined;
  const collections = await startFakeCollections({
    certificate: cert,
    makeServer: (listener) => {
      server = createServer({ cert, key }, (request, response) => {
        if (request.method === 'GET') count(whatIsAsked(request));
        listener(request, response);
      });
      return server;
    },
    onWrite: (request, response) => {
      count(whatIsAsked(request));
      write(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
    },
  });
  const traced = Array.from({ length: options.traced }, (_, index) => tracedService(index, options.nodes));
  fill(collections, options, traced);

  let made = 0;
  const nodes = new Map(Array.from({ length: options.nodes }, (_, index) => [nodeName(index), index]));
  const timers = new Set<NodeJS.Timeout>();
  const later = (milliseconds: number, act: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, milliseconds);
    timers.add(timer);
  };
  const podOf = (key: string): z.infer<typeof podSchema> | undefined =>
    podSchema.safeParse(collections.get(podCollection, key)).data;

  const write = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body: unknown = JSON.parse((await text(request)) || '{}');
    const { collection, namespace, name, subresource } = placeOf(request);
    const answer = (code: number, object: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(object));
    };
    const refuse = (code: number, message: string): void => {
      answer(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message });
    };
    const key = `${namespace}/${name}`;
    const there = collections.get(collection, key);
    switch (request.method) {
      case 'POST': {
        const { metadata, ...rest } = objectSchema.parse(body);
        made += 1;
        const own = metadata.name ?? `${metadata.generateName ?? ''}${made.toString(36).padStart(5, '0')}`;
        const object = {
          ...rest,
          metadata: {
            ...metadata,
            name: own,
            namespace,
            uid: `made-${String(made)}`,
            creationTimestamp: new Date().toISOString(),
            managedFields: [managed('svctrace-operator', ['containers', 'nodeName', 'tolerations', 'volumes'])],
          },
        };
        if (collection === podCollection) startPod(object, namespace, own);
        // Events are kept nowhere: nobody reads them here.
        answer(201, collections.get(collection, `${namespace}/${own}`) ?? object);
        return;
      }
      case 'PUT': {
        if (there === undefined) refuse(404, `${key} not found`);
        else if (objectSchema.parse(body).metadata['resourceVersion'] !== there.metadata.resourceVersion)
          refuse(409, 'the object has been modified');
        else {
          collections.put(collection, named(objectSchema.parse(body), namespace, name));
          answer(200, collections.get(collection, key));
        }
        return;
      }
      case 'PATCH': {
        if (there === undefined) {
          refuse(404, `${key} not found`);
          return;
        }
        const patched = applyPatch(there, patchSchema.parse(body));
        if (patched === undefined) {
          refuse(422, 'testing value failed');
          return;
        }
        collections.put(collection, named(objectSchema.parse(patched), namespace, name));
        const written = collections.get(collection, key);
        if (collection === traceCollection && subresource === 'status') {
          const bytes = Buffer.byteLength(JSON.stringify(written));
          counts.traceWrites += 1;
          counts.traceBytes += bytes;
          counts.largestTraceBytes = Math.max(counts.largestTraceBytes, bytes);
        }
        answer(200, written);
        return;
      }
      case 'DELETE': {
        if (there === undefined) {
          refuse(404, `${key} not found`);
          return;
        }
        if (collection === podCollection) endPod(there, key);
        else collections.delete(collection, key);
        answer(200, there);
        return;
      }
      default:
        refuse(405, `${String(request.method)} is not served`);
    }
  };

  const startPod = (object: object, namespace: string, name: string): void => {
    const key = `${namespace}/${name}`;
    const pending = named(objectSchema.parse(object), namespace, name);
    collections.put(podCollection, { ...pending, status: { phase: 'Pending' } });
    later(start.least + Math.random() * (start.most - start.least), () => {
      const now = collections.get(podCollection, key);
      if (now === undefined || now.metadata['deletionTimestamp'] !== undefined) return;
      const time = new Date().toISOString();
      const image = 'registry.example/svctrace/probe:v0.1.0';
      collections.put(podCollection, {
        ...now,
        status: {
          phase: 'Running',
          conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
            (type) => ({ type, status: 'True', lastProbeTime: null, lastTransitionTime: time }),
          ),
          startTime: time,
          qosClass: 'Burstable',
          containerStatuses: [
            {
              name: 'probe',
              image,
              imageID: `registry.example/svctrace/probe@sha256:${'0'.repeat(64)}`,
              containerID: `containerd://${'0'.repeat(64)}`,
              ready: true,
              started: true,
              restartCount: 0,
              state: { running: { startedAt: time } },
              lastState: {},
            },
          ],
        },
      });
    });
  };
  const endPod = (pod: FakeObject, key: string): void => {
    if (pod.metadata['deletionTimestamp'] !== undefined) return;
    collections.put(podCollection, {
      ...pod,
      metadata: { ...pod.metadata, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 1 },
    });
    later(endMilliseconds, () => {
      collections.delete(podCollection, key);
    });
  };

  if (server === undefined) throw new Error('there is no server');
  serveNodes(server, {
    services: new Map(traced.map((service) => [keyOf(service), service])),
    nodeOf: (pod) => nodes.get(podOf(`${operatorNamespace}/${pod}`)?.spec.nodeName ?? ''),
    onExec: () => {
      count('exec pods');
    },
  });

  return {
    kubeConfig: collections.kubeConfig,
    traced,
    counts,
    probes: () =>
      collections.state(podCollection).filter((line) => line.startsWith(`${operatorNamespace}/svctrace-probe-`)).length,
    makeTrace(name, { desired }, spec) {
      made += 1;
      collections.put(traceCollection, {
        apiVersion: 'svctrace.io/v1alpha1',
        kind: 'ServiceTrace',
        metadata: {
          name,
          namespace: desired.namespace,
          uid: `made-${String(made)}`,
          generation: 1,
          creationTimestamp: new Date().toISOString(),
        },
        spec: { serviceRef: { name: desired.name }, ...spec },
      });
    },
    deleteTrace(name, { desired }) {
      collections.delete(traceCollection, `${desired.namespace}/${name}`);
    },
    statusOf: (name, { desired }) =>
      statusSchema.safeParse(collections.get(traceCollection, `${desired.namespace}/${name}`)?.['status']).data,
    holder: () =>
      holderSchema.safeParse(collections.get(leaseCollection, `${operatorNamespace}/${leaseName}`)).data?.spec
        .holderIdentity ?? '',
    async close() {
      for (const timer of timers) clearTimeout(timer);
      await collections.close();
    },
  };
}

function keyOf({ desired }: TracedService): string {
  return `${desired.namespace}/${desired.name}`;
}

function fill(
  collections: FakeCollections,
  { nodes, services }: { readonly nodes: number; readonly services: number },
  traced: readonly TracedService[],
): void {
  for (let index = 0; index < nodes; index += 1) collections.put('/api/v1/nodes', nodeObject(index));
  for (let index = 0; index < services; index += 1) {
    collections.put('/api/v1/services', serviceObject(index));
    collections.put('/apis/discovery.k8s.io/v1/endpointslices', sliceObject(index, nodes));
  }
  for (const { objects } of traced) for (const { collection, object } of objects) collections.put(collection, object);
  const system = { namespace: 'kube-system', creationTimestamp: createdAt };
  collections.put('/api/v1/services', {
    metadata: { ...system, name: 'kube-dns', uid: 'kube-dns-uid' },
    spec: { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] },
  });
  collections.put('/apis/discovery.k8s.io/v1/endpointslices', {
    metadata: { ...system, name: 'kube-dns-1', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
    addressType: 'IPv4',
    ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
    endpoints: ['10.128.0.250', '10.128.1.250'].map((address, node) => ({
      addresses: [address],
      conditions: { ready: true },
      nodeName: nodeName(node),
    })),
  });
  collections.put('/api/v1/configmaps', {
    metadata: { ...system, name: 'kube-proxy' },
    data: {
      'config.conf': `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: iptables\nclusterCIDR: ${clusterCIDR}\n`,
    },
  });
  collections.put(leaseCollection, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: leaseName, namespace: operatorNamespace },
    spec: {},
  });
}

interface Place {
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string | undefined;
}

function placeOf({ url = '/' }: IncomingMessage): Place {
  const { pathname } = new URL(url, 'http://localhost');
  const [, root = '', namespace = '', resource = '', name = '', subresource] =
    /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?$/.exec(
      pathname,
    ) ?? [];
  return { collection: `${root}/${resource}`, namespace, name, subresource };
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

function whatIsAsked(request: IncomingMessage): string {
  const { collection, name } = placeOf(request);
  const isWatch = new URL(request.url ?? '/', 'http://localhost').searchParams.get('watch') === 'true';
  const verb = verbs[request.method ?? ''] ?? (isWatch ? 'watch' : name === '' ? 'list' : 'get');
  return `${verb} ${collection.slice(collection.lastIndexOf('/') + 1)}`;
}

function named(object: z.infer<typeof objectSchema>, namespace: string, name: string): FakeObject {
  const { labels, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, name, namespace, ...(labels === undefined ? {} : { labels }) } };
}

/** JSON patch, as far as the operator uses it; undefined where a test fails, or what is replaced is not there. */
function applyPatch(object: object, patch: z.infer<typeof patchSchema>): unknown {
  const copy: unknown = structuredClone(object);
  for (const { op, path, value } of patch) {
    const parts = path.slice(1).split('/');
    const last = parts.pop() ?? '';
    let parent: unknown = copy;
    for (const part of parts) parent = isRecord(parent) ? parent[part] : undefined;
    if (!isRecord(parent)) return undefined;
    if (op === 'test' && parent[last] !== value) return undefined;
    if (op === 'replace' && !(last in parent)) return undefined;
    if (op !== 'test') parent[last] = value;
  }
  return copy;
}

/** An array is one, too: its places are its keys. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
