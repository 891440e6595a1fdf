/** What is written at once where the EndpointSlices of a trace change that is shown as converged. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ChangeNotes } from '../../operator/change-notes.ts';
import type { ConvergedTrace } from '../../operator/trace-index.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-30T12:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

function world(refusal?: Error) {
  const written: string[] = [];
  let trace: ConvergedTrace | undefined = { uid: 'u1', generation: 3, at: 2 };
  const notes = new ChangeNotes({
    converged: () => trace,
    replaceTrueCondition: (key, uid, at, { type, status, reason, message, observedGeneration }) => {
      written.push([key, uid, at, type, status, reason, message, observedGeneration].join(' '));
      return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
    },
    onFailure: (key, error) => {
      written.push(`${key} failed: ${String(error)}`);
    },
  });
  const show = (now: ConvergedTrace | undefined): void => {
    trace = now;
  };
  return { notes, written, show };
}

const change = (resourceVersion: string) => ({ endpointSlice: 'auth-1', resourceVersion });

it('says at once that it is not known to be so any more, and which change that is', () => {
  const { notes, written } = world();
  notes.note('shop/a', change('7'));
  expect(written).toEqual([
    'shop/a u1 2 Converged False Syncing EndpointSlice auth-1 changed (resourceVersion 7); whether the rules of all nodes have it is being looked at 3',
  ]);
});

it('writes nothing of a trace that is not shown as converged, and the newest of many changes after a pause', async () => {
  const { notes, written, show } = world();
  for (const version of ['7', '8', '9']) notes.note('shop/a', change(version));
  expect(written).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(499);
  expect(written).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(written).toHaveLength(2);
  expect(written[1]).toContain('resourceVersion 9');
  show(undefined);
  notes.note('shop/a', change('10'));
  await vi.advanceTimersByTimeAsync(2000);
  notes.note('shop/a', change('11'));
  expect(written).toHaveLength(2);
});

it('reports what could not be written, and writes nothing after its end', async () => {
  const { notes, written } = world(new Error('busy'));
  notes.note('shop/a', change('7'));
  notes.note('shop/a', change('8'));
  notes.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(written).toHaveLength(2);
  expect(written[1]).toBe('shop/a failed: Error: busy');
});
