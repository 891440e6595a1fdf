/** What a status has of what the API server reported, and of what it did not. */
import { statusInputOf } from '../../../core/status/input.ts';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseBundle, printBundle, type Bundle } from '../../../core/wire/bundle.ts';
import type { ClusterFacts } from '../../../core/api/cluster-facts.ts';
import { buildStatus } from '../../../core/status/status.ts';
import type { ServiceTraceStatus } from '../../../core/api/service-trace.ts';

const recorded = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const slices = recorded.desired.endpointSlices.map(({ name }) => ({ name, bytes: 1000 }));
const unread = { part: 'networkPolicies' as const, what: 'networkpolicies of namespace default', reason: 'forbidden' };

function statusWith(cluster: ClusterFacts, extra: Partial<Bundle> = {}): ServiceTraceStatus {
  // Through the file, so that a bundle holds all of it.
  return buildStatus(statusInputOf(parseBundle(printBundle({ ...recorded, ...extra, cluster }))));
}

const healthy = (status: ServiceTraceStatus): unknown => status.conditions?.find(({ type }) => type === 'Healthy');

it('stays healthy where policies may not be read, and says so', () => {
  const status = statusWith({ endpointSlices: slices, unread: [unread] });
  expect(status.findings?.map(({ id, severity }) => `${severity} ${id}`)).toEqual(['info DATA-API-UNREAD']);
  expect(healthy(status)).toMatchObject({
    status: 'True',
    message:
      'no finding of severity error among 1; not read: networkpolicies of namespace default; connections not tried: --connect',
  });
});

it('is not healthy where policies let nobody in', () => {
  const pods = recorded.desired.endpointSlices.flatMap(({ addressType, endpoints }) =>
    addressType === 'IPv4'
      ? endpoints.map(({ addresses, targetRef, nodeName = '' }) => ({
          name: targetRef?.name ?? '',
          uid: targetRef?.uid ?? '',
          selected: true,
          labels: {},
          node: nodeName,
          phase: 'Running',
          ready: true,
          hasPreStop: false,
          addresses,
          hostNetwork: false,
          containers: [],
        }))
      : [],
  );
  const status = statusWith({
    pods,
    networkPolicies: [{ name: 'deny', pods: pods.map(({ name }) => name), ingress: [] }],
    unread: [],
  });
  expect(healthy(status)).toMatchObject({ status: 'False', message: expect.stringContaining('NP-DENY') });
});

it('judges the client of spec.from by the address that its packet has', () => {
  const service = {
    ...recorded.desired.service,
    type: 'LoadBalancer',
    loadBalancerIPs: ['203.0.113.10'],
    loadBalancerSourceRanges: ['192.0.2.0/24'],
  };
  const from = (address: string): ServiceTraceStatus =>
    statusWith(
      { service: { loadBalancerIngress: ['203.0.113.10'] }, unread: [] },
      {
        desired: { ...recorded.desired, service },
        spec: { ...recorded.spec, from: { ip: address } },
        walkFrom: [
          { node: 'node-a', address },
          { node: 'node-b', address },
        ],
      },
    );
  expect(from('198.51.100.9').findings?.map(({ id }) => id)).toContain('SVC-LB-RANGES');
  expect(from('192.0.2.9').findings?.map(({ id }) => id)).not.toContain('SVC-LB-RANGES');
});

it('holds what the endpoints cost in both forms', () => {
  const endpoints = { bytes: 700, subsets: [{ addresses: ['10.244.1.3'], notReadyAddresses: [], ports: [] }] };
  expect(statusWith({ endpointSlices: slices, endpoints, unread: [] }).endpoints).toMatchObject({
    legacy: { changeBytes: 700 },
    endpointSlices: { shards: slices.length, bytes: slices.length * 1000, changeBytes: 1000 },
  });
});

it('has the names near a Service that is not there as a field, and in its message', () => {
  const status = buildStatus({
    spec: recorded.spec,
    generation: 1,
    desired: undefined,
    similarServices: ['auth', 'auth-b'],
    answers: [],
    previous: undefined,
    now: recorded.recordedAt,
  });
  expect(status.similarServices).toEqual(['auth', 'auth-b']);
  expect(status.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
    status: 'False',
    reason: 'ServiceNotFound',
    message: 'there is no Service auth-service in the namespace of this trace; names near it: auth, auth-b',
  });
  expect(statusWith({ unread: [] })).not.toHaveProperty('similarServices');
});
