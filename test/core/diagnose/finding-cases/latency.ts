/** Findings of how late nodes are, and of clocks. */
import { parseKubeProxyMetrics } from '../../../../core/kube-proxy/metrics.ts';
import { desiredService, frontend, nodeFacts, nodeProgram } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

type Read = NonNullable<Parameters<typeof nodeFacts>[1]>;
const desired = { ...desiredService(), lastChange: '2026-11-24T09:59:00Z' };
const name = 'kubeproxy_network_programming_duration_seconds';

/** Kube-proxy measured this many changes, all of so many seconds. */
const measured = (count: number, seconds: number): Read => ({
  kubeProxy: {
    metrics: parseKubeProxyMetrics([
      `${name}_bucket{le="${String(seconds)}"} ${String(count)}`,
      `${name}_sum ${String(count * seconds)}`,
      `${name}_count ${String(count)}`,
    ]).metrics,
  },
});
const clock = (milliseconds: number, uncertainty = 50): Read => ({ clock: { milliseconds, uncertainty } });
const different: Read = { program: nodeProgram([frontend(['10.244.1.2', '10.244.2.2', '10.244.9.9'])]) };
const at = (time: string): number => Date.parse(time) / 1000;
const synced = (lastSync: string, lastQueued: string): Read => ({
  kubeProxy: {
    lastSync,
    metrics: parseKubeProxyMetrics([
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds ${String(at(lastSync))}`,
      `kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds ${String(at(lastQueued))}`,
    ]).metrics,
  },
});
const syncedApart = (ipv4: string, ipv6: string): Read => ({
  kubeProxy: {
    lastSync: ipv6,
    metrics: parseKubeProxyMetrics([
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${String(at(ipv4))}`,
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} ${String(at(ipv6))}`,
    ]).metrics,
  },
});
const all = (reads: readonly Read[]): ReturnType<typeof nodeFacts>[] =>
  reads.map((read, index) => nodeFacts(`node-${String(index)}`, read));

export const latencyCases: readonly FindingCase[] = [
  { name: 'changes that take 6 s', facts: { desired, nodes: all([measured(20, 6)]) }, ids: ['LAT-SLOW'] },
  { name: 'changes that take 5 s', facts: { desired, nodes: all([measured(20, 5)]) }, ids: [] },
  { name: 'a few changes that take 60 s', facts: { desired, nodes: all([measured(19, 60)]) }, ids: [] },
  {
    name: 'changes that take 6 s by a clock that is wrong',
    facts: { desired, nodes: all([{ ...measured(20, 6), ...clock(6000) }]) },
    ids: ['LAT-CLOCK'],
  },

  {
    name: 'a node that lags behind',
    facts: { desired, nodes: all([measured(20, 0.5), measured(20, 1), measured(20, 3)]) },
    ids: ['LAT-LAGGARD'],
  },
  {
    name: 'a node that lags a little',
    facts: { desired, nodes: all([measured(20, 0.5), measured(20, 1), measured(20, 2)]) },
    ids: [],
  },
  {
    name: 'a node that lags behind, of two',
    facts: { desired, nodes: all([measured(20, 0.5), measured(20, 3)]) },
    ids: [],
  },

  {
    name: 'a node that did not hear of a change',
    facts: { desired, nodes: all([{ ...different, ...synced('2026-11-24T09:50:00Z', '2026-11-24T09:49:59Z') }]) },
    ids: ['RULE-EP-STALE', 'LAT-NEVER'],
  },
  {
    name: 'a node that wrote the family of the Service after the change, and the other one long before',
    facts: { desired, nodes: all([{ ...different, ...syncedApart('2026-11-24T09:59:02Z', '2026-11-24T09:50:00Z') }]) },
    ids: ['RULE-EP-STALE'],
  },
  {
    name: 'a node that wrote after the change',
    facts: { desired, nodes: all([{ ...different, ...synced('2026-11-24T09:59:02Z', '2026-11-24T09:59:01Z') }]) },
    ids: ['RULE-EP-STALE'],
  },
  {
    name: 'a node that did not hear of a change that changed nothing',
    facts: { desired, nodes: all([synced('2026-11-24T09:50:00Z', '2026-11-24T09:49:59Z')]) },
    ids: [],
  },
  {
    name: 'a node that wrote after the change by a clock that is behind',
    facts: {
      desired,
      nodes: all([{ ...different, ...synced('2026-11-24T09:58:54Z', '2026-11-24T09:58:53Z'), ...clock(-7000) }]),
    },
    ids: ['RULE-EP-STALE', 'LAT-CLOCK'],
  },

  { name: 'clocks that agree', facts: { desired, nodes: all([clock(200), clock(-900), clock(1040)]) }, ids: [] },
  {
    name: 'a clock that is ahead',
    facts: { desired, nodes: all([clock(5), clock(1200), clock(0)]) },
    ids: ['LAT-CLOCK'],
  },
  { name: 'a clock that may be ahead', facts: { desired, nodes: all([clock(1200, 300)]) }, ids: [] },
  {
    name: "the collector's own clock, told once",
    facts: { desired, nodes: all([clock(-5000), clock(-5010), clock(-4990)]) },
    ids: ['LAT-CLOCK'],
  },
];
