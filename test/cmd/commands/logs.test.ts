/** Logs from a small API server, over real HTTP streams. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { InterruptedError } from '../../../cmd/cli/errors.ts';
import { connect } from '../../../cmd/cluster/cluster-client.ts';
import { runLogs } from '../../../cmd/commands/logs.ts';
import { followServiceLogs } from '../../../cmd/logs/service.ts';
import type { LogEvent } from '../../../cmd/logs/event.ts';
import { iptablesChainNames } from '../../../core/kube-proxy/chain-names.ts';
import {
  flagsFor,
  refuse,
  sendJson,
  startApiServer,
  type ApiServer,
  type Recorded,
  allowAll,
} from '../../support/api-server.ts';
import { testIo, type TestIo } from '../../support/fake-cluster.ts';

const servers: ApiServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

type Log = string | ((response: ServerResponse, query: URLSearchParams) => void);

interface PodExtra {
  containers?: string[];
  /** Empty for none. */
  node?: string;
  restarts?: number;
  state?: object;
  lastState?: object;
  isEnding?: boolean;
}

function pod(
  name: string,
  {
    containers = ['app'],
    node = 'node-a',
    restarts = 0,
    state = { running: {} },
    lastState = {},
    isEnding = false,
  }: PodExtra = {},
): object {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      resourceVersion: '5',
      ...(isEnding ? { deletionTimestamp: '2026-11-24T10:01:00Z' } : {}),
    },
    spec: { ...(node === '' ? {} : { nodeName: node }), containers: containers.map((each) => ({ name: each })) },
    status: { containerStatuses: containers.map((each) => ({ name: each, restartCount: restarts, state, lastState })) },
  };
}

const crashed = (exitCode: number, reason = 'Error'): object => ({
  terminated: { exitCode, reason, finishedAt: '2026-11-24T10:00:05Z' },
});
const change = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: object): string =>
  `${JSON.stringify({ type, object })}\n`;

interface World {
  readonly pods: object[];
  /** In place of `pods`, where the list asks for one of these. */
  readonly bySelector?: Readonly<Record<string, object[]>>;
  /** By `pod/container`. */
  readonly logs: Readonly<Record<string, Log>>;
  readonly selector?: object | undefined;
  readonly onWatch?: (response: ServerResponse) => void;
}

async function start({
  pods,
  bySelector = {},
  logs,
  selector = { app: 'auth' },
  onWatch = () => undefined,
}: World): Promise<ApiServer> {
  const server = await startApiServer((request: Recorded, response) => {
    const url = new URL(request.url, 'http://api');
    const log = /\/pods\/([^/]+)\/log$/.exec(url.pathname)?.[1];
    if (allowAll(request, response)) return;
    if (url.pathname.endsWith('/services/auth-service')) {
      sendJson(response, 200, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'auth-service', namespace: 'default' },
        spec: {
          clusterIP: '10.96.0.7',
          clusterIPs: ['10.96.0.7'],
          selector,
          ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        },
      });
    } else if (url.pathname.endsWith('/endpointslices')) {
      sendJson(response, 200, {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSliceList',
        metadata: {},
        items: [
          {
            metadata: { name: 'auth-service-x' },
            addressType: 'IPv4',
            ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
            endpoints: [{ addresses: ['10.244.1.2'], targetRef: { kind: 'Pod', name: 'auth-1' } }],
          },
        ],
      });
    } else if (log !== undefined) {
      const own = logs[`${log}/${url.searchParams.get('container') ?? ''}`];
      if (own === undefined)
        refuse(response, 400, 'BadRequest', `container "app" in pod "${log}" is waiting to start: ContainerCreating`);
      else if (typeof own === 'string') response.writeHead(200, { 'Content-Type': 'text/plain' }).end(own);
      else own(response, url.searchParams);
    } else if (url.searchParams.has('watch')) {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.flushHeaders();
      onWatch(response);
    } else {
      const items = bySelector[url.searchParams.get('labelSelector') ?? ''] ?? pods;
      sendJson(response, 200, { kind: 'PodList', metadata: { resourceVersion: '7' }, items });
    }
  });
  servers.push(server);
  return server;
}

async function begin(line: string, server: ApiServer): Promise<{ io: TestIo; done: Promise<number> }> {
  const parsed = await parseCommandLine([...line.split(' '), '-s', server.address], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'logs') throw new Error('not a request for logs');
  const io = testIo();
  return { io, done: runLogs(parsed.request, io) };
}

async function until(io: TestIo, text: string): Promise<void> {
  while (!io.out().includes(text)) await sleep(10);
}

const at = (second: string, text: string): string => `2026-11-24T10:00:${second}Z ${text}\n`;

/** As an API server refuses a log. */
const forbidden: Log = (response) => {
  response.statusCode = 403;
  response.end(
    JSON.stringify({
      kind: 'Status',
      reason: 'Forbidden',
      message:
        'pods "auth-1" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "default"',
    }),
  );
};

describe('logs', () => {
  it('puts the lines of all pods in the order of their times, each with its pod', async () => {
    const server = await start({
      pods: [pod('auth-1'), pod('auth-2', { containers: ['app', 'proxy'] })],
      logs: {
        'auth-1/app': at('01.1', 'one') + at('03', 'four'),
        'auth-2/app': at('01.12', 'two') + at('02', 'three'),
        'auth-2/proxy': at('04', 'five'),
      },
    });
    const { io, done } = await begin('logs auth-service', server);
    expect(await done).toBe(0);
    expect(io.out()).toBe('auth-1/app one\nauth-2/app two\nauth-2/app three\nauth-1/app four\nauth-2/proxy five\n');
    const asked = server.requests.map(({ url }) => url);
    expect(asked).toContain('/api/v1/namespaces/default/pods?labelSelector=app%3Dauth');
    expect(asked).toContain('/api/v1/namespaces/default/pods/auth-1/log?container=app&timestamps=true&tailLines=100');
  });

  it('asks for what the flags say, and says which log could not be had', async () => {
    const server = await start({ pods: [pod('auth-1'), pod('auth-2')], logs: { 'auth-1/app': at('01', 'old') } });
    const { io, done } = await begin('logs auth-service -p -c app -l tier=web --since 90s --tail 5', server);
    expect(await done).toBe(5);
    expect(io.out()).toBe('auth-1/app old\n');
    expect(io.err()).toContain('auth-2/app: container "app" in pod "auth-2" is waiting to start: ContainerCreating');
    const asked = server.requests.map(({ url }) => decodeURIComponent(url));
    expect(asked).toContain('/api/v1/namespaces/default/pods?labelSelector=app=auth,tier=web');
    expect(asked).toContain(
      '/api/v1/namespaces/default/pods/auth-1/log?container=app&timestamps=true&previous=true&sinceSeconds=90&tailLines=5',
    );
  });

  it('takes the pods of the EndpointSlices where the Service has no selector', async () => {
    const server = await start({
      pods: [pod('auth-1'), pod('stranger')],
      logs: { 'auth-1/app': at('01', 'one') },
      selector: {},
    });
    const { io, done } = await begin('logs auth-service', server);
    expect(await done).toBe(0);
    expect(io.out()).toBe('auth-1/app one\n');
  });

  it('refuses a container that no pod has', async () => {
    const server = await start({ pods: [pod('auth-1')], logs: {} });
    await expect((await begin('logs auth-service -c nginx', server)).done).rejects.toThrow(
      '-c nginx: no pod has a container of this name; they have app.',
    );
  });

  it('follows lines, new pods and new runs of a container until it is ended', async () => {
    let watch: ServerResponse | undefined;
    const server = await start({
      pods: [pod('auth-1')],
      logs: {
        'auth-1/app': (response) => {
          response.write(at('01', 'first run'));
        },
        'auth-2/app': (response) => {
          response.write(at('02', 'new pod'));
        },
      },
      onWatch: (response) => {
        watch = response;
      },
    });
    const { io, done } = await begin('logs auth-service -f', server);
    await until(io, 'first run');
    watch?.write(`${JSON.stringify({ type: 'ADDED', object: pod('auth-2') })}\n`);
    await until(io, 'new pod');
    watch?.write(
      `${JSON.stringify({ type: 'MODIFIED', object: pod('auth-1', { restarts: 1 }) })}\n${JSON.stringify({ type: 'MODIFIED', object: pod('auth-1', { restarts: 1 }) })}\n`,
    );
    while (io.out().split('first run').length < 3) await sleep(10);
    io.interrupt(new InterruptedError('SIGINT'));
    await expect(done).rejects.toThrow('ended by SIGINT');
    expect(io.err()).toContain('Notice: auth-2: a new pod\n');
    expect(io.err().match(/Notice: auth-1\/app: started again, restart 1\n/g)).toHaveLength(1);
    const followed = server.requests.map(({ url }) => url).filter((url) => url.includes('/log?'));
    expect(followed).toEqual([
      '/api/v1/namespaces/default/pods/auth-1/log?container=app&timestamps=true&follow=true&tailLines=100',
      '/api/v1/namespaces/default/pods/auth-2/log?container=app&timestamps=true&follow=true',
      '/api/v1/namespaces/default/pods/auth-1/log?container=app&timestamps=true&follow=true',
    ]);
  });

  it('goes on after the last line where a connection breaks, and shows no line twice', async () => {
    const server = await start({
      pods: [pod('auth-1')],
      logs: {
        'auth-1/app': (response, query) => {
          if (query.get('sinceTime') === null)
            response.write(at('01.5', 'one') + at('01.55', 'two'), () => {
              response.destroy();
            });
          else response.write(at('01.5', 'one') + at('01.55', 'two') + at('01.6', 'three'));
        },
      },
    });
    const { io, done } = await begin('logs auth-service -f', server);
    await until(io, 'three');
    io.interrupt(new InterruptedError('SIGINT'));
    await expect(done).rejects.toThrow('ended by SIGINT');
    expect(io.out()).toBe('auth-1/app one\nauth-1/app two\nauth-1/app three\n');
    expect(
      server.requests.map(({ url }) => decodeURIComponent(url)).find((url) => url.includes('sinceTime')),
    ).toContain('sinceTime=2026-11-24T10:00:01.55Z');
  });

  it("marks the lines of kube-proxies that concern the Service, and no other's", async () => {
    const { cluster: chain } = iptablesChainNames({
      namespace: 'default',
      name: 'auth-service',
      portName: 'http',
      protocol: 'TCP',
    });
    const server = await start({
      pods: [
        pod('kube-proxy-a', { containers: ['kube-proxy'] }),
        pod('kube-proxy-b', { containers: ['kube-proxy'], node: 'node-b' }),
      ],
      logs: {
        'kube-proxy-a/kube-proxy':
          at('01', 'Adding "default/auth-service:http"') +
          at('02', 'Adding "default/auth-service-2:http"') +
          at('03', `unknown chain ${chain}.`) +
          at('04', 'stale 10.244.1.20') +
          at('05', 'stale 10.244.1.2:8080'),
      },
    });
    const { io, done } = await begin('logs auth-service --kube-proxy --node node-a', server);
    expect(await done).toBe(0);
    expect(
      io
        .out()
        .split('\n')
        .map((line) => line.slice(0, 2)),
    ).toEqual(['> ', '  ', '> ', '  ', '> ', '']);
    expect(server.requests.map(({ url }) => decodeURIComponent(url))).toContain(
      '/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app=kube-proxy',
    );
  });

  it.each(['', ' -f'])(
    'takes the pods of kube-proxy by either label that distributions give them%s',
    async (follow) => {
      const server = await start({
        pods: [],
        bySelector: {
          'k8s-app=kube-proxy': [pod('kube-proxy-a', { containers: ['kube-proxy'] })],
          'component=kube-proxy': [
            pod('kube-proxy-a', { containers: ['kube-proxy'] }),
            pod('kube-proxy-node-b', { containers: ['kube-proxy'], node: 'node-b' }),
          ],
        },
        logs: {
          'kube-proxy-a/kube-proxy': at('01', 'one'),
          'kube-proxy-node-b/kube-proxy': at('02', 'two'),
        },
      });
      const { io, done } = await begin(`logs auth-service --kube-proxy${follow}`, server);
      if (follow !== '') {
        await until(io, 'two');
        io.interrupt(new InterruptedError('SIGINT'));
        await expect(done).rejects.toThrow('ended by SIGINT');
      } else expect(await done).toBe(0);
      expect(io.out()).toBe('  kube-proxy-a/kube-proxy one\n  kube-proxy-node-b/kube-proxy two\n');
      // The lines that were there at the beginning are counted for both lists alike.
      expect(
        server.requests.filter(({ url }) => url.includes('/log?')).every(({ url }) => url.includes('tailLines=100')),
      ).toBe(true);
    },
  );

  it('ends where a log may not be read, instead of waiting for it', async () => {
    const server = await start({ pods: [pod('auth-1')], logs: { 'auth-1/app': forbidden } });
    await expect((await begin('logs auth-service -f', server)).done).rejects.toThrow('cannot get resource "pods/log"');
  });

  it('says where kube-proxy is not a pod', async () => {
    const server = await start({ pods: [], logs: {} });
    await expect((await begin('logs auth-service --kube-proxy', server)).done).rejects.toThrow(
      'where it is not a pod, its log is on the node',
    );
  });
});

describe('logs of the live view', () => {
  async function follow(
    server: ApiServer,
    nodes: readonly string[] = [],
  ): Promise<{ events: LogEvent[]; done: Promise<void>; stop: () => void }> {
    const events: LogEvent[] = [];
    const stop = new AbortController();
    const client = connect(flagsFor(server.address), { HOME: '/nonexistent' }, () => undefined);
    const done = followServiceLogs(
      client,
      { namespace: 'default', service: 'auth-service', nodes },
      (event) => {
        events.push(event);
      },
      stop.signal,
    );
    return {
      events,
      done,
      stop: () => {
        stop.abort();
      },
    };
  }
  const linesOf = (events: readonly LogEvent[]): string[] =>
    events.flatMap((event) => (event.kind === 'lines' ? event.lines.map(({ from, text }) => `${from} ${text}`) : []));

  it('are those of the pods of the Service, on the chosen nodes, and end with the view', async () => {
    const server = await start({
      pods: [pod('auth-1'), pod('auth-2', { node: 'node-b' })],
      logs: {
        'auth-1/app': (response) => {
          response.write(at('02', 'two') + at('01', 'behind'));
        },
        'auth-2/app': (response) => {
          response.write(at('03', 'elsewhere'));
        },
      },
    });
    const { events, done, stop } = await follow(server, ['node-a']);
    while (linesOf(events).length < 2) await sleep(10);
    stop();
    await done;
    expect(events[0]).toEqual({ kind: 'pods', pods: 1, waiting: [], none: expect.stringContaining('has no pod') });
    expect(events.flatMap((event) => (event.kind === 'lines' ? event.lines.map(({ node }) => node) : []))).toEqual([
      'node-a',
      'node-a',
    ]);
    expect(linesOf(events)).toEqual(['auth-1/app behind', 'auth-1/app two']);
  });

  it('name the missing permission, and the role that gives it', async () => {
    const server = await start({ pods: [pod('auth-1')], logs: { 'auth-1/app': forbidden } });
    const { done } = await follow(server);
    await expect(done).rejects.toThrow(
      'User "jane" may not get pods/log in namespace "default" (kubectl auth can-i get pods --subresource=log -n default); an administrator gives it with: kubectl create role svctrace-get-pods-log --verb=get --resource=pods/log -n default',
    );
  });

  it('begin in the order of their times, however late a log answers', async () => {
    const server = await start({
      pods: [pod('auth-1'), pod('auth-2')],
      logs: {
        'auth-1/app': (response) => {
          response.write(at('02', 'second'));
        },
        'auth-2/app': (response) => {
          setTimeout(() => {
            response.write(at('01', 'first'));
          }, 400);
        },
      },
    });
    const { events, done, stop } = await follow(server);
    while (linesOf(events).length < 2) await sleep(10);
    stop();
    await done;
    expect(linesOf(events)).toEqual(['auth-2/app first', 'auth-1/app second']);
  });

  it('do not wait for a log that says nothing', async () => {
    const server = await start({
      pods: [pod('auth-1'), pod('auth-2')],
      logs: {
        'auth-1/app': (response) => {
          response.write(at('02', 'alone'));
        },
        'auth-2/app': (response) => {
          response.flushHeaders();
        },
      },
    });
    const { events, done, stop } = await follow(server);
    while (linesOf(events).length < 1) await sleep(10);
    stop();
    await done;
    expect(linesOf(events)).toEqual(['auth-1/app alone']);
  });

  it('show changes of the pods among the lines, and count those that there are now', async () => {
    let watch: ServerResponse | undefined;
    const server = await start({
      pods: [pod('auth-1')],
      logs: {
        'auth-1/app': (() => {
          let runs = 0;
          return (response: ServerResponse): void => {
            response.end(at('01', `run ${String(runs++)}`));
          };
        })(),
        'auth-2/app': (response) => {
          response.write(at('06', 'hello'));
        },
      },
      onWatch: (response) => {
        watch = response;
      },
    });
    const { events, done, stop } = await follow(server);
    const until = async (text: string): Promise<void> => {
      while (!linesOf(events).includes(text)) await sleep(10);
    };
    await until('auth-1/app run 0');
    watch?.write(change('MODIFIED', pod('auth-1', { restarts: 1, lastState: crashed(137, 'OOMKilled') })));
    await until('auth-1/app run 1');
    watch?.write(change('ADDED', pod('auth-2', { node: '', state: {} })));
    watch?.write(
      change('MODIFIED', pod('auth-2', { node: 'node-b', state: { waiting: { reason: 'ContainerCreating' } } })),
    );
    watch?.write(change('MODIFIED', pod('auth-2', { node: 'node-b' })));
    await until('auth-2/app hello');
    watch?.write(
      change('MODIFIED', pod('auth-1', { restarts: 1, lastState: crashed(137, 'OOMKilled'), isEnding: true })),
    );
    watch?.write(
      change('DELETED', pod('auth-1', { restarts: 1, lastState: crashed(137, 'OOMKilled'), isEnding: true })),
    );
    await until('auth-1 the pod is gone');
    stop();
    await done;
    expect(linesOf(events)).toEqual([
      'auth-1/app run 0',
      'auth-1/app ended with exit code 137 (OOMKilled)',
      'auth-1/app started again, restart 1',
      'auth-1/app run 1',
      'auth-2 a new pod',
      'auth-2/app hello',
      'auth-1 the pod is being deleted',
      'auth-1 the pod is gone',
    ]);
    expect(events.flatMap((event) => (event.kind === 'pods' ? [[event.pods, ...event.waiting]] : []))).toEqual([
      [1],
      [1],
      [2, 'auth-2 (not scheduled)'],
      [2, 'auth-2 (ContainerCreating)'],
      [2],
      [2],
      [1],
    ]);
  });

  it('have the last words of a container that waits for its next run', async () => {
    const server = await start({
      pods: [pod('auth-1', { restarts: 4, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: crashed(1) })],
      logs: { 'auth-1/app': at('05', 'panic: no database') },
    });
    const { events, done, stop } = await follow(server);
    while (linesOf(events).length < 1) await sleep(10);
    stop();
    await done;
    expect(linesOf(events)).toEqual(['auth-1/app panic: no database']);
    expect(events[0]).toMatchObject({ kind: 'pods', pods: 1, waiting: ['auth-1 (CrashLoopBackOff)'] });
  });

  it('of very many pods are followed up to a bound, and the rest is reported', async () => {
    const many = Array.from({ length: 53 }, (_, index) => pod(`auth-${String(index)}`));
    const server = await start({
      pods: many,
      logs: Object.fromEntries(
        many.map((_, index) => [
          `auth-${String(index)}/app`,
          (response: ServerResponse) => {
            response.write(at('01', 'line'));
          },
        ]),
      ),
    });
    const { events, done, stop } = await follow(server);
    while (linesOf(events).length < 50) await sleep(10);
    stop();
    await done;
    expect(events).toContainEqual({ kind: 'notice', message: '50 logs are followed, 3 more are not' });
    expect(server.requests.filter(({ url }) => url.includes('/log?'))).toHaveLength(50);
  });
});
