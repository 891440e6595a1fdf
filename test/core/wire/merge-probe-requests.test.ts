/** Several requests to one probe as one: what each gets back is what it would get alone. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeProbeRequests, nodeReportFor } from '../../../core/wire/merge-probe-requests.ts';
import type { NodeReport, NodeReportRecord } from '../../../core/wire/node-report.ts';
import { maxDnsQuestions, probeRequestSchema, type ProbeRequest } from '../../../core/wire/probe-request.ts';

type Collect = ProbeRequest['collect'];

function request(name: string, collect: Partial<Collect> = {}, clusterIP = '10.96.0.7'): ProbeRequest {
  return {
    version: 1,
    node: 'node-a',
    services: [
      {
        namespace: 'shop',
        name,
        clusterIPs: [clusterIP],
        externalIPs: [],
        loadBalancerIPs: [],
        ports: [{ protocol: 'TCP', port: 80 }],
      },
    ],
    collect: { rules: true, conntrack: 'Summary', kubeProxy: true, system: true, ...collect },
    maxConntrackEntries: 200,
  };
}
const dns = (name: string, count = 2): NonNullable<Collect['dns']> => ({
  servers: ['10.96.0.10'],
  endpoints: [],
  health: { name: 'kubernetes.default.svc.cluster.local', type: 'A' },
  questions: Array.from({ length: count }, (_, index) => ({
    service: `shop/${name}`,
    name: `${name}-${String(index)}.shop.svc.cluster.local`,
    type: 'A',
  })),
});
const namesOf = (merged: ProbeRequest | undefined): string[] | undefined => merged?.services.map(({ name }) => name);

describe('two requests', () => {
  it('of different Services are one, which the probe takes', () => {
    const merged = mergeProbeRequests(request('a', { dns: dns('a') }), request('b', { dns: dns('b') }));
    expect(namesOf(merged)).toEqual(['a', 'b']);
    expect(merged?.collect.dns?.questions.map(({ service }) => service)).toEqual([
      'shop/a',
      'shop/a',
      'shop/b',
      'shop/b',
    ]);
    expect(probeRequestSchema.safeParse(merged).success).toBe(true);
  });

  it('of the same Service ask for it once', () => {
    const merged = mergeProbeRequests(request('a', { dns: dns('a') }), request('a', { dns: dns('a') }));
    expect(namesOf(merged)).toEqual(['a']);
    expect(merged?.collect.dns?.questions).toHaveLength(2);
  });

  it('take of how they are read what gives both their answer', () => {
    expect(
      mergeProbeRequests(request('a', { dispatch: 'References' }), request('b', { dispatch: 'References' }))?.collect
        .dispatch,
    ).toBe('References');
    expect(
      mergeProbeRequests(request('a', { dispatch: 'References' }), request('b', { dispatch: 'Rules' }))?.collect
        .dispatch,
    ).toBe('Rules');
    expect(mergeProbeRequests(request('a', { dispatch: 'References' }), request('b'))?.collect.dispatch).toBe('Rules');
    expect(mergeProbeRequests(request('a'), request('b', { conntrack: 'Entries' }))?.collect.conntrack).toBe('Entries');
    expect(mergeProbeRequests(request('a', { conntrack: 'Entries' }), request('b'))?.collect.conntrack).toBe('Entries');
  });

  it.each<[string, ProbeRequest, ProbeRequest]>([
    ['one makes connections', request('a', { connect: { http: false, backends: [], targets: [] } }), request('b')],
    ['one reads no rules', request('a', { rules: false }), request('b')],
    ['one reads no conntrack', request('a', { conntrack: 'None' }), request('b')],
    ['one does not ask kube-proxy', request('a', { kubeProxy: false }), request('b')],
    ['one does not read the system', request('a', { system: false }), request('b')],
    ['one asks no DNS', request('a', { dns: dns('a') }), request('b')],
    [
      'they ask different servers',
      request('a', { dns: dns('a') }),
      request('b', { dns: { ...dns('b'), servers: ['10.96.0.11'] } }),
    ],
    ['they are for different nodes', request('a'), { ...request('b'), node: 'node-b' }],
    ['the Service changed between them', request('a'), request('a', {}, '10.96.0.8')],
    ['they list different numbers of entries', request('a'), { ...request('b'), maxConntrackEntries: 0 }],
    [
      'their questions are too many',
      request('a', { dns: dns('a', maxDnsQuestions) }),
      request('b', { dns: dns('b', 1) }),
    ],
  ])('stay apart where %s', (_why, one, other) => {
    expect(mergeProbeRequests(one, other)).toBeUndefined();
    expect(mergeProbeRequests(other, one)).toBeUndefined();
  });

  it('are not merged without end', () => {
    let merged: ProbeRequest | undefined = request('a0');
    let count = 0;
    while (merged !== undefined) {
      count += 1;
      merged = mergeProbeRequests(merged, request(`a${String(count)}`));
    }
    expect(count).toBe(32);
  });
});

const record = (service: string): NodeReportRecord => ({
  kind: 'conntrack',
  service,
  matched: 1,
  groups: [],
  lines: ['tcp      6 src=192.0.2.1'],
});
const report: NodeReport = {
  node: 'node-a',
  complete: true,
  records: [
    { kind: 'conntrackTable', count: 5, max: 10 },
    record('shop/a'),
    record('shop/b'),
    { kind: 'unread', part: 'other', what: 'sockets', reason: 'all' },
    { kind: 'unread', part: 'other', service: 'shop/b', what: 'conntrack entries', reason: 'of b' },
    { kind: 'end', finishedAt: '2026-11-29T00:00:00Z', durationMilliseconds: 5 },
  ],
};

describe('the answer to one of them', () => {
  it('has nothing of the other Services, and what belongs to all', () => {
    const own = nodeReportFor(report, request('a', { conntrack: 'Entries' }));
    expect(own.records.map((each) => `${each.kind} ${'service' in each ? (each.service ?? '') : ''}`.trim())).toEqual([
      'conntrackTable',
      'conntrack shop/a',
      'unread',
      'end',
    ]);
    expect(own.complete).toBe(true);
    expect(own.records[1]).toMatchObject({ lines: ['tcp      6 src=192.0.2.1'] });
  });

  it('lists no entries where only their number was asked for, though another asked for them', () => {
    expect(nodeReportFor(report, request('a')).records[1]).toEqual({ ...record('shop/a'), lines: [] });
  });

  it('is, for every choice of Services, that of the records of these', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 20 }),
        fc.constantFrom('a', 'b', 'c'),
        (services, own) => {
          const records = services.map((name) => record(`shop/${name}`));
          expect(nodeReportFor({ ...report, records }, request(own, { conntrack: 'Entries' })).records).toHaveLength(
            services.filter((name) => name === own).length,
          );
        },
      ),
    );
  });
});
