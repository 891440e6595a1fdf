/** Packets a second of each counter, between two collections of its node. */
import { frontendText } from '../path-table.ts';
import type { DnatTargetStatus, NodePortStatus, ServiceTraceStatus } from '../../core/service-trace.ts';

/** By `frontendKey` and `targetKey`; absent where there is nothing to compare, or no counter. */
export type Rates = ReadonlyMap<string, number>;

export function frontendKey(node: string, port: NodePortStatus): string {
  return `${node} ${port.protocol} ${frontendText(port)}`;
}

export function targetKey(node: string, port: NodePortStatus, { address, port: number }: DnatTargetStatus): string {
  return `${frontendKey(node, port)} ${address} ${number}`;
}

/** Rates of a node that was not collected anew stay as they were. */
export function measureRates(previous: Rates, before: ServiceTraceStatus | undefined, after: ServiceTraceStatus | undefined): Rates {
  const rates = new Map<string, number>();
  const olds = new Map((before?.nodes ?? []).map((node) => [node.name, node]));
  for (const node of after?.nodes ?? []) {
    const old = olds.get(node.name);
    const counts = countersOf(node.name, node.ports);
    const seconds = (Date.parse(node.probe.collectedAt ?? '') - Date.parse(old?.probe.collectedAt ?? '')) / 1000;
    const oldCounts = old === undefined ? new Map<string, number>() : countersOf(node.name, old.ports);
    for (const [key, count] of counts) {
      if (seconds === 0) {
        const rate = previous.get(key);
        if (rate !== undefined) rates.set(key, rate);
        continue;
      }
      const oldCount = oldCounts.get(key);
      // A counter that went back was written anew by kube-proxy: nothing is known of the time in between.
      if (seconds > 0 && oldCount !== undefined && count >= oldCount) rates.set(key, (count - oldCount) / seconds);
    }
  }
  return rates;
}

function countersOf(node: string, ports: readonly NodePortStatus[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const port of ports) {
    if (port.packets !== undefined) counts.set(frontendKey(node, port), port.packets);
    for (const target of port.dnatTargets) if (target.packets !== undefined) counts.set(targetKey(node, port, target), target.packets);
  }
  return counts;
}

export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '-';
  if (rate === 0) return '0/s';
  return rate < 10 ? `${rate.toFixed(1)}/s` : `${Math.round(rate)}/s`;
}
