/** What a status says where no probe can run on some of the nodes. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { exitStatusOfTrace } from '../../../cmd/cli/exit-status.ts';
import type { Condition, ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import { statusInputOf } from '../../../core/status/input.ts';
import { buildStatus } from '../../../core/status/status.ts';
import { parseBundle, printBundle } from '../../../core/wire/bundle.ts';
import type { NodeAnswer } from '../../../core/wire/node-report.ts';

const recorded = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));
const skipped: NodeAnswer = {
  node: 'win-1',
  state: 'Skipped',
  reason: 'NodeNotLinux',
  message: 'not looked at: it runs windows',
};
const failed: NodeAnswer = { node: 'node-x', state: 'Failed', reason: 'TimedOut', message: 'no answer' };

/** Through the file, so that a bundle keeps which nodes are skipped. */
const statusOf = (answers: readonly NodeAnswer[]): ServiceTraceStatus =>
  buildStatus(statusInputOf(parseBundle(printBundle({ ...recorded, answers }))));

const conditionOf = (status: ServiceTraceStatus, wanted: Condition['type']): Condition | undefined =>
  status.conditions?.find(({ type }) => type === wanted);

it('is ready without them, names them, and does not claim that all is well', () => {
  const status = statusOf([...recorded.answers, skipped]);
  expect(conditionOf(status, 'Ready')).toMatchObject({
    status: 'True',
    message: 'collected from 3 of 3 nodes; win-1: not looked at: it runs windows',
  });
  expect(conditionOf(status, 'Collected')).toMatchObject({
    status: 'True',
    message: '3 of 3 nodes answered; not looked at: win-1',
  });
  expect(conditionOf(status, 'Healthy')?.status).toBe('Unknown');
  expect(conditionOf(status, 'Converged')?.status).toBe('Unknown');
  expect(status.summary?.nodes).toBe('3/4');
  expect(status.findings?.filter(({ id }) => id === 'DATA-NODE-MISSING')).toEqual([]);
  expect(status.nodes?.find(({ name }) => name === 'win-1')?.probe).toEqual({
    state: 'Skipped',
    reason: 'NodeNotLinux',
    message: 'not looked at: it runs windows',
  });
  const trace = { apiVersion: 'svctrace.io/v1alpha1', kind: 'ServiceTrace', spec: recorded.spec, status } as const;
  expect(exitStatusOfTrace({ ...trace, metadata: { name: 'a' } }, 'error')).toBe(5);
});

it('is not ready where another node did not answer', () => {
  const status = statusOf([...recorded.answers, skipped, failed]);
  expect(conditionOf(status, 'Ready')).toMatchObject({
    status: 'False',
    reason: 'NodesDidNotAnswer',
    message: 'node-x: no answer',
  });
  expect(status.findings?.filter(({ id }) => id === 'DATA-NODE-MISSING').map(({ node }) => node)).toEqual(['node-x']);
});

it('is not ready where there are no others', () => {
  expect(conditionOf(buildStatus(statusInputOf({ ...recorded, answers: [skipped] })), 'Ready')).toMatchObject({
    status: 'False',
    reason: 'NoNodes',
    message: 'win-1: not looked at: it runs windows',
  });
});
