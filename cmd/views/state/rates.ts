/** Packets a second of each counter, between two collections of its node. */
import { oncePer } from '../../../core/lib/once-per.ts';
import { frontendText } from '../../tables/path-table.ts';
import type {
  DnatTargetStatus,
  NodePortStatus,
  NodeStatus,
  ServiceTraceStatus,
} from '../../../core/api/service-trace.ts';

/** By node, its last two collections: rates are worked out of the node that is looked at. */
export type Rates = ReadonlyMap<string, Compared>;

interface Compared {
  readonly before: NodeStatus;
  readonly after: NodeStatus;
}

/** Undefined where there is nothing to compare, or no counter. */
export interface NodeRates {
  frontend(port: NodePortStatus): number | undefined;
  /** @param index of the target among those of the frontend */
  target(port: NodePortStatus, index: number): number | undefined;
}

/** Rates of a node that was not collected again stay as they were. */
export function compareCounters(
  previous: Rates,
  before: ServiceTraceStatus | undefined,
  after: ServiceTraceStatus | undefined,
): Rates {
  const compared = new Map<string, Compared>();
  const olds = new Map((before?.nodes ?? []).map((node) => [node.name, node]));
  for (const node of after?.nodes ?? []) {
    const old = olds.get(node.name);
    if (old === undefined) continue;
    const seconds = secondsBetween(old, node);
    // Not counted again: the counters are those of before, in another object.
    const former = seconds === 0 ? previous.get(node.name)?.before : old;
    if (seconds >= 0 && former !== undefined) compared.set(node.name, { before: former, after: node });
  }
  return compared;
}

const none: NodeRates = { frontend: () => undefined, target: () => undefined };

export function ratesOf(rates: Rates, node: string): NodeRates {
  const compared = rates.get(node);
  return compared === undefined ? none : measure(compared);
}

/** A frontend may have thousands of targets, of which few are shown: each is compared when it is asked for. */
const measure = oncePer(({ before, after }: Compared): NodeRates => {
  const seconds = secondsBetween(before, after);
  const olds = new Map(before.ports.map((port) => [frontendKey(port), port]));
  const formers = new Map(after.ports.map((port) => [port, olds.get(frontendKey(port))]));
  const rate = (old: number | undefined, now: number | undefined): number | undefined =>
    // A counter that went back was written again by kube-proxy: nothing is known of the time in between.
    old === undefined || now === undefined || now < old ? undefined : (now - old) / seconds;
  return {
    frontend: (port) => rate(formers.get(port)?.packets, port.packets),
    target(port, index) {
      const target = port.dnatTargets[index];
      const former = formers.get(port);
      return target === undefined || former === undefined
        ? undefined
        : rate(formerTarget(former, target, index)?.packets, target.packets);
    },
  };
});

/** Mostly the rules are as they were, and a target where it was. */
function formerTarget(former: NodePortStatus, target: DnatTargetStatus, index: number): DnatTargetStatus | undefined {
  const same = former.dnatTargets[index];
  return same?.address === target.address && same.port === target.port
    ? same
    : targetsOf(former).get(targetKey(target));
}

const targetsOf = oncePer(
  ({ dnatTargets }: NodePortStatus): ReadonlyMap<string, DnatTargetStatus> =>
    new Map(dnatTargets.map((target) => [targetKey(target), target])),
);

function targetKey({ address, port }: DnatTargetStatus): string {
  return `${address} ${String(port)}`;
}

function frontendKey(port: NodePortStatus): string {
  return `${port.protocol} ${frontendText(port)}`;
}

/** Between their counters. NaN where one of them was not collected. */
function secondsBetween(before: NodeStatus, after: NodeStatus): number {
  return (countedAt(after) - countedAt(before)) / 1000;
}

function countedAt({ probe }: NodeStatus): number {
  return Date.parse(probe.rulesReadAt ?? probe.collectedAt ?? '');
}

export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '-';
  if (rate === 0) return '0/s';
  return rate < 10 ? `${rate.toFixed(1)}/s` : `${Math.round(rate)}/s`;
}

/** Characters of the widest rate: a number is the longer the greater it is, small ones with their digit behind the point apart. */
export function rateWidth(rates: Iterable<number | undefined>): number {
  let [slow, fast]: (number | undefined)[] = [];
  for (const rate of rates) {
    if (rate === undefined) continue;
    if (rate < 10) slow = Math.max(slow ?? 0, rate);
    else fast = Math.max(fast ?? 0, rate);
  }
  return Math.max(rateText(slow).length, rateText(fast).length);
}
