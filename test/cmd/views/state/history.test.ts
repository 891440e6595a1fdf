import { describe, expect, it } from 'vitest';
import { extendHistory, lastRate, ruleKey, sparkline, type History } from '../../../../cmd/views/state/history.ts';
import { wholeOf } from '../../../../core/lib/pieces.ts';
import type { ServiceTraceStatus } from '../../../../core/api/service-trace.ts';

const chain = { family: 'IPv4', table: 'nat', name: 'KUBE-SVC-X' } as const;
const key = ruleKey('p', chain, 0);
const at = (seconds: number, packets: number | undefined, nodes = ['node-a']): ServiceTraceStatus => ({
  collectedAt: new Date(seconds * 1000).toISOString(),
  programs: [
    {
      fingerprint: 'p',
      proxyMode: 'iptables',
      nodes,
      chains: [
        { ...chain, rules: [{ text: '-A KUBE-SVC-X -j KUBE-SEP-X', ...(packets === undefined ? {} : { packets }) }] },
      ],
    },
  ],
});
const ratesOf = (...statuses: ServiceTraceStatus[]): readonly (number | undefined)[] | undefined =>
  statuses
    .reduce<{ history: History; before: ServiceTraceStatus | undefined }>(
      ({ history, before }, status) => ({ history: wholeOf(extendHistory(history, before, status)), before: status }),
      { history: new Map(), before: undefined },
    )
    .history.get(key);

describe('the history of a rule', () => {
  it('is packets a second, the newest last', () => {
    expect(ratesOf(at(0, 0), at(2, 10), at(4, 10))).toEqual([5, 0]);
    expect(lastRate(ratesOf(at(0, 0), at(2, 10)))).toBe(5);
  });

  it('is unknown where a counter went back, or the sum is of other nodes', () => {
    expect(ratesOf(at(0, 10), at(2, 4))).toEqual([undefined]);
    expect(ratesOf(at(0, 10), at(2, 20, ['node-a', 'node-b']))).toEqual([undefined]);
    expect(ratesOf(at(0, undefined), at(2, undefined))).toBeUndefined();
  });

  it('is bounded', () => {
    expect(ratesOf(...Array.from({ length: 40 }, (_, index) => at(index, index)))).toHaveLength(16);
  });

  it('is drawn where anything moved', () => {
    expect(sparkline([0, 0], 8)).toBe('');
    expect(sparkline(undefined, 8)).toBe('');
    expect(sparkline([0, undefined, 5, 10], 8)).toHaveLength(4);
    expect(sparkline([1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toHaveLength(4);
  });
});
