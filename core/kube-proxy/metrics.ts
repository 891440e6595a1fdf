/** What kube-proxy's /metrics says of its work (pkg/proxy/metrics/metrics.go of Kubernetes 1.37, and its names before). */
import type { Family } from '../net/family.ts';
import type { DumpProblem } from '../dump/lines.ts';
import { parsePrometheusText, type Sample } from './prometheus-text.ts';

/** How often something was done, and how many seconds that took in all. */
export interface Durations {
  readonly count: number;
  readonly sum: number;
  /** How often it took at most so many seconds, ascending; absent where the lines have no buckets. */
  readonly buckets?: readonly { readonly atMost: number; readonly count: number }[];
}

/** Of one family, or of both together where kube-proxy does not separate them (older versions). A field is absent where kube-proxy does not say it. */
export interface KubeProxySync {
  readonly family?: Family;
  /** When rules were last written, and when that was last asked for: seconds since 1970. 0 is never, and absent here. */
  readonly lastSync?: number;
  readonly lastQueued?: number;
  readonly syncs?: Durations;
  readonly fullSyncs?: Durations;
  readonly partialSyncs?: Durations;
  /** From the change of a Service or endpoint to the rules; by two clocks. */
  readonly networkProgramming?: Durations;
  readonly conntrackReconciliations?: Durations;
  readonly conntrackDeletions?: number;
  readonly restoreFailures?: number;
  readonly partialRestoreFailures?: number;
  readonly nftablesSyncFailures?: number;
  readonly nftablesCleanupFailures?: number;
  /** Rules of iptables by table: all, and those of the last write. */
  readonly rules: ReadonlyMap<string, { readonly total?: number; readonly lastSync?: number }>;
  /** Services with a Local policy and no endpoint here, by policy: internal, external. */
  readonly withoutLocalEndpoints: ReadonlyMap<string, number>;
}

export interface KubeProxyMetrics {
  readonly syncs: readonly KubeProxySync[];
  readonly serviceChangesPending?: number;
  readonly serviceChangesTotal?: number;
  readonly endpointChangesPending?: number;
  readonly endpointChangesTotal?: number;
  /** Packets that iptables dropped for conntrack's INVALID, and took on NodePorts of the loopback interface. */
  readonly invalidPacketsDropped?: number;
  readonly localhostNodePortPackets?: number;
  /** Answers of /healthz and /livez by HTTP status. */
  readonly healthz: ReadonlyMap<string, number>;
  readonly livez: ReadonlyMap<string, number>;
  /** Requests to the API server by HTTP status, `<error>` where there was no answer (client-go's rest_client_requests_total). */
  readonly apiRequests: ReadonlyMap<string, number>;
  /** When the process started: seconds since 1970. */
  readonly startedAt?: number;
  /** Such as v1.37.2. */
  readonly version?: string;
  /** Samples of kube-proxy that have no field here. */
  readonly others: readonly Sample[];
}

const gauges = new Map([
  ['sync_proxy_rules_last_timestamp_seconds', 'lastSync'],
  ['sync_proxy_rules_last_queued_timestamp_seconds', 'lastQueued'],
  ['conntrack_reconciler_deleted_entries_total', 'conntrackDeletions'],
  ['sync_proxy_rules_iptables_restore_failures_total', 'restoreFailures'],
  ['sync_proxy_rules_iptables_partial_restore_failures_total', 'partialRestoreFailures'],
  ['sync_proxy_rules_nftables_sync_failures_total', 'nftablesSyncFailures'],
  ['sync_proxy_rules_nftables_cleanup_failures_total', 'nftablesCleanupFailures'],
] as const);

const histograms = new Map([
  ['sync_proxy_rules_duration_seconds', 'syncs'],
  ['sync_full_proxy_rules_duration_seconds', 'fullSyncs'],
  ['sync_partial_proxy_rules_duration_seconds', 'partialSyncs'],
  ['network_programming_duration_seconds', 'networkProgramming'],
  ['conntrack_reconciler_sync_duration_seconds', 'conntrackReconciliations'],
] as const);

const ofAll = new Map([
  ['sync_proxy_rules_service_changes_pending', 'serviceChangesPending'],
  ['sync_proxy_rules_service_changes_total', 'serviceChangesTotal'],
  ['sync_proxy_rules_endpoint_changes_pending', 'endpointChangesPending'],
  ['sync_proxy_rules_endpoint_changes_total', 'endpointChangesTotal'],
  ['iptables_ct_state_invalid_dropped_packets_total', 'invalidPacketsDropped'],
  ['iptables_localhost_nodeports_accepted_packets_total', 'localhostNodePortPackets'],
] as const);

type Values<Names extends ReadonlyMap<string, string>, Value> = {
  -readonly [key in Names extends ReadonlyMap<string, infer Name extends string> ? Name : never]?: Value;
};

interface OpenDurations {
  count?: number;
  sum?: number;
  buckets?: readonly { readonly atMost: number; readonly count: number }[];
}

interface OpenSync extends Values<typeof gauges, number> {
  family?: Family;
  readonly durations: Map<string, OpenDurations>;
  readonly rules: Map<string, { total?: number; lastSync?: number }>;
  readonly withoutLocalEndpoints: Map<string, number>;
}

/** Histograms whose buckets are of use: how late the rules are, and how long writing them takes. */
const withBuckets = [
  'kubeproxy_network_programming_duration_seconds_bucket{',
  'kubeproxy_sync_proxy_rules_duration_seconds_bucket{',
];
/** Metrics of Kubernetes' and Go's libraries that kube-proxy has too. */
const ofLibraries = ['rest_client_requests_total{', 'process_start_time_seconds ', 'kubernetes_build_info{'];

/** The lines of /metrics that are read here, without buckets into which nothing fell: a histogram of 90 buckets then has a few. */
export function relevantMetrics(lines: readonly string[]): string[] {
  let before = { series: '', count: '0' };
  return lines.filter((line) => {
    if (ofLibraries.some((name) => line.startsWith(name))) return true;
    if (!line.startsWith('kubeproxy_')) return false;
    if (!line.includes('_bucket{')) return true;
    if (!withBuckets.some((name) => line.startsWith(name))) return false;
    const series = line.replace(/,?le="[^"]*"[^}]*\}.*$/, '');
    const count = line.slice(line.lastIndexOf(' ') + 1);
    const isFuller = count !== (series === before.series ? before.count : '0');
    before = { series, count };
    return isFuller;
  });
}

/** Reads the lines of /metrics, or those of them that `relevantMetrics` keeps. */
export function parseKubeProxyMetrics(lines: readonly string[]): {
  readonly metrics: KubeProxyMetrics;
  readonly problems: readonly DumpProblem[];
} {
  const { samples, problems } = parsePrometheusText(lines);
  const families = new Map<string, OpenSync>();
  const all: Values<typeof ofAll, number> = {};
  const healthz = new Map<string, number>();
  const livez = new Map<string, number>();
  const apiRequests = new Map<string, number>();
  let process: { startedAt?: number; version?: string } = {};
  const others: Sample[] = [];
  for (const sample of samples) {
    const { labels, value } = sample;
    if (sample.name === 'rest_client_requests_total') addTo(apiRequests, labels.get('code') ?? '', value);
    else if (sample.name === 'process_start_time_seconds') process = { ...process, startedAt: value };
    else if (sample.name === 'kubernetes_build_info' && labels.has('git_version'))
      process = { ...process, version: labels.get('git_version') ?? '' };
    if (!sample.name.startsWith('kubeproxy_')) continue;
    const name = sample.name.slice('kubeproxy_'.length);
    const base = name.replace(/_(sum|count|bucket)$/, '');
    const [gauge, histogram, total] = [valueOf(gauges, name), valueOf(histograms, base), valueOf(ofAll, name)];
    if (total !== undefined) all[total] = value;
    else if (name === 'proxy_healthz_total') healthz.set(labels.get('code') ?? '', value);
    else if (name === 'proxy_livez_total') livez.set(labels.get('code') ?? '', value);
    else if (gauge !== undefined) {
      // A timestamp of 0 is a metric that was not set yet.
      if (value !== 0 || (gauge !== 'lastSync' && gauge !== 'lastQueued')) syncOf(families, labels)[gauge] = value;
    } else if (histogram !== undefined && base !== name) {
      const durations = syncOf(families, labels).durations;
      const open = durations.get(histogram);
      if (!name.endsWith('_bucket'))
        durations.set(histogram, { ...open, [name.endsWith('_sum') ? 'sum' : 'count']: value });
      else
        durations.set(histogram, {
          ...open,
          buckets: [...(open?.buckets ?? []), ...bucketOf(labels.get('le'), value)],
        });
    } else if (name === 'sync_proxy_rules_iptables_total' || name === 'sync_proxy_rules_iptables_last') {
      const { rules } = syncOf(families, labels);
      const table = labels.get('table') ?? '';
      rules.set(table, { ...rules.get(table), [name.endsWith('_total') ? 'total' : 'lastSync']: value });
    } else if (name === 'sync_proxy_rules_no_local_endpoints_total')
      syncOf(families, labels).withoutLocalEndpoints.set(labels.get('traffic_policy') ?? '', value);
    else others.push(sample);
  }
  return {
    metrics: { syncs: [...families.values()].map(finish), ...all, healthz, livez, apiRequests, ...process, others },
    problems,
  };
}

function addTo(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

/** A bucket without a bound that is a number says nothing. */
function bucketOf(bound: string | undefined, count: number): { atMost: number; count: number }[] {
  const atMost = bound === '+Inf' ? Infinity : Number(bound);
  return Number.isNaN(atMost) || !Number.isFinite(count) ? [] : [{ atMost, count }];
}

function valueOf<Value>(names: ReadonlyMap<string, Value>, name: string): Value | undefined {
  return names.get(name);
}

function syncOf(families: Map<string, OpenSync>, labels: ReadonlyMap<string, string>): OpenSync {
  const family = labels.get('ip_family');
  const known = families.get(family ?? '');
  if (known !== undefined) return known;
  const sync: OpenSync = {
    ...(family === 'IPv4' || family === 'IPv6' ? { family } : {}),
    durations: new Map(),
    rules: new Map(),
    withoutLocalEndpoints: new Map(),
  };
  families.set(family ?? '', sync);
  return sync;
}

function finish({ durations, ...sync }: OpenSync): KubeProxySync {
  const complete = [...durations].flatMap(([name, { count, sum, buckets }]) => {
    if (count === undefined || sum === undefined) return [];
    return [
      [
        name,
        {
          count,
          sum,
          ...(buckets === undefined ? {} : { buckets: [...buckets].sort((one, other) => one.atMost - other.atMost) }),
        },
      ] as const,
    ];
  });
  return { ...sync, ...Object.fromEntries(complete) };
}
