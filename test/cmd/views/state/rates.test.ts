import { expect, it } from 'vitest';
import { compareCounters, ratesOf } from '../../../../cmd/views/state/rates.ts';
import type { NodePortStatus, ServiceTraceStatus } from '../../../../core/api/service-trace.ts';
import { exampleTrace } from '../../../support/example-trace.ts';

const [node] = exampleTrace.status?.nodes ?? [];
const [port] = node?.ports ?? [];
if (node === undefined || port === undefined) throw new Error('the example has no frontend');

const counted = (packets: number): NodePortStatus => ({ ...port, packets });
/** Of a node that answered at one second of a minute, and whose rules were read at another one. */
const collected = (packets: number, seconds: number, readAt?: number): ServiceTraceStatus => {
  const time = (at: number): string => `2026-11-30T10:00:${String(at).padStart(2, '0')}Z`;
  return {
    nodes: [
      {
        ...node,
        probe: {
          state: 'Collected',
          collectedAt: time(seconds),
          ...(readAt === undefined ? {} : { rulesReadAt: time(readAt) }),
        },
        ports: [counted(packets)],
      },
    ],
  };
};
const rateAfter = (...statuses: readonly ServiceTraceStatus[]): number | undefined => {
  let rates: ReturnType<typeof compareCounters> = new Map();
  statuses.forEach((status, index) => {
    rates = compareCounters(rates, statuses[index - 1], status);
  });
  const last = statuses.at(-1)?.nodes?.[0]?.ports[0];
  return last === undefined ? undefined : ratesOf(rates, node.name).frontend(last);
};

it('is what was counted between two readings of the rules, and stays until the next reading', () => {
  expect(rateAfter(collected(100, 0), collected(120, 10))).toBe(2);
  expect(rateAfter(collected(100, 0), collected(100, 2, 0))).toBeUndefined();
  expect(rateAfter(collected(100, 0), collected(100, 2, 0), collected(140, 20))).toBe(2);
  expect(rateAfter(collected(100, 0), collected(140, 20), collected(140, 22, 20))).toBe(2);
});
