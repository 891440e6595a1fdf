import { describe, expect, it } from 'vitest';
import { ClusterError, InterruptedError, NotFoundError, UsageError } from '../../../cmd/cli/errors.ts';
import { exitStatusOfError, exitStatusOfTrace, type FailOn } from '../../../cmd/cli/exit-status.ts';
import type { FindingStatus, NodeStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { nodeA, nodeC, withStatus } from '../../support/example-trace.ts';

const finding = (id: string, severity: FindingStatus['severity']): FindingStatus => ({
  id,
  severity,
  where: '',
  message: '',
  evidence: [],
  advice: '',
});
const trace = (nodes: NodeStatus[], findings: FindingStatus[]): ServiceTrace => withStatus({ nodes, findings });

const rows: [string, ServiceTrace, FailOn, number][] = [
  ['no finding', trace([nodeA], []), 'error', 0],
  ['an error', trace([nodeA], [finding('RULE-EP-STALE', 'error')]), 'error', 1],
  ['a warning', trace([nodeA], [finding('KP-UNHEALTHY', 'warning')]), 'error', 0],
  ['a warning, --fail-on warning', trace([nodeA], [finding('KP-UNHEALTHY', 'warning')]), 'warning', 1],
  ['an info, --fail-on warning', trace([nodeA], [finding('RULE-ORPHAN', 'info')]), 'warning', 0],
  ['a node that did not answer', trace([nodeA, nodeC], [finding('DATA-NODE-MISSING', 'warning')]), 'warning', 5],
  [
    'a node that did not answer, and an error elsewhere',
    trace([nodeA, nodeC], [finding('RULE-EP-STALE', 'error')]),
    'error',
    1,
  ],
  ['a node that is still waited for', trace([nodeA, { ...nodeC, probe: { state: 'Waiting' } }], []), 'error', 5],
  ['no status', { ...withStatus({}), status: {} }, 'error', 5],
];

describe('exit status of a trace', () => {
  it.each(rows)('%s', (_name, value, failOn, expected) => {
    expect(exitStatusOfTrace(value, failOn)).toBe(expected);
  });
});

it('of an error', () => {
  const errors = [
    new UsageError(),
    new ClusterError(),
    new NotFoundError(),
    new InterruptedError('SIGINT'),
    new InterruptedError('SIGTERM'),
    new Error('bug'),
  ];
  expect(errors.map(exitStatusOfError)).toEqual([2, 3, 4, 130, 143, undefined]);
});
