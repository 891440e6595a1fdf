import { expect, it } from 'vitest';
import { TraceIndex, type IndexedTrace } from '../../operator/trace-index.ts';

function trace(
  change: {
    uid?: string;
    generation?: number;
    mode?: string;
    suspend?: boolean;
    ready?: string;
    service?: string;
  } = {},
): IndexedTrace {
  return {
    metadata: { namespace: 'default', uid: change.uid ?? 'u1', generation: change.generation ?? 1 },
    spec: {
      serviceRef: { name: change.service ?? 'auth-service' },
      mode: change.mode ?? 'Once',
      suspend: change.suspend,
    },
    ...(change.ready === undefined
      ? {}
      : { status: { observedGeneration: 1, conditions: [{ type: 'Ready', status: change.ready }] } }),
  };
}

it('knows what there is to do: a new trace, another spec, another object of that name; not a written status', () => {
  const index = new TraceIndex();
  expect(index.set('default/a', trace())).toBe(true);
  expect(index.set('default/a', trace())).toBe(false);
  expect(index.set('default/a', trace({ ready: 'True' }))).toBe(false);
  expect(index.set('default/a', trace({ generation: 2 }))).toBe(true);
  expect(index.set('default/a', trace({ generation: 2, uid: 'u2' }))).toBe(true);
  index.delete('default/a');
  expect(index.set('default/a', trace({ generation: 2, uid: 'u2' }))).toBe(true);
});

it('finds the traces of a Service, also after one was recreated for another', () => {
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
  expect(index.keysOf('default', 'billing')).toEqual(['default/a']);
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

it('counts the older traces of mode Watch of a namespace, those that are suspended or gone left out', () => {
  const index = new TraceIndex();
  const watch = (name: string, seconds: number, extra: { suspend?: boolean; namespace?: string } = {}): void => {
    const { suspend, namespace = 'shop' } = extra;
    index.set(`${namespace}/${name}`, {
      spec: { serviceRef: { name }, mode: 'Watch', suspend },
      metadata: { namespace, uid: name, generation: 1, creationTimestamp: new Date(seconds * 1000).toISOString() },
    });
  };
  watch('c', 3);
  watch('a', 1);
  watch('b', 2);
  watch('other', 0, { namespace: 'other' });
  expect(['a', 'b', 'c'].map((name) => index.watchesBefore(`shop/${name}`))).toEqual([0, 1, 2]);
  watch('a', 1, { suspend: true });
  expect(['b', 'c'].map((name) => index.watchesBefore(`shop/${name}`))).toEqual([0, 1]);
  index.delete('shop/b');
  expect(index.watchesBefore('shop/c')).toBe(0);
  expect(index.watchesOf('shop')).toEqual(['shop/c']);
  expect([index.isWatch('shop/a'), index.isWatch('shop/c')]).toEqual([false, true]);
  // The time of one second has two spellings.
  index.set('shop/d', {
    spec: { serviceRef: { name: 'd' }, mode: 'Watch' },
    metadata: { namespace: 'shop', uid: 'd', generation: 1, creationTimestamp: '1970-01-01T00:00:03Z' },
  });
  expect([index.watchesBefore('shop/c'), index.watchesBefore('shop/d')]).toEqual([0, 1]);
});

it('knows where the condition is that says that a watched trace has converged, while it is True', () => {
  const index = new TraceIndex();
  const watched = trace({ mode: 'Watch' });
  const shown = (converged: string): IndexedTrace => ({
    ...watched,
    status: {
      observedGeneration: 1,
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'Converged', status: converged },
      ],
    },
  });
  index.set('default/a', watched);
  expect(index.converged('default/a')).toBeUndefined();
  index.set('default/a', shown('True'));
  expect(index.converged('default/a')).toEqual({ uid: 'u1', generation: 1, at: 1 });
  index.set('default/a', shown('False'));
  expect(index.converged('default/a')).toBeUndefined();
  index.set('default/a', { ...shown('True'), spec: { ...watched.spec, mode: 'Once' } });
  expect(index.converged('default/a')).toBeUndefined();
  expect(index.converged('default/b')).toBeUndefined();
});
