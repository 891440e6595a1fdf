/** What kube-proxy says of itself, read from the bodies of its endpoints on 127.0.0.1. */
import * as z from 'zod';
import type { RecordOf } from '../wire/node-report.ts';
import { parseProxyMode, type ProxyMode } from './mode.ts';
import { KubeProxyConfigError, parseKubeProxyConfigz, type KubeProxyConfig } from './config.ts';
import { parseKubeProxyMetrics, type KubeProxyMetrics } from './metrics.ts';
import { oncePer } from '../lib/once-per.ts';

export interface KubeProxyState {
  readonly proxyMode?: ProxyMode;
  /** Absent where it did not answer: unknown, not unhealthy. */
  readonly healthy?: boolean;
  /** Why it is not healthy, or why it is not known. */
  readonly message?: string;
  /** When it last wrote its rules, the older of the families; RFC 3339. */
  readonly lastSync?: string;
  /** Absent where /metrics did not answer. */
  readonly metrics?: KubeProxyMetrics;
  /** Of /configz; absent where that did not answer, or was not understood: then configProblem says why. */
  readonly config?: KubeProxyConfig;
  readonly configProblem?: string;
  /** Nothing answered: no port is open (refused), or ports are open and nobody answers in time (late). */
  readonly silence?: 'refused' | 'late';
}

/**
 * Reads a kubeProxy record; what did not answer is absent. A record never changes, and a status is built of the same one many
 * times while other nodes are waited for.
 */
export const readKubeProxy = oncePer((record: RecordOf<'kubeProxy'>): KubeProxyState => {
  const proxyMode = parseProxyMode(record.proxyMode);
  const lastSync = parseLastSync(record.metrics ?? []);
  const silence = silenceOf(record);
  const message = record.livez === undefined ? record.errors.join('; ') : livezMessage(record.livez);
  return {
    ...(proxyMode === undefined ? {} : { proxyMode }),
    ...(record.livez === undefined ? {} : { healthy: record.livez.status === 200 }),
    ...(message === '' ? {} : { message }),
    ...(lastSync === undefined ? {} : { lastSync }),
    ...(record.metrics === undefined ? {} : { metrics: parseKubeProxyMetrics(record.metrics).metrics }),
    ...configOf(record.configz),
    ...(silence === undefined ? {} : { silence }),
  };
});

function configOf(configz: string | undefined): Pick<KubeProxyState, 'config' | 'configProblem'> {
  if (configz === undefined) return {};
  try {
    return { config: parseKubeProxyConfigz(configz) };
  } catch (error) {
    if (error instanceof KubeProxyConfigError) return { configProblem: error.message };
    throw error;
  }
}

/** A connection that is refused has nobody behind it; one that is taken and not served has (pkg/proxy/healthcheck, server.go). */
function silenceOf({ proxyMode, livez, metrics, ...record }: RecordOf<'kubeProxy'>): KubeProxyState['silence'] {
  if (proxyMode !== undefined || livez !== undefined || metrics !== undefined) return undefined;
  const failures = record.failures ?? failuresOfOlder(record.errors);
  return (['refused', 'late'] as const).find((wanted) =>
    [10249, 10256].every((port) => failures.some((failure) => failure.port === port && failure.cause === wanted)),
  );
}

/** `127.0.0.1:10249/proxyMode: connect ECONNREFUSED 127.0.0.1:10249`, as probes wrote it that had no other field. */
function failuresOfOlder(errors: readonly string[]): NonNullable<RecordOf<'kubeProxy'>['failures']> {
  return errors.flatMap((error) => {
    const [, port, reason = ''] = /^127\.0\.0\.1:(\d+)\/\w+: (.*)$/s.exec(error) ?? [];
    const cause = reason.includes('ECONNREFUSED') ? 'refused' : /timeout/i.test(reason) ? 'late' : 'other';
    return port === undefined ? [] : [{ port: Number(port), cause } as const];
  });
}

const healthSchema = z.object({ lastUpdated: z.string().optional(), currentTime: z.string().optional() });

function livezMessage(livez: NonNullable<RecordOf<'kubeProxy'>['livez']>): string {
  if (livez.status === 200) return '';
  let body: unknown;
  try {
    body = JSON.parse(livez.body);
  } catch {
    return `${livez.path} answers ${String(livez.status)}: ${livez.body.slice(0, 120)}`;
  }
  const health = healthSchema.safeParse(body);
  const since =
    health.success && health.data.lastUpdated !== undefined ? `: last updated ${health.data.lastUpdated}` : '';
  return `${livez.path} answers ${String(livez.status)}${since}`;
}

/** The oldest family, since a node is as old as its oldest half. Undefined before the first sync. */
export function parseLastSync(metrics: readonly string[]): string | undefined {
  // A status asks this of each node: the other lines are not read for it.
  const lines = metrics.filter((line) => line.startsWith('kubeproxy_sync_proxy_rules_last_timestamp_seconds'));
  const seconds = parseKubeProxyMetrics(lines).metrics.syncs.flatMap(({ lastSync }) =>
    lastSync === undefined || !(lastSync > 0 && lastSync < 8.64e12) ? [] : [lastSync],
  );
  return seconds.length === 0 ? undefined : new Date(Math.min(...seconds) * 1000).toISOString();
}
