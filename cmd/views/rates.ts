/** Packets a second of each counter, between two collections of its node. */
import { oncePer } from '../../core/once-per.ts';
import { frontendText } from '../path-table.ts';
import type { DnatTargetStatus, NodePortStatus, NodeStatus, ServiceTraceStatus } from '../../core/service-trace.ts';

/** By node, its last two collections: rates are worked out of the node that is looked at. */
export type Rates = ReadonlyMap<string, Compared>;

interface Compared {
  readonly before: NodeStatus;
  readonly after: NodeStatus;
}

/** By `frontendKey` and `targetKey`; absent where there is nothing to compare, or no counter. */
export type NodeRates = ReadonlyMap<string, number>;

export function frontendKey(port: NodePortStatus): string {
  return `${port.protocol} ${frontendText(port)}`;
}

export function targetKey(port: NodePortStatus, { address, port: number }: DnatTargetStatus): string {
  return `${frontendKey(port)} ${address} ${number}`;
}

/** Rates of a node that was not collected anew stay as they were. */
export function compareCounters(previous: Rates, before: ServiceTraceStatus | undefined, after: ServiceTraceStatus | undefined): Rates {
  const compared = new Map<string, Compared>();
  const olds = new Map((before?.nodes ?? []).map((node) => [node.name, node]));
  for (const node of after?.nodes ?? []) {
    const old = olds.get(node.name);
    if (old === undefined) continue;
    const seconds = secondsBetween(old, node);
    const known = seconds === 0 ? previous.get(node.name) : { before: old, after: node };
    if (seconds >= 0 && known !== undefined) compared.set(node.name, known);
  }
  return compared;
}

const none: NodeRates = new Map();

export function ratesOf(rates: Rates, node: string): NodeRates {
  const compared = rates.get(node);
  return compared === undefined ? none : measure(compared);
}

const measure = oncePer(({ before, after }: Compared): NodeRates => {
  const rates = new Map<string, number>();
  const seconds = secondsBetween(before, after);
  const olds = countersOf(before.ports);
  for (const [key, count] of countersOf(after.ports)) {
    const old = olds.get(key);
    // A counter that went back was written anew by kube-proxy: nothing is known of the time in between.
    if (old !== undefined && count >= old) rates.set(key, (count - old) / seconds);
  }
  return rates;
});

/** NaN where one of them was not collected. */
function secondsBetween(before: NodeStatus, after: NodeStatus): number {
  return (Date.parse(after.probe.collectedAt ?? '') - Date.parse(before.probe.collectedAt ?? '')) / 1000;
}

function countersOf(ports: readonly NodePortStatus[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const port of ports) {
    if (port.packets !== undefined) counts.set(frontendKey(port), port.packets);
    for (const target of port.dnatTargets) if (target.packets !== undefined) counts.set(targetKey(port, target), target.packets);
  }
  return counts;
}

export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '-';
  if (rate === 0) return '0/s';
  return rate < 10 ? `${rate.toFixed(1)}/s` : `${Math.round(rate)}/s`;
}
