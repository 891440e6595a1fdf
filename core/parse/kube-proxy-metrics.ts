/** What kube-proxy's /metrics says of its work (pkg/proxy/metrics/metrics.go of Kubernetes 1.37, and its names before). */
import type { Family } from '../service.ts';
import type { DumpProblem } from './dump-lines.ts';
import { parsePrometheusText, type Sample } from './prometheus-text.ts';

/** How often something was done, and how many seconds that took in all. */
export interface Durations {
  readonly count: number;
  readonly sum: number;
}

/** Of one family, or of both together where kube-proxy does not tell them apart (older versions). A field is absent where kube-proxy does not say it. */
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

type Values<Names extends ReadonlyMap<string, string>, Value> = { -readonly [key in Names extends ReadonlyMap<string, infer Name extends string> ? Name : never]?: Value };

interface OpenSync extends Values<typeof gauges, number> {
  family?: Family;
  readonly durations: Map<string, { count?: number; sum?: number }>;
  readonly rules: Map<string, { total?: number; lastSync?: number }>;
  readonly withoutLocalEndpoints: Map<string, number>;
}

/** Reads the lines of /metrics, or those of them that begin with kubeproxy_. */
export function parseKubeProxyMetrics(lines: readonly string[]): { readonly metrics: KubeProxyMetrics; readonly problems: readonly DumpProblem[] } {
  const { samples, problems } = parsePrometheusText(lines);
  const families = new Map<string, OpenSync>();
  const all: Values<typeof ofAll, number> = {};
  const healthz = new Map<string, number>();
  const livez = new Map<string, number>();
  const others: Sample[] = [];
  for (const sample of samples) {
    if (!sample.name.startsWith('kubeproxy_')) continue;
    const { labels, value } = sample;
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
      if (!name.endsWith('_bucket')) durations.set(histogram, { ...durations.get(histogram), [name.endsWith('_sum') ? 'sum' : 'count']: value });
    } else if (name === 'sync_proxy_rules_iptables_total' || name === 'sync_proxy_rules_iptables_last') {
      const { rules } = syncOf(families, labels);
      const table = labels.get('table') ?? '';
      rules.set(table, { ...rules.get(table), [name.endsWith('_total') ? 'total' : 'lastSync']: value });
    } else if (name === 'sync_proxy_rules_no_local_endpoints_total') syncOf(families, labels).withoutLocalEndpoints.set(labels.get('traffic_policy') ?? '', value);
    else others.push(sample);
  }
  return { metrics: { syncs: [...families.values()].map(finish), ...all, healthz, livez, others }, problems };
}

function valueOf<Value>(names: ReadonlyMap<string, Value>, name: string): Value | undefined {
  return names.get(name);
}

function syncOf(families: Map<string, OpenSync>, labels: ReadonlyMap<string, string>): OpenSync {
  const family = labels.get('ip_family');
  const known = families.get(family ?? '');
  if (known !== undefined) return known;
  const sync: OpenSync = { ...(family === 'IPv4' || family === 'IPv6' ? { family } : {}), durations: new Map(), rules: new Map(), withoutLocalEndpoints: new Map() };
  families.set(family ?? '', sync);
  return sync;
}

function finish({ durations, ...sync }: OpenSync): KubeProxySync {
  const complete = [...durations].flatMap(([name, { count, sum }]) => (count === undefined || sum === undefined ? [] : [[name, { count, sum }] as const]));
  return { ...sync, ...Object.fromEntries(complete) };
}
