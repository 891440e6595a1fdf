import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeDurations, quantile } from '../../../core/kube-proxy/histograms.ts';
import { parseKubeProxyMetrics, relevantMetrics } from '../../../core/kube-proxy/metrics.ts';

const bounds = [0.25, 0.5, 1, 2, 3, 60, 300];
const name = 'kubeproxy_network_programming_duration_seconds';

/** The histogram of these seconds as Prometheus writes it. */
function histogram(seconds: readonly number[]): string[] {
  const within = (bound: number): number => seconds.filter((each) => each <= bound).length;
  return [
    ...[...bounds, Infinity].map(
      (bound) =>
        `${name}_bucket{ip_family="IPv4",le="${bound === Infinity ? '+Inf' : String(bound)}"} ${String(within(bound))}`,
    ),
    `${name}_sum{ip_family="IPv4"} ${String(seconds.reduce((sum, each) => sum + each, 0))}`,
    `${name}_count{ip_family="IPv4"} ${String(seconds.length)}`,
  ];
}

const read = (
  lines: readonly string[],
): NonNullable<ReturnType<typeof parseKubeProxyMetrics>['metrics']['syncs'][number]['networkProgramming']> =>
  parseKubeProxyMetrics(lines).metrics.syncs[0]?.networkProgramming ?? { count: 0, sum: 0 };

const times = fc.array(
  fc.integer({ min: 1, max: 4000 }).map((tenths) => tenths / 10),
  { minLength: 1, maxLength: 40 },
);

describe('quantile', () => {
  it('is the bound of the bucket that the value lies in', () => {
    fc.assert(
      fc.property(times, fc.constantFrom(0.5, 0.9, 0.99, 1), (seconds, share) => {
        const sorted = [...seconds].sort((one, other) => one - other);
        const value = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
        expect(quantile(read(histogram(seconds)), share)).toBe(bounds.find((bound) => value <= bound) ?? Infinity);
      }),
    );
  });

  it('stays the same where empty buckets are left out, and where two nodes are taken together', () => {
    fc.assert(
      fc.property(times, times, fc.constantFrom(0.5, 0.99), (one, other, share) => {
        const kept = relevantMetrics(histogram(one));
        expect(kept.length).toBeLessThanOrEqual(one.length + 2);
        expect(quantile(read(kept), share)).toBe(quantile(read(histogram(one)), share));
        const merged = mergeDurations([read(kept), read(relevantMetrics(histogram(other)))]);
        expect(quantile(merged, share)).toBe(quantile(read(histogram([...one, ...other])), share));
        expect(merged.count).toBe(one.length + other.length);
      }),
    );
  });

  it('is not known without buckets, or of nothing', () => {
    expect(quantile({ count: 3, sum: 1 }, 0.5)).toBeUndefined();
    expect(quantile(read(histogram([])), 0.5)).toBeUndefined();
    expect(mergeDurations([{ count: 3, sum: 1 }, read(histogram([1]))]).buckets).toBeUndefined();
  });
});

describe('relevantMetrics', () => {
  it('keeps what is read, and nothing of other programs', () => {
    const lines = [
      '# HELP x',
      'go_goroutines 80',
      'rest_client_requests_total{code="200",host="10.0.0.1:6443",method="GET"} 7',
      'process_start_time_seconds 1.7e+09',
      'kubernetes_build_info{git_version="v1.37.2"} 1',
      'kubeproxy_sync_full_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.001"} 1',
      'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
    ];
    const kept = relevantMetrics(lines);
    expect(kept).toEqual([lines[2], lines[3], lines[4], lines[6]]);
    expect(parseKubeProxyMetrics(kept).metrics).toMatchObject({
      apiRequests: new Map([['200', 7]]),
      startedAt: 1.7e9,
      version: 'v1.37.2',
    });
  });
});
