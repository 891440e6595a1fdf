/** Lines that kube-proxy 1.37 wrote on the nodes of test/fixtures, and those of older versions by their source. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLastSync } from '../../../core/kube-proxy/health.ts';
import { parseKubeProxyMetrics } from '../../../core/kube-proxy/metrics.ts';
import { parsePrometheusText } from '../../../core/kube-proxy/prometheus-text.ts';
import { mutatedDump } from '../../support/mutated-dump.ts';

const text = `# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in seconds
# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.001"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="+Inf"} 13
kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.553389918
kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 13
kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.063719348
kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1
kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv6"} 27.686637722
kubeproxy_network_programming_duration_seconds_count{ip_family="IPv6"} 21
kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 3
kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 2
kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total{ip_family="IPv4"} 1
kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="nat"} 158
kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"} 197
kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1.7955196286180847e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.795519628861115e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} 0
kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 4
kubeproxy_sync_proxy_rules_service_changes_pending 1
kubeproxy_sync_proxy_rules_endpoint_changes_total 93
kubeproxy_proxy_livez_total{code="200"} 9
kubeproxy_tea_total{colour="brown"} 1
process_start_time_seconds 1.7e+09
`;

describe('parseKubeProxyMetrics', () => {
  it('reads what each family did', () => {
    const { metrics, problems } = parseKubeProxyMetrics(text.split('\n'));
    expect(problems).toEqual([]);
    expect(metrics.syncs[0]).toEqual({
      family: 'IPv4',
      syncs: {
        count: 13,
        sum: 0.553389918,
        buckets: [
          { atMost: 0.001, count: 0 },
          { atMost: Infinity, count: 13 },
        ],
      },
      fullSyncs: { count: 1, sum: 0.063719348 },
      conntrackDeletions: 3,
      restoreFailures: 2,
      partialRestoreFailures: 1,
      lastQueued: 1795519628.6180847,
      lastSync: 1795519628.861115,
      rules: new Map([['nat', { total: 197, lastSync: 158 }]]),
      withoutLocalEndpoints: new Map([['external', 4]]),
    });
    expect(metrics.syncs[1]).toEqual({
      family: 'IPv6',
      networkProgramming: { count: 21, sum: 27.686637722 },
      rules: new Map(),
      withoutLocalEndpoints: new Map(),
    });
    expect(metrics).toMatchObject({
      serviceChangesPending: 1,
      endpointChangesTotal: 93,
      livez: new Map([['200', 9]]),
      others: [{ name: 'kubeproxy_tea_total', labels: new Map([['colour', 'brown']]), value: 1 }],
    });
  });

  it('takes both families together where a version does not separate them', () => {
    const lines = [
      'kubeproxy_sync_proxy_rules_last_timestamp_seconds 1.7e+09',
      'kubeproxy_sync_proxy_rules_iptables_total{table="nat"} 50',
    ];
    expect(parseKubeProxyMetrics(lines).metrics.syncs).toEqual([
      { lastSync: 1.7e9, rules: new Map([['nat', { total: 50 }]]), withoutLocalEndpoints: new Map() },
    ]);
    expect(parseLastSync(lines)).toBe('2023-11-14T22:13:20.000Z');
    expect(parseLastSync(['kubeproxy_sync_proxy_rules_last_timestamp_seconds 0'])).toBeUndefined();
  });

  it('knows every line that the recorded nodes sent', () => {
    const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url));
    const recorded = readdirSync(folder)
      .filter((file) => file.endsWith('.svctrace'))
      .map((file) => readFileSync(folder + file, 'utf8'))
      .join('\n');
    const lines = [...recorded.matchAll(/"(kubeproxy_(?:[^"\\]|\\.)*)"/g)].map(
      (match) => JSON.parse(`"${match[1] ?? ''}"`) as string,
    );
    expect(lines.length).toBeGreaterThan(100);
    const { metrics, problems } = parseKubeProxyMetrics(lines);
    expect(problems).toEqual([]);
    expect([...new Set(metrics.others.map(({ name }) => name))]).toEqual([]);
  });
});

describe('parsePrometheusText', () => {
  it.each([
    [
      'a{b="c,d\\"}\\n",e="\\\\"} 1 1395066363000',
      {
        name: 'a',
        labels: new Map([
          ['b', 'c,d"}\n'],
          ['e', '\\'],
        ]),
        value: 1,
      },
    ],
    ['a{} +Inf', { name: 'a', labels: new Map(), value: Infinity }],
    ['a { b = "c" , } NaN', { name: 'a', labels: new Map([['b', 'c']]), value: NaN }],
    ['a{b="c"}2', { name: 'a', labels: new Map([['b', 'c']]), value: 2 }],
  ])('reads %s', (line, sample) => {
    expect(parsePrometheusText([line])).toEqual({ samples: [sample], problems: [] });
  });

  it.each(['a', 'a one', 'a{b="c} 1', 'a{b=c} 1', '{b="c"} 1', 'a 1 2 3', 'a1'])('says that %j is none', (line) => {
    expect(parsePrometheusText([line])).toEqual({
      samples: [],
      problems: [{ line: 1, message: `is not a line of metrics: ${line}` }],
    });
  });

  it('takes each line for a sample, a comment or a problem', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), mutatedDump([text])), (dump) => {
        const lines = dump.split('\n');
        const { samples, problems } = parsePrometheusText(lines);
        expect(samples.length + problems.length).toBe(
          lines.filter((line) => line.trim() !== '' && !line.trim().startsWith('#')).length,
        );
        parseKubeProxyMetrics(lines);
        parseLastSync(lines);
      }),
      { numRuns: 500 },
    );
  });
});
