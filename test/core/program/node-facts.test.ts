/** What is reported of a node beside the Service's rules: its clock, and what serves Services in kube-proxy's place. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clockOffset } from '../../../core/wire/clock-offset.ts';
import { diagnose } from '../../../core/diagnose/diagnose.ts';
import { convergenceOf } from '../../../core/diagnose/checks/frontend-drift.ts';
import { readNodeFacts } from '../../../core/program/node-facts.ts';
import type { NodeAnswer, NodeReportRecord } from '../../../core/wire/node-report.ts';
import { buildStatus } from '../../../core/status/status.ts';
import { collectedAt, desiredService } from '../../support/node-facts.ts';

const time = (milliseconds: number): string => new Date(Date.parse(collectedAt) + milliseconds).toISOString();
const start = (at: number): NodeReportRecord => ({
  kind: 'start',
  version: 1,
  node: 'node-a',
  startedAt: time(at),
  kernel: '6.18',
  probeVersion: '0',
  addresses: ['10.0.0.2'],
});
const end = (at: number): NodeReportRecord => ({ kind: 'end', finishedAt: time(at), durationMilliseconds: 1 });
const refused = ['10249/proxyMode', '10249/metrics', '10249/configz', '10256/livez'].map(
  (address) => `127.0.0.1:${address}: connect ECONNREFUSED 127.0.0.1`,
);

function answer(records: readonly NodeReportRecord[]): NodeAnswer {
  return {
    node: 'node-a',
    report: { node: 'node-a', records: [start(10), ...records, end(20)], complete: true },
    askedAt: time(0),
    collectedAt: time(30),
  };
}

/** A node of a CNI: its interfaces, a nat table of iptables that has, or has not, kube-proxy's chains, and a silent kube-proxy. */
function cniNode(interfaces: readonly string[], hasRules: boolean, proxy: Partial<NodeReportRecord> = {}): NodeAnswer {
  const chain = {
    kind: 'iptablesChain',
    service: 'default/auth-service',
    backend: 'nf_tables',
    family: 'IPv4',
    table: 'nat',
    scope: 'matching',
  } as const;
  return answer([
    { kind: 'kubeProxy', errors: refused, ...proxy } as NodeReportRecord,
    { kind: 'tables', nftables: [{ family: 'ip', name: 'nat' }], legacy: { IPv4: [], IPv6: [] }, ipvs: false },
    {
      kind: 'interfaces',
      interfaces: ['lo', 'eth0', ...interfaces].map((name) => ({ name, addresses: [] })),
      omitted: 0,
    },
    { ...chain, chain: 'KUBE-SERVICES', absent: !hasRules, lines: [] },
    { ...chain, chain: 'PREROUTING', absent: false, lines: hasRules ? ['-A PREROUTING -j KUBE-SERVICES'] : [] },
  ]);
}

const found = (node: NodeAnswer): string[] =>
  diagnose({
    desired: desiredService(),
    nodes: [readNodeFacts(node, desiredService(), undefined)],
    now: collectedAt,
  }).map(({ id }) => id);

describe('the clock of a node', () => {
  it('is known within what asking took, whatever that was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.nat(5000),
        fc.nat(5000),
        fc.nat(5000),
        (offset, there, runs, back) => {
          const read = clockOffset({
            node: 'node-a',
            report: { node: 'node-a', records: [start(there + offset), end(there + runs + offset)], complete: true },
            askedAt: time(0),
            collectedAt: time(there + runs + back),
          });
          expect(read).toBeDefined();
          expect(Math.abs((read?.milliseconds ?? 0) - offset)).toBeLessThanOrEqual((read?.uncertainty ?? 0) + 1);
          expect(read?.uncertainty).toBeLessThanOrEqual((there + back) / 2 + 1);
        },
      ),
    );
  });

  it('is not known of a report that was cut off, or of a bundle that does not say when it was asked', () => {
    expect(
      clockOffset({
        node: 'node-a',
        report: { node: 'node-a', records: [start(0)], complete: false },
        askedAt: time(0),
        collectedAt: time(1),
      }),
    ).toBeUndefined();
    expect(
      clockOffset({
        node: 'node-a',
        report: { node: 'node-a', records: [start(0), end(1)], complete: true },
        collectedAt: time(1),
      }),
    ).toBeUndefined();
  });
});

describe('a datapath in place of kube-proxy', () => {
  it.each([
    ['Cilium', ['cilium_net', 'cilium_host']],
    ['Antrea', ['antrea-gw0']],
    ['OVN-Kubernetes', ['ovn-k8s-mp0']],
    ['Calico eBPF', ['bpfin.cali', 'bpfout.cali']],
    ['kube-router', ['kube-bridge', 'kube-dummy-if']],
  ])('%s is named, and no rule is missing', (name, interfaces) => {
    const node = cniNode(interfaces, false);
    expect(found(node)).toEqual(['KP-REPLACED']);
    const facts = readNodeFacts(node, desiredService(), undefined);
    expect(convergenceOf(facts, desiredService())).toBe('Unknown');
    const status = buildStatus({
      spec: { serviceRef: { name: 'auth-service' } },
      generation: 1,
      desired: desiredService(),
      answers: [node],
      previous: undefined,
      now: collectedAt,
    });
    expect(status.nodes?.[0]).toMatchObject({ datapath: name, ports: [{ verdict: 'Unknown', dnatTargets: [] }] });
    expect(status.nodes?.[0]?.proxyModeSource).toContain(name);
    expect(status.conditions?.find(({ type }) => type === 'Converged')).toMatchObject({
      status: 'Unknown',
      reason: 'OtherDatapath',
    });
  });

  it('is none where the rules of kube-proxy are there: then they are compared', () => {
    expect(found(cniNode(['cilium_host'], true))).toEqual(['KP-ABSENT', 'RULE-SVC-MISSING']);
  });

  it('is none where kube-proxy answers, or no such CNI is there', () => {
    expect(found(cniNode(['cilium_host'], false, { proxyMode: 'iptables', errors: [] }))).not.toContain('KP-REPLACED');
    expect(found(cniNode(['cni0', 'flannel.1'], false))).toEqual(['KP-ABSENT']);
  });
});

describe('the status', () => {
  const programming = 'kubeproxy_network_programming_duration_seconds';
  const metrics = [
    `${programming}_bucket{ip_family="IPv4",le="0.5"} 8`,
    `${programming}_bucket{ip_family="IPv4",le="2"} 10`,
    `${programming}_sum{ip_family="IPv4"} 5`,
    `${programming}_count{ip_family="IPv4"} 10`,
    'kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 1',
    'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 3',
    'kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 1',
    'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1.7955e+09',
    'rest_client_requests_total{code="<error>",method="GET"} 2',
    'kubernetes_build_info{git_version="v1.37.2"} 1',
  ];
  const spec = { serviceRef: { name: 'auth-service' } };

  it('holds what kube-proxy and conntrack counted, how late the rules were, and the clock', () => {
    const node = answer([
      {
        kind: 'kubeProxy',
        proxyMode: 'iptables',
        metrics,
        configz: '{"kubeproxy.config.k8s.io":{"mode":"iptables"}}',
        errors: [],
      },
      {
        kind: 'conntrackStatistics',
        source: 'conntrack -S',
        first: { found: 1, drop: 1 },
        last: { found: 9, drop: 2 },
        milliseconds: 100,
      },
    ]);
    const status = buildStatus({
      spec,
      generation: 1,
      desired: desiredService(),
      answers: [node],
      previous: undefined,
      now: collectedAt,
    });
    expect(status.nodes?.[0]).toMatchObject({
      kubeProxy: {
        version: 'v1.37.2',
        configSource: 'configz',
        fullSyncs: 3,
        failures: 1,
        apiErrors: 2,
        lastQueued: '2026-11-24T06:00:00.000Z',
      },
      conntrackStatistics: { drop: 2 },
      probe: { clock: { offsetMilliseconds: 0, uncertaintyMilliseconds: 10 } },
    });
    expect(status.nodes?.[0]?.conntrackStatistics).not.toHaveProperty('found');
    expect(status.convergence?.networkProgramming).toEqual({
      changes: 10,
      nodes: 1,
      p50Seconds: 0.5,
      p99Seconds: 2,
      maxSeconds: 2,
    });
  });

  it('leaves out times that no clock has', () => {
    const node = answer([
      {
        kind: 'kubeProxy',
        metrics: [
          'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1e300',
          'kubeproxy_sync_proxy_rules_service_changes_pending NaN',
        ],
        errors: [],
      },
    ]);
    const [read] =
      buildStatus({
        spec,
        generation: 1,
        desired: desiredService(),
        answers: [node],
        previous: undefined,
        now: collectedAt,
      }).nodes ?? [];
    expect(read?.kubeProxy).not.toHaveProperty('lastQueued');
    expect(read?.kubeProxy).not.toHaveProperty('pendingChanges');
  });

  it('has a finding for what was cut from it', () => {
    const lines = Array.from(
      { length: 200 },
      (_, index) =>
        `ipv4 2 tcp 6 100 ESTABLISHED src=10.244.1.${String(index)} dst=10.96.0.7 sport=40000 dport=80 src=10.244.1.2 dst=10.244.1.4 sport=8080 dport=40000 [ASSURED] mark=0 use=1`,
    );
    const answers = Array.from({ length: 30 }, (_, index): NodeAnswer => {
      const node = answer([
        { kind: 'conntrack', service: 'default/auth-service', matched: lines.length, groups: [], lines },
      ]);
      return { ...node, node: `node-${String(index)}` };
    });
    const status = buildStatus({
      spec,
      generation: 1,
      desired: desiredService(),
      answers,
      previous: undefined,
      now: collectedAt,
    });
    expect(status.findings?.map(({ id }) => id)).toContain('DATA-TRUNCATED');
    expect(status.findings?.find(({ id }) => id === 'DATA-TRUNCATED')?.evidence).toEqual(status.truncated);
    expect(status.summary?.findings).toBe(status.findings?.length);
    expect(
      buildStatus({
        spec,
        generation: 1,
        desired: desiredService(),
        answers: answers.slice(0, 1),
        previous: undefined,
        now: collectedAt,
      }).findings?.map(({ id }) => id),
    ).not.toContain('DATA-TRUNCATED');
  });
});
