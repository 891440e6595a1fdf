/** When a trace has come to a result, of what the operator writes while it collects. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isComplete } from '../../../cmd/sources/source.ts';
import { progressStatus } from '../../../core/status/progress.ts';
import { parseBundle } from '../../../core/wire/bundle.ts';

const auth = parseBundle(readFileSync(new URL('../../fixtures/auth-service.svctrace', import.meta.url), 'utf8'));

it('has no result before the answers are compared, though every node has answered or failed', () => {
  const status = progressStatus({
    generation: 3,
    desired: auth.desired,
    answers: [
      ...auth.answers,
      { node: 'node-x', state: 'Failed', reason: 'NodeNotReady', message: 'the node is not ready' },
    ],
    previous: undefined,
    now: auth.recordedAt,
  });
  expect(status.conditions).toEqual(
    expect.arrayContaining([expect.objectContaining({ type: 'Ready', status: 'Unknown', reason: 'Collecting' })]),
  );
  expect(
    isComplete({
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { name: 'auth', generation: 3 },
      spec: auth.spec,
      status,
    }),
  ).toBe(false);
});
