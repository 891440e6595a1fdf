/** However long what others write is, a status stays one that the API server takes. */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { boundStatus } from '../../../core/status/bound.ts';
import { boundedList, boundedText, maxMessageLength } from '../../../core/lib/bounded-text.ts';
import { parseBundle } from '../../../core/wire/bundle.ts';
import type { NodeAnswer } from '../../../core/wire/node-report.ts';
import { progressStatus } from '../../../core/status/progress.ts';
import { serviceTraceSchema, type ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { buildStatus } from '../../../core/status/status.ts';

const recorded = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const now = recorded.recordedAt;
const validate = new Ajv({ strict: false, validateFormats: false }).compile(serviceTraceSchema);
/** As the API server looks at it: the schema, which has the 32,768 of a condition's message, and the size. */
function expectTaken(status: ServiceTraceStatus): void {
  const object = {
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: { name: 'a' },
    spec: { serviceRef: { name: 'a' } },
    status,
  };
  expect(validate(object), JSON.stringify(validate.errors?.[0])).toBe(true);
  expect(JSON.stringify(status).length).toBeLessThan(512 * 1024);
}
const unknownNodes = (count: number): NodeAnswer[] =>
  Array.from({ length: count }, (_, index) => ({
    node: `${'n'.repeat(240)}-${String(index)}`,
    state: 'Failed',
    reason: 'NoSuchNode',
    message: 'the cluster has no node of this name; kubectl get nodes lists them',
  }));
const build = (answers: readonly NodeAnswer[]): ServiceTraceStatus =>
  buildStatus({ spec: recorded.spec, generation: 1, desired: recorded.desired, answers, previous: undefined, now });

it('of 5,000 nodes that are not there is one that the API server takes, and says how many there are', () => {
  const status = build(unknownNodes(5000));
  expectTaken(status);
  const ready = status.conditions?.find(({ type }) => type === 'Ready');
  expect(ready?.message).toContain('and 4990 more');
  expect(ready?.message.length).toBeLessThanOrEqual(maxMessageLength);
});

it('counts the bytes of UTF-8 JSON to the last one, whatever its texts are made of', () => {
  const most = 500 * 1024;
  const of = (texts: readonly string[], fill: number): ServiceTraceStatus => ({
    collectedAt: now,
    similarServices: [...texts, 'n'.repeat(fill)],
    nodes: [
      {
        name: 'a',
        probe: { state: 'Collected' },
        proxyMode: 'iptables',
        ports: [],
        conntrack: {
          matched: 1,
          unreplied: 0,
          states: {},
          entries: [
            {
              protocol: 'TCP',
              original: { source: '10.0.0.1', sourcePort: 1, destination: '10.0.0.2', destinationPort: 2 },
              reply: { source: '10.0.0.2', sourcePort: 2, destination: '10.0.0.1', destinationPort: 1 },
            },
          ],
        },
      },
    ],
    truncated: [],
  });
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 20 }), (texts) => {
      const rest = Buffer.byteLength(JSON.stringify(of(texts, 0)));
      expect(boundStatus(of(texts, most - rest)).truncated).toEqual([]);
      expect(boundStatus(of(texts, most - rest + 1)).truncated?.[0]).toMatch(/^conntrack entries/);
    }),
    { numRuns: 30 },
  );
});

it('names what was cut, and nothing that is not there', () => {
  const { truncated = [] } = build(unknownNodes(5000));
  expect(truncated).toContain('nodes past the first 500');
  for (const absent of ['conntrack entries', 'connections past', 'rules of', 'EndpointSlice', 'DNAT targets'])
    expect(truncated.filter((what) => what.includes(absent))).toEqual([]);
});

it('of a node whose message is a megabyte is taken, too', () => {
  const huge = 'é😀'.repeat(400_000);
  const status = build([
    { node: 'node-a', state: 'Failed', reason: 'ProbeFailed', message: huge },
    ...recorded.answers.slice(1),
  ]);
  expectTaken(status);
  expect(status.nodes?.find(({ name }) => name === 'node-a')?.probe.message?.length).toBeLessThanOrEqual(
    maxMessageLength,
  );
});

it('bounds every message of conditions, findings and nodes, whatever wrote it', () => {
  const long = 'x'.repeat(50_000);
  const bounded = boundStatus({
    conditions: [{ type: 'Healthy', status: 'False', reason: long, message: long, lastTransitionTime: now }],
    findings: [{ id: 'A', severity: 'info', where: 'w', message: long, evidence: [long], advice: long }],
    nodes: [
      {
        name: 'node-a',
        probe: { state: 'Collected', message: long, unread: [{ what: long, reason: long }] },
        proxyMode: 'unknown',
        kubeProxy: { message: long },
        dns: { name: 'n', server: 's', answers: [], error: long },
        ports: [],
      },
    ],
  });
  expectTaken(bounded);
  const texts: string[] = [];
  JSON.stringify(bounded, (_key, value: unknown) => {
    if (typeof value === 'string') texts.push(value);
    return value;
  });
  expect(Math.max(...texts.map(({ length }) => length))).toBeLessThanOrEqual(maxMessageLength);
  expect(texts.filter((text) => text.includes('more characters'))).toHaveLength(10);
});

it('never makes a text longer than its bound, nor cuts a character in half', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.integer({ min: 64, max: 200 }), (text, max) => {
      const bounded = boundedText(text, max);
      expect(bounded.length).toBeLessThanOrEqual(max);
      expect(bounded.isWellFormed()).toBe(text.isWellFormed());
      if (text.length <= max) expect(bounded).toBe(text);
    }),
  );
});

it('lists the first of many', () => {
  expect(boundedList(['a', 'b'])).toBe('a, b');
  expect(boundedList(['a', 'b', 'c'], '; ', 2)).toBe('a; b; and 1 more');
});

it('shows progress by counts, reads nothing of what nodes reported, and stays small', () => {
  const answers = Array.from({ length: 1000 }, (_, index): NodeAnswer => {
    const node = `node-${String(index)}`;
    if (index >= 400) return { node, state: 'Waiting', reason: 'Asking', message: 'its probe is being asked' };
    const report = {
      node,
      complete: true,
      get records(): never {
        throw new Error('progress looked into a report');
      },
    };
    return { node, report, collectedAt: now };
  });
  const status = progressStatus({ generation: 3, desired: recorded.desired, answers, previous: undefined, now });
  expectTaken(status);
  expect(JSON.stringify(status).length).toBeLessThan(8192);
  expect(status.summary).toMatchObject({ nodes: '400/1000', endpoints: '3/3' });
  expect(status.conditions?.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
    'Ready=Unknown',
    'Collected=Unknown',
    'Converged=Unknown',
    'Healthy=Unknown',
  ]);
  expect(status.conditions?.[1]?.message).toBe('400 of 1000 nodes answered');
});

it('lists fewer missing and extra targets where many nodes lack all of them, and counts them all', () => {
  const targets = Array.from({ length: 200 }, (_, index) => ({
    address: `10.244.${String(index)}.2`,
    port: 8080,
    pod: `auth-service-${String(index)}`,
    nodeName: `node-${String(index)}`,
  }));
  const extra = targets.map(({ address, port }) => ({ address, port }));
  const port = {
    family: 'IPv4',
    frontend: 'ClusterIP',
    address: '10.96.0.7',
    protocol: 'TCP',
    port: 80,
    verdict: 'DNAT',
    dnatTargets: [{ address: '10.9.9.9', port: 1 }],
    drift: { desired: 200, missing: 200, extra: 200, missingTargets: targets, extraTargets: extra },
  } as const;
  const lists = (nodes: number): { missing: number; listed: number[]; truncated: readonly string[] } => {
    const status = boundStatus({
      nodes: Array.from({ length: nodes }, (_, index) => ({
        name: `node-${String(index)}`,
        probe: { state: 'Collected' },
        proxyMode: 'iptables',
        ports: [{ ...port, dnatTargets: [...port.dnatTargets], drift: { ...port.drift, missingTargets: targets } }],
      })),
    });
    expectTaken(status);
    const drift = status.nodes?.[0]?.ports[0]?.drift;
    return {
      missing: drift?.missing ?? 0,
      listed: [drift?.missingTargets?.length ?? 0, drift?.extraTargets?.length ?? 0],
      truncated: status.truncated ?? [],
    };
  };
  expect(lists(3)).toEqual({ missing: 200, listed: [200, 200], truncated: [] });
  expect(lists(100)).toMatchObject({ missing: 200, listed: [10, 10] });
  expect(lists(100).truncated).toContain(
    'missing and extra DNAT targets of nodes past the first 10 of each frontend (their counts are whole)',
  );
  expect(lists(1000)).toMatchObject({ missing: 200, listed: [0, 0] });
});

it('cuts a status as soon as its JSON has more bytes than an object may have, and not before', () => {
  const most = 500 * 1024;
  const withText = (text: string): ServiceTraceStatus => ({
    nodes: [],
    truncated: [],
    programs: [
      {
        fingerprint: 'é"\n',
        proxyMode: 'iptables',
        nodes: [],
        chains: Array.from({ length: 20 }, (_, index) => ({
          family: 'IPv4',
          table: 'nat',
          name: `KUBE-SEP-${String(index)}`,
          rules: [{ text: index === 3 ? text : '-m comment --comment "é😀"', packets: index, bytes: 0 }, { text: '' }],
        })),
      },
    ],
  });
  const bytes = (status: ServiceTraceStatus): number => new TextEncoder().encode(JSON.stringify(status)).length;
  const room = most - bytes(withText(''));
  const [just, more] = [withText('x'.repeat(room)), withText('x'.repeat(room + 1))];
  expect(bytes(just)).toBe(most);
  expect(boundStatus(just).truncated).toEqual([]);
  expect(boundStatus(more).truncated).not.toEqual([]);
});

it('keeps the slowest nodes of each change of the EndpointSlices, those that have not got it first, and counts the others', () => {
  const nodes = Array.from({ length: 9000 }, (_, index) => ({
    node: `worker-${String(index).padStart(4, '0')}`,
    state: index === 5 ? ('Pending' as const) : ('Arrived' as const),
    minMilliseconds: index,
    ...(index === 5 ? {} : { maxMilliseconds: index + 1 }),
  }));
  const lag = { nodes: 9000, arrived: 8999, pending: 1, neverArrived: 0, unseen: 0 };
  const { convergence, truncated } = boundStatus({
    convergence: {
      changes: [
        {
          endpointSlice: 'auth-service-1',
          resourceVersion: '7',
          earliest: '2026-11-30T12:00:00Z',
          latest: '2026-11-30T12:00:00Z',
          endpoints: [],
          expected: [],
          lag,
          nodes,
          omittedNodes: 0,
        },
      ],
    },
  });
  const [change] = convergence?.changes ?? [];
  expect(change).toMatchObject({ lag, omittedNodes: 8990 });
  expect(change?.nodes.map(({ node }) => node).slice(0, 3)).toEqual(['worker-0005', 'worker-8999', 'worker-8998']);
  expect(truncated?.at(-1)).toBe('nodes past the slowest 10 of each change of the EndpointSlices (lag counts all)');
});
