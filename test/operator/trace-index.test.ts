import { expect, it } from 'vitest';
import { TraceIndex, type IndexedTrace } from '../../operator/trace-index.ts';

function trace(change: { uid?: string; generation?: number; mode?: string; suspend?: boolean; ready?: string; service?: string } = {}): IndexedTrace {
  return {
    metadata: { namespace: 'default', uid: change.uid ?? 'u1', generation: change.generation ?? 1 },
    spec: { serviceRef: { name: change.service ?? 'auth-service' }, mode: change.mode ?? 'Once', suspend: change.suspend },
    ...(change.ready === undefined ? {} : { status: { observedGeneration: 1, conditions: [{ type: 'Ready', status: change.ready }] } }),
  };
}

it('tells what there is to do: a new trace, another spec, another object of that name; not a written status', () => {
  const index = new TraceIndex();
  expect(index.set('default/a', trace())).toBe(true);
  expect(index.set('default/a', trace())).toBe(false);
  expect(index.set('default/a', trace({ ready: 'True' }))).toBe(false);
  expect(index.set('default/a', trace({ generation: 2 }))).toBe(true);
  expect(index.set('default/a', trace({ generation: 2, uid: 'u2' }))).toBe(true);
  index.delete('default/a');
  expect(index.set('default/a', trace({ generation: 2, uid: 'u2' }))).toBe(true);
});

it('finds the traces of a Service, also after one was made anew for another', () => {
  const index = new TraceIndex();
  index.set('default/a', trace());
  index.set('default/b', trace());
  expect(index.keysOf('default', 'auth-service')).toEqual(['default/a', 'default/b']);
  expect(index.keysOf('other', 'auth-service')).toEqual([]);
  index.set('default/a', trace({ uid: 'u3', service: 'billing' }));
  expect(index.keysOf('default', 'auth-service')).toEqual(['default/b']);
  expect(index.keysOf('default', 'billing')).toEqual(['default/a']);
  index.delete('default/b');
  expect(index.keysOf('default', 'auth-service')).toEqual([]);
  expect(index.keys()).toEqual(['default/a']);
});

it.each([
  ['a new one', trace(), true],
  ['one that is suspended', trace({ suspend: true }), false],
  ['one that finished', trace({ ready: 'True' }), false],
  ['one that finished for an older spec', trace({ ready: 'True', generation: 2 }), true],
  ['one whose nodes did not answer', trace({ ready: 'False' }), true],
  ['one that watches', trace({ ready: 'True', mode: 'Watch' }), true],
])('knows whether a trace needs probes: %s', (_name, one, active) => {
  const index = new TraceIndex();
  index.set('default/a', one);
  expect(index.isAnyActive()).toBe(active);
  expect(index.isAnyActive('default/a')).toBe(false);
});
