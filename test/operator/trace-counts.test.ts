import { expect, it } from 'vitest';
import { TraceCounter } from '../../operator/trace-counts.ts';

const ready = { type: 'Ready', status: 'True' };

it('counts traces by mode and state, their conditions and findings; what is deleted is gone', () => {
  const counter = new TraceCounter(['RULE-EP-STALE']);
  const finding = { id: 'RULE-EP-STALE', severity: 'error' };
  counter.set('a/1', { mode: 'Watch', state: 'Active', conditions: [ready], findings: [finding, finding] });
  counter.set('a/2', { mode: 'Watch', state: 'Active', conditions: [ready], findings: [finding] });
  counter.set('a/3', {
    mode: 'Once',
    state: 'Finished',
    conditions: [{ type: 'Ready', status: 'False' }],
    findings: [],
  });
  counter.set('a/2', { mode: 'Watch', state: 'Suspended', conditions: [], findings: [] });
  counter.delete('a/none');
  expect(counter.counts()).toEqual({
    traces: [
      { mode: 'Watch', state: 'Active', count: 1 },
      { mode: 'Watch', state: 'Suspended', count: 1 },
      { mode: 'Once', state: 'Finished', count: 1 },
    ],
    conditions: [
      { condition: 'Ready', status: 'True', count: 1 },
      { condition: 'Ready', status: 'False', count: 1 },
    ],
    findings: [{ id: 'RULE-EP-STALE', severity: 'error', count: 2 }],
  });
  for (const key of ['a/1', 'a/2', 'a/3']) counter.delete(key);
  expect(counter.counts()).toEqual({ traces: [], conditions: [], findings: [] });
});

it('makes no label of what somebody else wrote into a status', () => {
  const counter = new TraceCounter(['RULE-EP-STALE']);
  for (let index = 0; index < 1000; index += 1)
    counter.set(`a/${String(index)}`, {
      mode: 'Once',
      state: 'Finished',
      conditions: [
        { type: `Type${String(index)}`, status: 'True' },
        { type: 'Ready', status: `S${String(index)}` },
      ],
      findings: [{ id: `ID-${String(index)}`, severity: `severity-${String(index)}` }],
    });
  expect(counter.counts()).toEqual({
    traces: [{ mode: 'Once', state: 'Finished', count: 1000 }],
    conditions: [],
    findings: [{ id: 'other', severity: 'other', count: 1000 }],
  });
});
