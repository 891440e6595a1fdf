/** The engine over real HTTP from an API server of a few lines: it looks again before it reports what a moment can have caused, and reads no rules that are watched. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NodeAnswer, NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import type { RuleRecord, WatchRecord } from '../../core/wire/watch-records.ts';
import type { WatchRequest } from '../../core/wire/watch-request.ts';
import type { NodeProbes } from '../../engine/node-probes.ts';
import type { TraceResult } from '../../engine/trace-request.ts';
import { createTraceEngine, type TraceEngine } from '../../engine/trace-engine.ts';

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'auth', namespace: 'shop', uid: 'u1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    selector: { app: 'auth' },
    ports: [{ port: 80, protocol: 'TCP' }],
  },
};
const slice = (name: string, ...endpoints: { ip: string; ready: boolean }[]): object => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'shop', resourceVersion: '1' },
  addressType: 'IPv4',
  ports: [{ port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(({ ip, ready }) => ({
    addresses: [ip],
    conditions: { ready, serving: ready, terminating: false },
    nodeName: 'node-a',
  })),
});
const ready = slice('auth-1', { ip: '10.244.1.2', ready: true });
const notReady = slice('auth-1', { ip: '10.244.1.2', ready: false });
const node = (name: string): object => ({
  metadata: { name, labels: { 'kubernetes.io/os': 'linux' } },
  status: {
    conditions: [{ type: 'Ready', status: 'True' }],
    addresses: [{ type: 'InternalIP', address: '172.30.0.1' }],
  },
});

/** What the API server has at the first look, the second, and so on; the last one stays. */
let looks: { readonly service?: object; readonly slices: readonly object[] }[];
/** What each node says when it is asked for the first time, the second, and so on. */
let says: (node: string, time: number) => readonly NodeReportRecord[];
let asked: string[];
/** Of those, what was asked with rules. */
let read: string[];
/** What a node's watch was asked for, and how it answers. */
let watches: Map<string, { requests: WatchRequest[]; handlers: Parameters<NodeProbes['watch']>[1]; hasEnded: boolean }>;
let looked: number;
let engine: TraceEngine;
let close: () => Promise<void>;

beforeEach(async () => {
  says = () => [];
  asked = [];
  read = [];
  watches = new Map();
  looked = 0;
  const http = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const answer = (code: number, body: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const list = (items: readonly object[]): void => {
      answer(200, { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: '100' }, items });
    };
    if (pathname === '/api/v1/namespaces/shop/services/auth') looked += 1;
    const now = looks[Math.min(looked, looks.length) - 1];
    if (pathname === '/api/v1/namespaces/shop/services/auth')
      answer(now?.service === undefined ? 404 : 200, now?.service ?? { kind: 'Status', code: 404 });
    else if (pathname.endsWith('/shop/endpointslices')) list(now?.slices ?? []);
    else if (pathname === '/api/v1/nodes') list([node('node-a'), node('node-b')]);
    else if (pathname.endsWith('/services')) list([]);
    else if (/\/(pods|endpointslices|networkpolicies)$/.test(pathname))
      answer(403, { kind: 'Status', code: 403, message: 'forbidden' });
    else answer(404, { kind: 'Status', code: 404, message: 'not found' });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  const ask = (name: string, rules: boolean): NodeAnswer => {
    asked.push(name);
    if (rules) read.push(name);
    const now = new Date().toISOString();
    const records: NodeReportRecord[] = [
      {
        kind: 'start',
        version: 1,
        node: name,
        startedAt: now,
        kernel: '6.18',
        probeVersion: '0',
        addresses: ['172.30.0.1'],
      },
      ...says(name, asked.filter((each) => each === name).length).filter(({ kind }) => rules || kind === 'dnsAnswer'),
      { kind: 'end', finishedAt: now, durationMilliseconds: 1 },
    ];
    return { node: name, collectedAt: now, report: { node: name, complete: true, records } };
  };
  engine = createTraceEngine(
    { kubeConfig, probeNamespace: 'kube-system', probeImage: 'probe', againMilliseconds: 10 },
    () => ({
      ask: async ({ name }, request) => ask(name, request.collect.rules),
      watch: ({ name }, handlers) => {
        const watch = { requests: new Array<WatchRequest>(), handlers, hasEnded: false };
        watches.set(name, watch);
        return {
          set: (request) => watch.requests.push(request),
          end: () => {
            watch.hasEnded = true;
          },
        };
      },
      capture: async () => undefined,
      keepClean: () => undefined,
      counts: () => ({ probes: 0, starting: 0, sessions: 0 }),
      release: async () => undefined,
      close: async () => undefined,
    }),
  );
  close = async () => {
    http.closeAllConnections();
    await new Promise<void>((resolve) => {
      http.close(() => {
        resolve();
      });
    });
  };
});
afterEach(() => close());

const trace = async (previous?: ServiceTraceStatus): Promise<ServiceTraceStatus> =>
  (
    await engine.trace({
      namespace: 'shop',
      spec: { serviceRef: { name: 'auth' }, mode: 'Watch' },
      ...(previous === undefined ? {} : { previous }),
    })
  ).status;
const ids = ({ findings = [] }: ServiceTraceStatus): string[] =>
  findings.map(({ id, where }) => `${id} ${where}`).filter((text) => !text.startsWith('DATA-API-UNREAD'));

describe('a second look', () => {
  it('refutes what the first one alone found, and asks no node for what is of the Service', async () => {
    looks = [
      { service, slices: [] },
      { service, slices: [ready] },
    ];
    expect(ids(await trace())).toEqual([]);
    expect(looked).toBe(2);
    expect(asked).toEqual(['node-a', 'node-b']);
  });

  it('confirms what is still so, and none is needed for what the collection before found', async () => {
    looks = [{ service, slices: [] }];
    const first = await trace();
    expect(ids(first)).toEqual(['EPS-EMPTY service/auth']);
    expect(looked).toBe(2);
    expect(ids(await trace(first))).toEqual(['EPS-EMPTY service/auth']);
    expect(looked).toBe(3);
  });

  it('finds that the Service is gone', async () => {
    looks = [{ service, slices: [] }, { slices: [] }];
    const { conditions, findings, similarServices } = await trace();
    expect(findings).toEqual([]);
    expect(similarServices).toEqual([]);
    expect(conditions?.find(({ type }) => type === 'Ready')?.reason).toBe('ServiceNotFound');
  });

  it('reports nothing that the last look alone found, where each finds something else', async () => {
    looks = [
      { service, slices: [] },
      { service, slices: [notReady] },
      { service, slices: [ready, slice('auth-2', { ip: '10.244.1.2', ready: true })] },
    ];
    const { findings, conditions } = await trace();
    expect(ids({ findings: findings ?? [] })).toEqual([]);
    expect(conditions?.find(({ type }) => type === 'Healthy')?.status).not.toBe('False');
    expect(looked).toBe(3);
  });

  it('asks only the nodes of which something is doubted', async () => {
    looks = [{ service, slices: [ready] }];
    const dns = {
      kind: 'dnsAnswer',
      service: 'shop/auth',
      server: '10.96.0.10',
      port: 53,
      role: 'Service',
      name: 'kubernetes.default.svc.cluster.local',
      type: 'A',
      answers: [],
    } as const;
    says = (name, time) => [
      {
        ...dns,
        answers: [],
        ...(name === 'node-b' && time === 1 ? { error: 'ETIMEOUT' } : { responseCode: 'NOERROR' }),
      },
    ];
    expect(ids(await trace())).toEqual([]);
    expect(asked).toEqual(['node-a', 'node-b', 'node-b']);
  });
});

describe('a change without a time of its own', () => {
  const changed = async (later: object, slices: readonly object[]): Promise<string | undefined> => {
    looks = [
      { service, slices: [ready, slice('auth-2', { ip: '10.244.1.3', ready: true })] },
      { service: later, slices },
    ];
    await trace();
    return (await engine.trace({ namespace: 'shop', spec: { serviceRef: { name: 'auth' } } })).desired?.noticedChange;
  };

  it('is noticed from one collection to the next: a slice that is gone, a field that was taken away', async () => {
    const both = [ready, slice('auth-2', { ip: '10.244.1.3', ready: true })];
    expect(await changed(service, [ready])).toBeDefined();
    looked = 0;
    expect(await changed({ ...service, spec: { ...service.spec, externalIPs: ['192.0.2.1'] } }, both)).toBeDefined();
  });

  it('is none where nothing changed, and none of its own where the Service says when', async () => {
    const both = [ready, slice('auth-2', { ip: '10.244.1.3', ready: true })];
    expect(await changed(service, both)).toBeUndefined();
    looked = 0;
    const written = {
      ...service,
      metadata: {
        ...service.metadata,
        managedFields: [{ manager: 'kubectl', time: '2026-01-02T00:00:00Z', fieldsV1: { 'f:spec': {} } }],
      },
      spec: { ...service.spec, externalIPs: ['192.0.2.1'] },
    };
    expect(await changed(written, both)).toBeUndefined();
  });

  it('is none where the Service was made again: that has a time, and the slices of before went with it', async () => {
    const again = { ...service, metadata: { ...service.metadata, uid: 'another' } };
    expect(await changed(again, [ready])).toBeUndefined();
  });
});

describe('rules that are watched', () => {
  const tables: NodeReportRecord = { kind: 'tables', nftables: [], legacy: { IPv4: [], IPv6: [] }, ipvs: false };
  const chain = (target: string): NodeReportRecord => ({
    kind: 'iptablesChain',
    service: 'shop/auth',
    backend: 'nf_tables',
    family: 'IPv4',
    table: 'nat',
    chain: 'KUBE-SVC-ATCMKLZ6QGAHJQX2',
    scope: 'all',
    absent: false,
    lines: [`-A KUBE-SVC-ATCMKLZ6QGAHJQX2 -j DNAT --to-destination ${target}`],
  });
  const rules = (target: string, changes: RuleRecord['changes'] = []): RuleRecord => ({
    kind: 'rules',
    service: 'shop/auth',
    changes,
    omitted: 0,
    hasLost: false,
    isSettled: true,
    polled: [],
    read: { began: 1, ended: 2 },
    records: [tables, chain(target)],
  });
  const change = { earliest: 1, latest: 2 };
  let previous: ServiceTraceStatus | undefined;
  const watched = async (intervalMilliseconds = 60_000): Promise<TraceResult> => {
    const result = await engine.trace({
      namespace: 'shop',
      spec: { serviceRef: { name: 'auth' }, mode: 'Watch', nodes: { names: ['node-a', 'node-b'] } },
      watch: { intervalMilliseconds, isViewed: false },
      ...(previous === undefined ? {} : { previous }),
    });
    previous = result.status;
    return result;
  };
  const linesOf = (answer: NodeAnswer | undefined): readonly string[] =>
    answer !== undefined && 'report' in answer
      ? answer.report.records.flatMap((record) => (record.kind === 'iptablesChain' ? record.lines : []))
      : [];
  const say = (name: string, record: WatchRecord): void => watches.get(name)?.handlers.onRecord(record, undefined);
  beforeEach(() => {
    previous = undefined;
    looks = [{ service, slices: [ready] }];
    says = () => [tables, chain('10.244.1.2:8080')];
  });

  it('are read once, and then not at all for as long as they do not change', async () => {
    await watched(0);
    expect([...watches.values()].map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(watches.get('node-a')?.requests[0]).toMatchObject({ node: 'node-a', services: [{ name: 'auth' }] });
    for (const name of ['node-a', 'node-b']) say(name, rules('10.244.1.2:8080'));
    // There are findings, which have to quote what a watch does not read.
    await watched(0);
    const before = read.length;
    asked = [];
    for (let times = 0; times < 20; times += 1) {
      const { answers } = await watched(0);
      expect(answers.map(linesOf)).toEqual(answers.map((): unknown[] => [expect.stringContaining('10.244.1.2:8080')]));
      expect(answers.map((answer) => 'report' in answer && answer.report.records.at(-1)?.kind)).toEqual(['end', 'end']);
    }
    expect(asked.length).toBeGreaterThanOrEqual(40);
    expect(read).toHaveLength(before);
    expect([...watches.values()].map(({ requests }) => requests.length)).toEqual([1, 1]);
  });

  it('are asked for quickly on nodes that report nothing, as soon as a change of the EndpointSlices is delivered', async () => {
    await watched(0);
    say('node-a', rules('10.244.1.2:8080'));
    say('node-b', { ...rules('10.244.1.2:8080'), polled: ['legacy'] });
    const requests = () =>
      ['node-a', 'node-b'].map((name) => watches.get(name)?.requests.map((each) => each.isExpecting));
    expect(requests()).toEqual([[false], [false]]);
    const delivered = (resourceVersion: string, ...addresses: string[]): boolean =>
      engine.sawEndpointSlice(
        {
          metadata: {
            name: 'auth-1',
            namespace: 'shop',
            resourceVersion,
            labels: { 'kubernetes.io/service-name': 'auth' },
          },
          addressType: 'IPv4',
          ports: [{ port: 8080, protocol: 'TCP' }],
          endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
        },
        false,
      );
    expect(delivered('101', '10.244.1.2', '10.244.1.3')).toBe(true);
    expect(requests()).toEqual([[false], [false, true]]);
    // Nothing is on its way to the rules with this one.
    expect(delivered('102', '10.244.1.2', '10.244.1.3')).toBe(false);
    expect(requests()).toEqual([[false], [false, true]]);
  });

  it('are read where nothing watches them, and where the watch was cut, until it gives them again', async () => {
    await watched(0);
    read = [];
    await watched(0);
    expect(read).toEqual(expect.arrayContaining(['node-a', 'node-b']));
    for (const name of ['node-a', 'node-b']) say(name, rules('10.244.1.2:8080'));
    await watched(0);
    watches.get('node-b')?.handlers.onUnwatched('its stream broke');
    read = [];
    await watched(0);
    expect(new Set(read)).toEqual(new Set(['node-b']));
    say('node-b', rules('10.244.1.2:8080'));
    await watched(0);
    read = [];
    await watched(0);
    expect(read).toEqual([]);
  });

  it('change the status without a node being asked, and say so to who listens', async () => {
    const reported: string[] = [];
    engine.onRuleChange((name) => reported.push(name));
    await watched();
    for (const name of ['node-a', 'node-b']) say(name, rules('10.244.1.2:8080'));
    await watched();
    expect(reported).toEqual([]);
    asked = [];
    say('node-b', rules('10.244.1.9:8080', [change]));
    expect(reported).toEqual(['shop/auth']);
    const { answers, status } = await watched();
    expect(linesOf(answers.find((answer) => answer.node === 'node-b'))).toEqual([
      expect.stringContaining('10.244.1.9:8080'),
    ]);
    expect(status.nodes?.map(({ probe }) => probe.state)).toEqual(['Collected', 'Collected']);
    expect(asked.filter((name) => name === 'node-a')).toEqual([]);
  });

  it('have connections beside them, which are in the status without a node being asked, and a result is due for viewers', async () => {
    const trace = async (conntrack: 'None' | 'Summary'): Promise<TraceResult> => {
      const result = await engine.trace({
        namespace: 'shop',
        spec: {
          serviceRef: { name: 'auth' },
          mode: 'Watch',
          nodes: { names: ['node-a', 'node-b'] },
          collect: { conntrack },
        },
        watch: { intervalMilliseconds: 60_000, isViewed: true },
        ...(previous === undefined ? {} : { previous }),
      });
      previous = result.status;
      return result;
    };
    const none = await trace('None');
    expect(none.status.connectionEvents).toBeUndefined();
    expect(watches.get('node-a')?.requests.at(-1)).not.toHaveProperty('connections');
    previous = undefined;
    await trace('Summary');
    expect(watches.get('node-a')?.requests.at(-1)).toMatchObject({
      connections: [{ service: 'shop/auth', detail: 'Summary' }],
    });
    const reported: string[] = [];
    engine.onRuleChange((name) => reported.push(name));
    for (const name of ['node-a', 'node-b']) say(name, rules('10.244.1.2:8080'));
    watches.get('node-b')?.handlers.onUnfollowed?.('the probe is older');
    say('node-a', { kind: 'connectionsFollowed', service: 'shop/auth', since: Date.now() });
    await trace('Summary');
    asked = [];
    say('node-a', {
      kind: 'connections',
      service: 'shop/auth',
      events: [
        {
          kind: 'New',
          earliest: Date.now() - 1,
          latest: Date.now(),
          count: 3,
          protocol: 'TCP',
          original: { destination: '10.96.0.7', destinationPort: 80 },
          reply: { source: '10.244.1.2', sourcePort: 8080 },
          isAnswered: false,
        },
      ],
      gaps: [],
    });
    await vi.waitFor(() => {
      expect(reported).toContain('shop/auth');
    }, 10_000);
    const { status } = await trace('Summary');
    expect(status.connectionEvents).toMatchObject({
      followedNodes: 1,
      notFollowed: [{ reason: 'the probe is older', nodes: ['node-b'] }],
      recent: [{ node: 'node-a', kind: 'New', count: 3, endpoint: '10.244.1.2' }],
    });
    expect(asked).toEqual([]);
  });

  it('that a trace began to read before they changed do not take the place of the newer ones', async () => {
    await watched(0);
    say('node-a', rules('10.244.1.2:8080'));
    watches.get('node-a')?.handlers.onUnwatched('its stream broke');
    says = (name) => {
      if (name === 'node-a') say(name, rules('10.244.1.9:8080', [change]));
      return [tables, chain('10.244.1.2:8080')];
    };
    await watched(0);
    says = () => [tables, chain('10.244.1.2:8080')];
    read = [];
    const { answers } = await watched(0);
    expect(linesOf(answers.find((answer) => answer.node === 'node-a'))).toEqual([
      expect.stringContaining('10.244.1.9:8080'),
    ]);
    expect(read, 'what the watch gave is the newest').not.toContain('node-a');
  });

  it('are watched no longer than somebody wants it', async () => {
    await watched();
    await engine.release();
    expect([...watches.values()].map(({ hasEnded }) => hasEnded)).toEqual([true, true]);
  });
});
