/** Shares of the endpoints, by the frontends of a node's status. */
import type { Family } from '../net/family.ts';
import type { NodePortStatus } from '../api/service-trace.ts';
import { oncePer } from '../lib/once-per.ts';
import { targetKey } from './status-rule.ts';

/**
 * Of the connections to a frontend, those that end at the targets; the largest over the frontends, 0 to 1.
 * Undefined where no frontend's share is known.
 * @param targets each as `targetKey` has it
 */
export function endpointShare(
  ports: readonly NodePortStatus[],
  family: Family,
  targets: ReadonlySet<string>,
): number | undefined {
  const shares = ports
    .filter((port) => port.family === family && port.verdict === 'DNAT')
    .flatMap((own) => {
      const known = sharesByTarget(own);
      const behind = [...targets].flatMap((target) => known.get(target) ?? []);
      // One share that is not known makes the sum unknown.
      return behind.length === 0 || behind.includes('unknown')
        ? []
        : [behind.reduce<number>((sum, share) => sum + (share === 'unknown' ? 0 : share), 0)];
    });
  return shares.length === 0 ? undefined : Math.min(1, Math.max(...shares));
}

/** The share of each target, those of which it is not known among them. */
const sharesByTarget = oncePer(({ dnatTargets }: NodePortStatus): ReadonlyMap<string, (number | 'unknown')[]> => {
  const known = new Map<string, (number | 'unknown')[]>();
  for (const { address, port, probability = 'unknown' } of dnatTargets) {
    const key = targetKey(address, port);
    known.set(key, [...(known.get(key) ?? []), probability]);
  }
  return known;
});
