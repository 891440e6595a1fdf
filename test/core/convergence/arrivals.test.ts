import { expect, it } from 'vitest';
import type { NodeLagStatus, SliceChangeStatus } from '../../../core/api/service-trace.ts';
import { newArrivals } from '../../../core/convergence/arrivals.ts';

const lag = (node: string, state: NodeLagStatus['state']): NodeLagStatus => ({
  node,
  state,
  minMilliseconds: 1,
  ...(state === 'Arrived' ? { maxMilliseconds: 2 } : {}),
});
const change = (resourceVersion: string, nodes: NodeLagStatus[]): SliceChangeStatus => ({
  endpointSlice: 'auth-1',
  resourceVersion,
  earliest: '2026-01-01T00:00:00Z',
  latest: '2026-01-01T00:00:00Z',
  endpoints: [],
  expected: [],
  lag: { nodes: nodes.length, arrived: 0, pending: 0, neverArrived: 0, unseen: 0 },
  nodes,
  omittedNodes: 0,
});
const texts = (...of: Parameters<typeof newArrivals>): string[] =>
  newArrivals(...of).map((arrival) => `${arrival.change.resourceVersion} ${arrival.lag.node}`);

it('are the nodes that have a change now and had it not, each once for each change', () => {
  const before = [change('5', [lag('a', 'Arrived'), lag('b', 'Pending')])];
  const after = [
    change('5', [lag('a', 'Arrived'), lag('b', 'Arrived')]),
    change('7', [lag('a', 'Arrived'), lag('b', 'Pending'), lag('c', 'NeverArrived')]),
  ];
  expect(texts(before, after)).toEqual(['5 b', '7 a']);
  expect(texts(after, after)).toEqual([]);
  expect(texts(undefined, after)).toEqual(['5 a', '5 b', '7 a']);
  expect(texts(before, undefined)).toEqual([]);
});
