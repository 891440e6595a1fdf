/** What kube-proxy says of itself, read from the bodies of its endpoints on 127.0.0.1. */
import * as z from 'zod';
import type { RecordOf } from '../node-report.ts';
import type { ProxyMode } from '../program.ts';
import { parseKubeProxyMetrics } from './kube-proxy-metrics.ts';

export interface KubeProxyState {
  readonly proxyMode?: ProxyMode;
  /** Absent where it did not answer: unknown, not unhealthy. */
  readonly healthy?: boolean;
  /** Why it is not healthy, or why it is not known. */
  readonly message?: string;
  /** When it last wrote its rules, the older of the families; RFC 3339. */
  readonly lastSync?: string;
}

/** Reads a kubeProxy record; what did not answer is absent. */
export function readKubeProxy(record: RecordOf<'kubeProxy'>): KubeProxyState {
  const proxyMode = parseProxyMode(record.proxyMode);
  const lastSync = parseLastSync(record.metrics ?? []);
  const message = record.livez === undefined ? record.errors.join('; ') : livezMessage(record.livez);
  return {
    ...(proxyMode === undefined ? {} : { proxyMode }),
    ...(record.livez === undefined ? {} : { healthy: record.livez.status === 200 }),
    ...(message === '' ? {} : { message }),
    ...(lastSync === undefined ? {} : { lastSync }),
  };
}

/** The body of /proxyMode; undefined for a mode that this version does not know (kernelspace, userspace). */
export function parseProxyMode(body: string | undefined): ProxyMode | undefined {
  const mode = body?.trim();
  return mode === 'iptables' || mode === 'nftables' || mode === 'ipvs' ? mode : undefined;
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
  const since = health.success && health.data.lastUpdated !== undefined ? `: last updated ${health.data.lastUpdated}` : '';
  return `${livez.path} answers ${String(livez.status)}${since}`;
}

/** The oldest family, since a node is as old as its oldest half. Undefined before the first sync. */
export function parseLastSync(metrics: readonly string[]): string | undefined {
  // A status asks this of each node: the other lines are not read for it.
  const lines = metrics.filter((line) => line.startsWith('kubeproxy_sync_proxy_rules_last_timestamp_seconds'));
  const seconds = parseKubeProxyMetrics(lines).metrics.syncs.flatMap(({ lastSync }) => (lastSync === undefined || !(lastSync > 0 && lastSync < 8.64e12) ? [] : [lastSync]));
  return seconds.length === 0 ? undefined : new Date(Math.min(...seconds) * 1000).toISOString();
}
