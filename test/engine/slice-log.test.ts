import { describe, expect, it } from 'vitest';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { sliceChanges } from '../../core/convergence/slice-changes.ts';
import { keptSlice, type KeptSlice } from '../../engine/kept-objects.ts';
import { SliceLog } from '../../engine/slice-log.ts';

const key = 'shop/auth-service';
const start = Date.parse('2026-11-30T12:00:00Z');

/** As the API server sends it. */
function slice(resourceVersion: number, addresses: readonly string[] | null, name = 'auth-service-1'): KeptSlice {
  const parsed = keptSlice({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: 'shop',
      resourceVersion: String(resourceVersion),
      labels: { 'kubernetes.io/service-name': 'auth-service' },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-11-30T12:00:00Z' },
      managedFields: [{ manager: 'kube-controller-manager', operation: 'Update', time: '2026-11-30T12:00:01Z' }],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints:
      addresses?.map((address) => ({ addresses: [address], conditions: { ready: true }, nodeName: null })) ?? null,
  });
  if (parsed === undefined) throw new Error('not a slice');
  return parsed;
}

const list = (
  resourceVersion: number,
  items: readonly KeptSlice[],
  seenAt = start,
): Parameters<SliceLog['listed']>[1] => ({
  items,
  resourceVersion: String(resourceVersion),
  askedAt: seenAt - 20,
  seenAt,
});

function changesOf(
  log: SliceLog,
  previous: Partial<ServiceTraceStatus['convergence']> & object,
  more: ServiceTraceStatus = {},
): string[] {
  const slices = log.since(key, { ...more, convergence: previous });
  return sliceChanges(slices?.history ?? { before: [], versions: [] }).map(
    ({ resourceVersion, endpoints }) =>
      `${resourceVersion} ${endpoints.map(({ change, address }) => `${change} ${address}`).join(', ')}`,
  );
}

const status = (resourceVersion: string): NonNullable<ServiceTraceStatus['convergence']> => ({
  resourceVersion,
  convergedNodes: 0,
  totalNodes: 0,
});

describe('SliceLog', () => {
  it('begins where the Service was first listed', () => {
    const log = new SliceLog();
    expect(log.since(key, undefined)).toBeUndefined();
    log.listed(key, list(100, [slice(90, ['10.0.0.1'])]));
    expect(log.since(key, undefined)).toEqual({ resourceVersion: '100' });
  });

  it('says whether what the watch delivered changes anything, and what a status was not made from', () => {
    const log = new SliceLog();
    expect(log.saw(slice(89, ['10.0.0.1']), false, start)).toBe(false);
    log.listed(key, list(100, [slice(90, ['10.0.0.1'])]));
    expect(log.saw(slice(101, ['10.0.0.1']), false, start)).toBe(false);
    expect(log.saw(slice(102, ['10.0.0.1', '10.0.0.2']), false, start)).toBe(true);
    expect(log.saw(slice(102, ['10.0.0.1', '10.0.0.2']), false, start)).toBe(false);
    expect(log.saw(slice(103, ['10.0.0.1', '10.0.0.2']), true, start)).toBe(true);
    const after = (resourceVersion: string) => log.lastAfter(key, { convergence: status(resourceVersion) });
    expect(after('100')?.resourceVersion).toBe('103');
    expect(after('103')).toBeUndefined();
  });

  it('has each change of a watch once, though lists show the last ones again, and an older one comes late', () => {
    const log = new SliceLog();
    log.listed(key, list(100, [slice(90, ['10.0.0.1'])]));
    log.saw(slice(90, ['10.0.0.1']), false, start);
    log.saw(slice(101, ['10.0.0.1', '10.0.0.2']), false, start + 1000);
    log.saw(slice(103, ['10.0.0.2']), false, start + 2000);
    log.listed(key, list(104, [slice(103, ['10.0.0.2'])], start + 2500));
    log.saw(slice(102, ['10.0.0.1', '10.0.0.2', '10.0.0.3']), false, start + 3000);
    expect(changesOf(log, { resourceVersion: '100' })).toEqual([
      '101 Added 10.0.0.2',
      '102 Added 10.0.0.3',
      '103 Removed 10.0.0.1, Removed 10.0.0.3',
    ]);
    expect(changesOf(log, { resourceVersion: '102' })).toEqual(['103 Removed 10.0.0.1, Removed 10.0.0.3']);
    expect(log.since(key, { convergence: { resourceVersion: '103' } })).toEqual({ resourceVersion: '103' });
  });

  it('sees without a watch what two lists differ in, with bounds of when it was', () => {
    const log = new SliceLog();
    log.listed(key, list(100, [slice(90, ['10.0.0.1']), slice(91, ['10.0.0.9'], 'auth-service-2')]));
    log.listed(key, list(105, [slice(101, ['10.0.0.1', '10.0.0.2'])], start + 2000));
    expect(changesOf(log, { resourceVersion: '100' })).toEqual(['101 Added 10.0.0.2', '105 Removed 10.0.0.9']);
    const [added, removed] = sliceChanges(
      log.since(key, { convergence: { resourceVersion: '100' } })?.history ?? { before: [], versions: [] },
    );
    expect(added).toMatchObject({
      earliest: start + 1000,
      latest: start + 1999,
      triggered: '2026-11-30T12:00:00Z',
    });
    expect(removed).toMatchObject({ earliest: start - 20, latest: start + 2000 });
  });

  it('does not take a slice for gone that is newer than a list', () => {
    const log = new SliceLog();
    log.listed(key, list(100, [slice(90, ['10.0.0.1'])]));
    log.saw(slice(106, ['10.0.0.9'], 'auth-service-2'), false, start + 100);
    log.listed(key, list(105, [slice(90, ['10.0.0.1'])], start + 2000));
    expect(changesOf(log, { resourceVersion: '100' })).toEqual(['106 Added 10.0.0.9']);
    log.saw(slice(107, ['10.0.0.9'], 'auth-service-2'), true, start + 3000);
    expect(changesOf(log, { resourceVersion: '106' })).toEqual(['107 Removed 10.0.0.9']);
  });

  it('goes on from a stored status, with what is different by now', () => {
    const log = new SliceLog();
    log.listed(key, list(200, [slice(150, ['10.0.0.2'])]));
    const endpointSlices = [
      {
        name: 'auth-service-1',
        addressType: 'IPv4' as const,
        ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }],
        endpoints: [{ addresses: ['10.0.0.1'], ready: true, serving: true, terminating: false }],
      },
    ];
    const stored = { endpointSlices, collectedAt: '2026-11-30T11:59:00Z' };
    expect(changesOf(log, { resourceVersion: '100' }, stored)).toEqual(['200 Removed 10.0.0.1, Added 10.0.0.2']);
    // A status that was cut does not say what they were.
    expect(changesOf(log, { resourceVersion: '100' }, { ...stored, truncated: ['endpoints'] })).toEqual([]);
  });

  it('does not take what a watch reports after a cut for what has just happened', () => {
    const log = new SliceLog();
    log.listed(key, { ...list(10, [slice(9, ['10.0.0.1']), slice(8, ['10.0.0.2'], 'other')]), askedAt: start });
    log.saw(slice(11, ['10.0.0.1']), true, start + 60_000, start + 20_000);
    log.saw(slice(12, ['10.0.0.2'], 'other'), true, start + 90_000, start - 5000);
    const { history } = log.since(key, { convergence: { resourceVersion: '10' } }) ?? {};
    expect(sliceChanges(history ?? { before: [], versions: [] })).toMatchObject([
      { earliest: start + 20_000, latest: start + 60_000 },
      { earliest: start, latest: start + 90_000 },
    ]);
  });

  it('reads a slice without endpoints, as Go writes it', () => {
    expect(slice(1, null).endpoints).toEqual([]);
    expect(keptSlice({ kind: 'EndpointSlice', metadata: {} })).toBeUndefined();
  });

  it('misses none of 1,000 quick changes that are collected in between, and has none twice', () => {
    const log = new SliceLog();
    log.listed(key, list(1000, [slice(999, ['10.0.0.1'])]));
    const seen: string[] = [];
    let resourceVersion = '1000';
    for (let index = 1; index <= 1000; index += 1) {
      log.saw(slice(1000 + index, [`10.0.${String(index % 200)}.2`]), false, start + index);
      if (index % 50 > 0) continue;
      const slices = log.since(key, { convergence: { resourceVersion } });
      seen.push(...sliceChanges(slices?.history ?? { before: [], versions: [] }).map((each) => each.resourceVersion));
      resourceVersion = slices?.resourceVersion ?? '';
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => String(1001 + index)));
  });
});
