/** `kubectl svctrace SERVICE` without a terminal: what is printed, the exit status, and what is left in the cluster. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import stringWidth from 'string-width';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ApiError } from '../../../cmd/cluster/api.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { ClusterError, InterruptedError, NotFoundError, UsageError } from '../../../cmd/cli/errors.ts';
import { openWatch } from '../../../cmd/sources/operator.ts';
import { runTrace } from '../../../cmd/commands/trace.ts';
import type { TraceRequest } from '../../../cmd/cli/request.ts';
import { parseServiceTrace } from '../../../core/api/parse-service-trace.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { fakeCluster, testIo, type FakeCluster, type TestIo } from '../../support/fake-cluster.ts';
import { exampleTrace, nodeA, nodeB, targets } from '../../support/example-trace.ts';

async function requestOf(line: string): Promise<TraceRequest> {
  const parsed = await parseCommandLine(line.split(' '), 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'trace') throw new Error('no trace');
  return parsed.request;
}

async function run(line: string, cluster: FakeCluster, io: TestIo = testIo()): Promise<number> {
  return runTrace(await requestOf(line), io, () => cluster.client);
}

const partial: ServiceTraceStatus = exampleTrace.status ?? {};
const healthy: ServiceTraceStatus = {
  ...partial,
  nodes: [nodeA],
  findings: [],
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Collected',
      message: 'collected from 1 of 1 nodes',
      lastTransitionTime: '2026-11-24T11:00:00Z',
    },
  ],
};
const waiting: ServiceTraceStatus = {
  ...partial,
  nodes: [
    nodeA,
    {
      name: 'node-c',
      probe: { state: 'Waiting', reason: 'ImagePullBackOff', message: 'the image cannot be pulled' },
      proxyMode: 'unknown',
      ports: [],
    },
  ],
  findings: [],
  conditions: [
    {
      type: 'Ready',
      status: 'Unknown',
      reason: 'Collecting',
      message: 'waiting for node-c',
      lastTransitionTime: '2026-11-24T11:00:00Z',
    },
  ],
};
/** An operator that answers a moment after a trace is created. */
const answering = (status: ServiceTraceStatus, own: Parameters<typeof fakeCluster>[0] = {}): FakeCluster =>
  fakeCluster({
    ...own,
    onCreated: (name, cluster) => {
      setTimeout(() => {
        cluster.writeStatus(name, status);
      }, 5);
    },
  });

describe('one result', () => {
  it('is printed, and its trace is deleted', async () => {
    const cluster = answering(healthy);
    const io = testIo();
    expect(await run('auth-service', cluster, io)).toBe(0);
    expect(io.out()).toContain('Service default/auth-service  ClusterIP 10.96.216.123');
    expect(io.err()).toBe('');
    expect(cluster.log).toEqual(['create auth-service-1', 'delete auth-service-1 uid-auth-service-1']);
  });

  it('of --connect --from POD says why the pod did not connect, where it cannot, and is judged all the same', async () => {
    const io = testIo();
    const tried = {
      ...nodeA,
      connections: [
        {
          hop: 'ClusterIP' as const,
          address: '10.96.216.123',
          port: 80,
          protocol: 'TCP' as const,
          outcome: 'connected' as const,
          milliseconds: 1,
        },
      ],
    };
    expect(
      await run(
        'auth-service --connect --from client-a',
        answering({ ...healthy, nodes: [tried] }, { listPods: async () => ['client-a'] }),
        io,
      ),
    ).toBe(0);
    expect(io.out().replaceAll(/\s+/g, ' ')).toContain('connections from pod client-a not tried: ');
  });

  it('is asked for in mode Once, and goes by itself where the plugin could not delete it', async () => {
    let spec: object | undefined;
    const cluster = answering(healthy);
    await runTrace(await requestOf('auth-service --node node-a --from 10.0.0.9 --conntrack entries'), testIo(), () => ({
      ...cluster.client,
      createTrace: (trace) => {
        spec = trace.spec;
        return cluster.client.createTrace(trace);
      },
    }));
    expect(spec).toEqual({
      serviceRef: { name: 'auth-service' },
      mode: 'Once',
      ttlSecondsAfterFinished: 300,
      nodes: { names: ['node-a'] },
      from: { ip: '10.0.0.9' },
      collect: { conntrack: 'Entries' },
    });
  });

  it('has the same exit status in every format', async () => {
    for (const format of ['table', 'wide', 'json', 'yaml', 'name']) {
      expect(await run(`auth-service -o ${format}`, answering(healthy)), format).toBe(0);
      expect(await run(`auth-service -o ${format}`, answering(partial)), format).toBe(1);
    }
  });

  it('-o json prints the object and nothing else', async () => {
    const io = testIo();
    await run('auth-service -o json', answering(healthy), io);
    expect(parseServiceTrace(JSON.parse(io.out())).status).toEqual(healthy);
  });

  it('--keep leaves the trace, and says its name', async () => {
    const cluster = answering(healthy);
    const io = testIo();
    expect(await run('auth-service --keep', cluster, io)).toBe(0);
    expect(cluster.traces.map(({ metadata, spec }) => [metadata.name, spec.ttlSecondsAfterFinished])).toEqual([
      ['auth-service-1', undefined],
    ]);
    expect(io.err()).toBe('Kept as servicetrace/auth-service-1\n');
  });

  it('that is not whole in time is printed as far as it is known, with the reason', async () => {
    const cluster = answering(waiting);
    const io = testIo();
    expect(await run('auth-service --timeout 60ms', cluster, io)).toBe(5);
    expect(io.out()).toMatch(/node-c .* waiting: ImagePull/);
    expect(io.err()).toBe(
      'Partial: 1 of 2 nodes did not answer: node-c (ImagePullBackOff: the image cannot be pulled) (waited 0.06 s; --timeout says how long)\n',
    );
    expect(cluster.traces).toEqual([]);
  });

  it('that never begins says that the operator does not answer', async () => {
    const cluster = fakeCluster();
    await expect(run('auth-service --timeout 50ms', cluster)).rejects.toThrow(
      new ClusterError(
        'The svctrace operator did not answer within 0.05 s; see whether it runs with `kubectl svctrace status`, or trace without it with --standalone.',
      ),
    );
    expect(cluster.traces).toEqual([]);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ended by %s is cleaned up', async (signal) => {
    const cluster = fakeCluster();
    const io = testIo();
    const running = run('auth-service', cluster, io);
    setTimeout(() => {
      io.interrupt(new InterruptedError(signal));
    }, 20);
    await expect(running).rejects.toThrow(`ended by ${signal}`);
    expect(cluster.log.at(-1)).toBe('delete auth-service-1 uid-auth-service-1');
  });
});

describe('a Service that is not there', () => {
  const services = [
    { namespace: 'default', name: 'auth-service' },
    { namespace: 'default', name: 'kubernetes' },
    { namespace: 'shop', name: 'cart' },
  ];
  const absent = (): FakeCluster =>
    fakeCluster({
      hasService: async () => false,
      listServices: async (namespace) =>
        services.filter((service) => namespace === undefined || service.namespace === namespace),
    });

  it.each([
    ['auth-servic', 'Service "auth-servic" is not in namespace "default"; near: auth-service.'],
    ['auth', 'Service "auth" is not in namespace "default"; near: auth-service.'],
    ['cart', 'Service "cart" is not in namespace "default"; a Service of this name is in namespace shop: add -n shop.'],
    [
      'nosuch',
      'Service "nosuch" is not in namespace "default"; kubectl get services -n default lists those that are there.',
    ],
  ])('%s', async (name, sentence) => {
    const cluster = absent();
    await expect(run(name, cluster)).rejects.toThrow(new NotFoundError(sentence));
    expect(cluster.log).toEqual([]);
  });

  it('in a namespace that is not there', async () => {
    const cluster = absent();
    const client = { ...cluster.client, namespace: 'kube-sytem' };
    await expect(runTrace(await requestOf('auth-service'), testIo(), () => client)).rejects.toThrow(
      new NotFoundError('There is no namespace "kube-sytem"; near: kube-system.'),
    );
  });

  describe('is reported by the trace where the user may not read Services', () => {
    const forbidden = async (): Promise<never> => {
      throw new ApiError(403, 'Forbidden', 'no', undefined);
    };
    const withMessage = (message: string, similarServices?: string[]): ServiceTraceStatus => ({
      nodes: [],
      ...(similarServices === undefined ? {} : { similarServices }),
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'ServiceNotFound',
          message,
          lastTransitionTime: '2026-11-24T11:00:00Z',
        },
      ],
    });

    it.each([
      [
        'with the names that its status has, whatever its message says',
        withMessage('x', ['auth', 'auth-b']),
        '; near: auth, auth-b',
      ],
      ['without names where it has none', withMessage('there is no Service nosuch', []), ''],
      [
        'without names where an operator wrote them into its message alone',
        withMessage('there is no Service nosuch in the namespace of this trace; names near it: auth-service'),
        '',
      ],
    ])('%s', async (_name, status, near) => {
      const cluster = answering(status, { hasService: forbidden, listServices: forbidden });
      await expect(run('nosuch', cluster)).rejects.toThrow(
        new NotFoundError(`Service "nosuch" is not in namespace "default"${near}.`),
      );
    });
  });

  it('-A finds the one namespace, and refuses to choose of several', async () => {
    const io = testIo();
    const cluster = answering(healthy, {
      listServices: async () => [...services, { namespace: 'shop', name: 'kubernetes' }],
    });
    expect(await run('cart -A', cluster, io)).toBe(0);
    expect(io.out()).toContain('Service shop/cart');
    await expect(run('kubernetes -A', cluster)).rejects.toThrow(
      new UsageError('Service "kubernetes" is in more than one namespace (default, shop): choose one with -n.'),
    );
    await expect(run('nosuch -A', cluster)).rejects.toThrow(new NotFoundError('Service "nosuch" is in no namespace.'));
  });
});

it('--from names a pod that is there', async () => {
  const cluster = answering(healthy, { listPods: async () => ['client-a', 'client-b'] });
  await expect(run('auth-service --from client-x', cluster)).rejects.toThrow(
    new UsageError('--from client-x: namespace "default" has no pod of this name; near: client-a, client-b.'),
  );
  expect(await run('auth-service --from client-a', cluster)).toBe(0);
});

it('--trace shows one that is there, and leaves it', async () => {
  const cluster = fakeCluster();
  cluster.traces.push({
    ...exampleTrace,
    metadata: { name: 'by-gitops', namespace: 'default', generation: 1 },
    status: healthy,
  });
  const io = testIo();
  expect(await run('--trace by-gitops', cluster, io)).toBe(0);
  expect(io.out()).toContain('Service default/auth-service');
  await expect(run('--trace by-gitop', cluster)).rejects.toThrow(
    new NotFoundError('ServiceTrace "by-gitop" is not in namespace "default"; near: by-gitops.'),
  );
  expect(cluster.traces).toHaveLength(1);
});

describe('--watch', () => {
  const drifted: ServiceTraceStatus = {
    ...partial,
    nodes: [nodeA, nodeB],
    collectedAt: '2026-11-24T11:00:02Z',
    conditions: healthy.conditions ?? [],
  };
  const allThere: ServiceTraceStatus = {
    ...drifted,
    nodes: [nodeA, { ...nodeB, ports: nodeB.ports.map((port) => ({ ...port, dnatTargets: targets([], [0, 2, 0]) })) }],
    collectedAt: '2026-11-24T11:00:00Z',
    findings: [],
  };
  const later = (status: ServiceTraceStatus, seconds: number): ServiceTraceStatus => ({
    ...status,
    collectedAt: `2026-11-24T11:00:0${String(seconds)}Z`,
  });

  /** What is printed while the operator writes one status after the other. */
  async function watched(line: string, statuses: readonly ServiceTraceStatus[], io = testIo()): Promise<string> {
    const cluster = fakeCluster();
    const client: FakeCluster['client'] = {
      ...cluster.client,
      // All of it while the watch is there, however busy the machine is.
      watchTrace: async (namespace, name, version, onEvent, signal) => {
        const watching = cluster.client.watchTrace(namespace, name, version, onEvent, signal);
        for (const status of statuses) cluster.writeStatus(name, status);
        io.interrupt(new InterruptedError('SIGINT'));
        return watching;
      },
    };
    await expect(runTrace(await requestOf(line), io, () => client)).rejects.toThrow(InterruptedError);
    expect(cluster.log).toEqual(['create auth-service-1', 'delete auth-service-1 uid-auth-service-1']);
    return io.out();
  }

  it('prints the first whole result as a table, then a line for each change, and deletes its trace', async () => {
    const out = await watched('auth-service --watch', [
      waiting,
      allThere,
      allThere,
      drifted,
      later(drifted, 4),
      later(allThere, 6),
    ]);
    expect(out.match(/^Service default\/auth-service/gm)).toHaveLength(1);
    const [, lines = ''] = out.split(/\n(?=TIME)/);
    expect(lines).toBe(
      [
        'TIME                  NODE    WHAT      CHANGE',
        '2026-11-24T11:00:00Z  node-b  rules     rules of ClusterIP 10.96.216.123:80/TCP send no more to 10.244.3.3:8080',
        '2026-11-24T11:00:02Z  node-b  finding   ✖ RULE-EP-MISSING: node-b sends no packet of ClusterIP 10.96.216.123:80/TCP to 10.244.3.3:8080, which is ready.',
        '2026-11-24T11:00:02Z  node-c  finding   ✖ DATA-NODE-MISSING: node-c did not answer.',
        '2026-11-24T11:00:00Z  node-b  rules     rules of ClusterIP 10.96.216.123:80/TCP send to 10.244.3.3:8080 now',
        '2026-11-24T11:00:06Z  node-b  finding   ● RULE-EP-MISSING of node/node-b is gone',
        '2026-11-24T11:00:06Z  node-c  finding   ● DATA-NODE-MISSING of node/node-c is gone',
        '',
      ].join('\n'),
    );
  });

  it('prints nothing more where nothing changes', async () => {
    const out = await watched('auth-service --watch -o wide', [allThere, later(allThere, 2), later(allThere, 4)]);
    expect(out).toMatch(/MODE SOURCE/);
    expect(out).not.toContain('CHANGE\n');
  });

  it('reports that the Service is deleted', async () => {
    const gone: ServiceTraceStatus = {
      collectedAt: '2026-11-24T11:00:03Z',
      nodes: [],
      findings: [],
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'ServiceNotFound',
          message: 'there is no Service auth-service',
          lastTransitionTime: '2026-11-24T11:00:03Z',
        },
      ],
    };
    expect(await watched('auth-service --watch', [allThere, gone])).toContain(
      '\n2026-11-24T11:00:03Z  -     service   ✖ the Service is gone\n',
    );
  });

  it('colours what a mark says too', async () => {
    const out = await watched('auth-service --watch --color always', [allThere, drifted]);
    expect(out).toContain('\u001b[31m✖ RULE-EP-MISSING: ');
    const strip = (text: string): string => text.replace(/\u001b\[\d+m/g, '');
    expect(strip(out)).toBe(await watched('auth-service --watch', [allThere, drifted]));
  });

  it('prints whole objects one after the other where a program reads them, as kubectl does', async () => {
    const statuses = [waiting, allThere, drifted];
    const json = await watched('auth-service --watch -o json', statuses);
    const objects = json.split(/(?<=^\}\n)/m).map((text) => parseServiceTrace(JSON.parse(text)).status?.collectedAt);
    expect(objects).toEqual([allThere.collectedAt, drifted.collectedAt]);
    const yaml = await watched('auth-service --watch -o yaml', statuses);
    expect(parseAllDocuments(yaml).map((document) => parseServiceTrace(document.toJS()).status?.collectedAt)).toEqual([
      allThere.collectedAt,
      drifted.collectedAt,
    ]);
    expect(yaml.match(/^---$/gm)).toHaveLength(1);
    expect(await watched('auth-service --watch -o name', statuses)).toBe(
      'servicetrace.svctrace.io/auth-service-1\n'.repeat(2),
    );
  });
});

describe('a live view', () => {
  const spec = { serviceRef: { name: 'auth-service' } };
  const options = { namespace: 'default', spec };

  it('shares a trace that asks the same, and does not delete it', async () => {
    const cluster = fakeCluster();
    const first = await openWatch(cluster.client, options);
    const second = await openWatch(cluster.client, options);
    expect(cluster.log).toEqual(['create auth-service-1']);
    await second.close();
    expect(cluster.traces).toHaveLength(1);
    await first.close();
    expect(cluster.traces).toEqual([]);
  });

  it('shares one whose spec the API server completed, and no other', async () => {
    const cluster = fakeCluster();
    const completed = {
      ...spec,
      mode: 'Watch' as const,
      interval: '2s',
      suspend: false,
      collect: { rules: true, conntrack: 'Summary' as const, kubeProxy: true, dns: true },
    };
    cluster.traces.push(
      { ...exampleTrace, metadata: { name: 'other' }, spec: { ...completed, interval: '30s' } },
      { ...exampleTrace, metadata: { name: 'same' }, spec: completed },
    );
    await (await openWatch(cluster.client, options)).close();
    expect(cluster.log).toEqual([]);
    await openWatch(cluster.client, { ...options, spec: { ...spec, nodes: { names: ['node-a'] } } });
    expect(cluster.log).toEqual(['create auth-service-3']);
  });

  it('makes a new trace where the shared one is deleted', async () => {
    const cluster = fakeCluster();
    const first = await openWatch(cluster.client, options);
    const second = await openWatch(cluster.client, options);
    const stop = new AbortController();
    const events: string[] = [];
    const following = second.follow((event) => {
      events.push(event.kind);
    }, stop.signal);
    setTimeout(() => {
      cluster.remove('auth-service-1');
    }, 5);
    setTimeout(() => {
      stop.abort();
    }, 30);
    await following;
    expect(events).toEqual(['trace', 'notice', 'trace']);
    expect(cluster.log).toEqual(['create auth-service-1', 'create auth-service-1']);
    await second.close();
    expect(cluster.traces).toEqual([]);
    expect(first.origin).toEqual({ kind: 'operator' });
  });

  it('walks the packet of another client with a trace of its own, and leaves what others share', async () => {
    const cluster = fakeCluster();
    const others = await openWatch(cluster.client, options);
    const source = await openWatch(cluster.client, options);
    const stop = new AbortController();
    const following = source.follow(() => undefined, stop.signal);
    await source.walkFrom?.('10.244.0.7');
    expect(cluster.traces.map(({ spec: { from } }) => from)).toEqual([undefined, { ip: '10.244.0.7' }]);
    await source.walkFrom?.('client-a');
    expect(cluster.traces.map(({ spec: { from } }) => from)).toEqual([undefined, { pod: 'client-a' }]);
    stop.abort();
    await following;
    await source.close();
    expect(cluster.traces).toHaveLength(1);
    await others.close();
  });

  it('expires where its plugin is gone', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-24T11:00:00Z') });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const cluster = fakeCluster();
    await openWatch(cluster.client, options);
    expect(cluster.traces[0]?.metadata.annotations?.['svctrace.io/expires-at']).toBe('2026-11-24T11:02:00.000Z');
  });

  it.each([
    [
      'is not there',
      async () => undefined,
      'silent',
      'The svctrace operator does not run: there is no deployment/svctrace-operator in namespace svctrace-system; install it with `kubectl svctrace install`, or trace without it with --standalone.',
    ],
    [
      'is scaled down',
      async () => ({ image: '', availableReplicas: 0, message: 'it is scaled to 0 replicas' }),
      'silent',
      'The svctrace operator does not run (deployment/svctrace-operator in namespace svctrace-system: it is scaled to 0 replicas); start it, or trace without it with --standalone.',
    ],
    [
      'is slow',
      async () => ({ image: '', availableReplicas: 1, message: '' }),
      'notice',
      'the operator runs, but does not answer yet (kubectl logs -n svctrace-system deployment/svctrace-operator)',
    ],
    [
      'may not be seen',
      async () => {
        throw new ApiError(403, 'Forbidden', 'no', undefined);
      },
      'notice',
      'the operator does not answer yet; you may not see whether it runs (deployment/svctrace-operator in namespace svctrace-system)',
    ],
  ])('says that the operator %s', async (_name, readOperator, kind, message) => {
    const cluster = fakeCluster({ readOperator });
    const source = await openWatch(cluster.client, { ...options, silenceMilliseconds: 5 });
    const stop = new AbortController();
    const events: object[] = [];
    setTimeout(() => {
      stop.abort();
    }, 30);
    await source.follow((event) => {
      if (event.kind !== 'trace') events.push(event);
    }, stop.signal);
    expect(events).toEqual([{ kind, message }]);
  });
});

it('a live view says that the operator has stopped, and is live again when it answers', async () => {
  const cluster = fakeCluster({
    onCreated: (name) => {
      setTimeout(() => {
        cluster.writeStatus(name, healthy);
      }, 2);
    },
    readOperator: async () => undefined,
  });
  const source = await openWatch(cluster.client, {
    namespace: 'default',
    spec: { serviceRef: { name: 'auth-service' } },
    silenceMilliseconds: 10,
  });
  const stop = new AbortController();
  const events: string[] = [];
  setTimeout(() => {
    cluster.writeStatus('auth-service-1', healthy);
  }, 60);
  setTimeout(() => {
    stop.abort();
  }, 70);
  await source.follow((event) => {
    events.push(event.kind);
  }, stop.signal);
  expect(events).toEqual(['trace', 'trace', 'silent', 'trace']);
});

describe('--bundle', () => {
  it('refuses what is not a bundle, in one sentence', async () => {
    await expect(run('--bundle /nonexistent', fakeCluster())).rejects.toThrow(
      /^--bundle \/nonexistent cannot be read: there is no such file or directory \(ENOENT\)$/,
    );
    await expect(run(`--bundle ${fileURLToPath(import.meta.url)}`, fakeCluster())).rejects.toThrow(UsageError);
  });
});

describe('--bundle of a real cluster', () => {
  const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
  const bundles = readdirSync(fixtures).filter((name) => name.endsWith('.svctrace'));

  it.each(bundles)('%s is shown without a cluster', async (name) => {
    const io = testIo();
    const status = await run(
      `--bundle ${fixtures}${name}`,
      fakeCluster({
        hasService: async () => {
          throw new Error('no cluster is asked');
        },
      }),
      io,
    );
    expect([0, 1]).toContain(status);
    expect(io.out()).toMatch(/^Service \S+\/\S+ {2}/);
    expect(io.err()).toBe('');
    // A command is one line, so that it can be pasted.
    for (const line of io
      .out()
      .split('\n')
      .filter((each) => !/^ {4}(?:\$|\S+#) /.test(each)))
      expect(stringWidth(line), line).toBeLessThanOrEqual(80);
  });

  it('walks the packet of an address or a pod that it knows', async () => {
    const { openBundle } = await import('../../../cmd/sources/bundle.ts');
    const source = await openBundle('test/fixtures/auth-service.svctrace', {
      service: undefined,
      namespace: undefined,
    });
    const walked: (string | undefined)[] = [];
    await source.follow((event) => {
      if (event.kind === 'trace') walked.push(event.trace.status?.walks?.[0]?.source);
    }, new AbortController().signal);
    await source.walkFrom?.('203.0.113.9');
    expect(walked.at(-1)).toBe('203.0.113.9');
    await expect(source.walkFrom?.('no-such-pod')).rejects.toThrow(
      new UsageError('no-such-pod is not an IP address, and the bundle knows no pod of this name'),
    );
  });

  it('of another Service is refused', async () => {
    await expect(run(`other --bundle ${fixtures}auth-service.svctrace`, fakeCluster())).rejects.toThrow(NotFoundError);
  });
});
