import { expect, it } from 'vitest';
import { dispatchReading } from '../../engine/dispatch-reading.ts';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';

const well: ServiceTraceStatus = { findings: [] };
const finding = {
  id: 'RULE-SVC-MISSING',
  severity: 'error',
  summary: 'no rule',
  evidence: [],
  advice: 'restart kube-proxy',
} as const;

it.each([
  ['Once', 1, well, 'Rules'],
  [undefined, 1, well, 'Rules'],
  ['Watch', 0, undefined, 'Rules'],
  ['Watch', 1, well, 'References'],
  ['Watch', 9, well, 'References'],
  ['Watch', 10, well, 'Rules'],
  ['Watch', 11, well, 'References'],
  ['Watch', 11, undefined, 'Rules'],
  ['Watch', 11, { findings: [finding] }, 'Rules'],
  ['Watch', 11, { findings: [{ ...finding, id: 'EPS-STALE' }] }, 'Rules'],
  ['Watch', 11, { findings: [{ ...finding, id: 'RULE-NODEPORT-TAKEN', severity: 'warning' }] }, 'Rules'],
  ['Watch', 11, { findings: [{ ...finding, id: 'RULE-FOREIGN-UNKNOWN', severity: 'info' }] }, 'References'],
  ['Watch', 11, { findings: [{ ...finding, id: 'OF-ANOTHER-VERSION', severity: 'info' }] }, 'Rules'],
  ['Watch', 11, { findings: [{ ...finding, id: 'SYS-RPFILTER', severity: 'info' }] }, 'References'],
] as const)('a trace of mode %s, collected %i times, with %j is read by %s', (mode, collected, previous, expected) => {
  expect(dispatchReading(mode, collected, previous as ServiceTraceStatus | undefined)).toBe(expected);
});
