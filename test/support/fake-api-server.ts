/** An API server of a few lines, for what the operator does to pods and watches: real HTTP, no cluster. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig, type CoreV1Event, type V1Pod } from '@kubernetes/client-node';
import * as z from 'zod';

const podSchema = z.custom<V1Pod>((value) => typeof value === 'object' && value !== null);

export interface FakeApiServer {
  readonly kubeConfig: KubeConfig;
  /** The pods that are there, by name. */
  readonly pods: Map<string, V1Pod>;
  /** Method and path of each request, watches and lists left out. */
  readonly requests: string[];
  /** Of pods; the field selector of each list of them is not applied, and in `eventLists`. */
  events: CoreV1Event[];
  readonly eventLists: string[];
  /** Answers creations with this error instead. */
  refusal: { code: number; message: string } | undefined;
  /** Answers deletions with this error instead; 0 answers them never. */
  deleteRefusal: number | undefined;
  /** The state of a pod that is made. */
  onCreate: (pod: V1Pod) => void;
  /** Changes a pod, and notifies the watches. */
  update(name: string, change: (pod: V1Pod) => void): void;
  close(): Promise<void>;
}

/** By a selector of equalities, `key=value,…`. */
function matching(selector: string | null): (pod: V1Pod) => boolean {
  const wanted = (selector ?? '').split(',').filter((each) => each !== '');
  return ({ metadata }) =>
    wanted.every((each) => {
      const [key = '', value] = each.split('=');
      return metadata?.labels?.[key] === value;
    });
}

export async function startFakeApiServer(): Promise<FakeApiServer> {
  const pods = new Map<string, V1Pod>();
  const watches = new Set<ServerResponse>();
  const requests: string[] = [];
  let version = 1;
  const send = (type: string, pod: V1Pod): void => {
    version += 1;
    pod.metadata = { ...pod.metadata, resourceVersion: String(version) };
    for (const watch of watches) watch.write(`${JSON.stringify({ type, object: pod })}\n`);
  };

  const answer = (response: ServerResponse, code: number, body: unknown): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const name = /\/pods\/([^/]+)$/.exec(url.pathname)?.[1];
    let text = '';
    for await (const chunk of request) text += String(chunk);
    if (url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      watches.add(response);
      response.on('close', () => watches.delete(response));
      return;
    }
    if (url.pathname.endsWith('/events')) {
      server.eventLists.push(url.searchParams.get('fieldSelector') ?? '');
      answer(response, 200, { kind: 'EventList', apiVersion: 'v1', metadata: {}, items: server.events });
      return;
    }
    if (request.method === 'GET') {
      answer(response, 200, {
        kind: 'PodList',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(version) },
        items: [...pods.values()].filter(matching(url.searchParams.get('labelSelector'))),
      });
      return;
    }
    requests.push(`${request.method ?? ''} ${name ?? 'pod'}`);
    if (request.method === 'DELETE' && name !== undefined) {
      if (server.deleteRefusal !== undefined) {
        if (server.deleteRefusal > 0)
          answer(response, server.deleteRefusal, {
            kind: 'Status',
            apiVersion: 'v1',
            code: server.deleteRefusal,
            message: 'etcdserver: request timed out',
          });
        return;
      }
      const pod = pods.get(name);
      pods.delete(name);
      answer(response, pod === undefined ? 404 : 200, pod ?? { kind: 'Status', code: 404 });
      if (pod !== undefined) send('DELETED', pod);
      return;
    }
    if (server.refusal !== undefined) {
      answer(response, server.refusal.code, {
        kind: 'Status',
        apiVersion: 'v1',
        code: server.refusal.code,
        message: server.refusal.message,
      });
      return;
    }
    const pod = podSchema.parse(JSON.parse(text));
    const made = `${pod.metadata?.generateName ?? ''}${String(version)}`;
    pod.metadata = { ...pod.metadata, name: made, uid: `uid-${made}` };
    pods.set(made, pod);
    answer(response, 201, pod);
    send('ADDED', pod);
    server.onCreate(pod);
  };
  const http = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );

  const server: FakeApiServer = {
    kubeConfig,
    pods,
    requests,
    events: [],
    eventLists: [],
    refusal: undefined,
    deleteRefusal: undefined,
    onCreate: () => undefined,
    update(name, change) {
      const pod = pods.get(name);
      if (pod === undefined) throw new Error(`there is no pod ${name}`);
      change(pod);
      send('MODIFIED', pod);
    },
    async close() {
      for (const watch of watches) watch.destroy();
      http.closeAllConnections();
      await new Promise<void>((resolve) => {
        http.close(() => {
          resolve();
        });
      });
    },
  };
  return server;
}
