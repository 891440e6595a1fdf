import { describe, expect, it } from 'vitest';
import type { ServiceTrace, SliceChangeStatus } from '../../../core/api/service-trace.ts';
import { beginFollowing, withStatus, type FollowedChanges } from '../../../core/rollout/followed-changes.ts';
import { arrived, change, pending, serving } from '../../support/rollout-changes.ts';

function trace(changes: readonly SliceChangeStatus[], omittedChanges = 0, uid = 'uid-1'): ServiceTrace {
  return {
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: { name: 'auth', namespace: 'shop', uid },
    spec: { serviceRef: { name: 'auth-service' } },
    status: {
      convergence: {
        convergedNodes: 1,
        totalNodes: 1,
        resourceVersion: changes.at(-1)?.resourceVersion ?? '100',
        omittedChanges,
        changes: [...changes],
      },
    },
  };
}

function numbered(version: number, node = arrived('node-a', 10)): SliceChangeStatus {
  return change({ version, earliest: version, address: '10.0.0.1', is: serving, present: true, nodes: [node] });
}

function follow(...traces: readonly [ServiceTrace, ...ServiceTrace[]]): FollowedChanges {
  const [first, ...rest] = traces;
  const begun = beginFollowing(first);
  if (begun === undefined) throw new Error('the trace knows no EndpointSlices');
  return rest.reduce(withStatus, begun);
}

const versionsOf = ({ changes }: FollowedChanges): string[] =>
  [...changes.values()].map(({ resourceVersion }) => resourceVersion);

describe('the changes of a rollout', () => {
  it('are those that came after its beginning, however many a status keeps', () => {
    const all = Array.from({ length: 60 }, (_, index) => numbered(101 + index));
    const statuses = all.map((_, index) =>
      trace([numbered(99), ...all.slice(0, index + 1)].slice(-20), Math.max(0, index + 2 - 20)),
    );
    const followed = follow(trace([numbered(99)]), ...statuses);
    expect(versionsOf(followed)).toEqual(all.map(({ resourceVersion }) => resourceVersion));
    expect(followed).toMatchObject({ since: '99', lost: 0, isReplaced: false });
  });

  it('are counted where they came and went between two results', () => {
    const followed = follow(trace([]), trace([numbered(101)]), trace([numbered(140), numbered(141)], 9));
    expect(versionsOf(followed)).toEqual(['101', '140', '141']);
    expect(followed.lost).toBe(8);
    // A trace that leaves more out later has lost nothing that was seen.
    expect(withStatus(followed, trace([numbered(141)], 10)).lost).toBe(8);
  });

  it('have what is known last, and of what a status no longer has, what it had', () => {
    const first = numbered(101, pending('node-a'));
    const both = { ...first, nodes: [pending('node-a'), arrived('node-b', 7)], lag: { ...first.lag, nodes: 2 } };
    const cut: SliceChangeStatus = {
      ...both,
      expected: [],
      endpoints: [],
      omittedEndpoints: 1,
      nodes: [arrived('node-a', 30)],
      omittedNodes: 1,
    };
    const [only] = [...follow(trace([]), trace([both]), trace([cut])).changes.values()];
    expect(only).toMatchObject({
      expected: both.expected,
      endpoints: both.endpoints,
      nodes: [arrived('node-a', 30), arrived('node-b', 7)],
    });
    expect(only?.omittedEndpoints).toBeUndefined();
  });

  it('are not known as a whole where another trace takes the place of the first', () => {
    const followed = follow(trace([]), trace([numbered(101)]), trace([numbered(130)], 0, 'uid-2'));
    expect(followed).toMatchObject({ isReplaced: true, lost: 0 });
    expect(versionsOf(followed)).toEqual(['101', '130']);
    expect(withStatus(followed, trace([numbered(131)], 3, 'uid-2')).lost).toBe(2);
  });

  it('cannot be followed before the trace knows the EndpointSlices', () => {
    expect(beginFollowing({ ...trace([]), status: {} })).toBeUndefined();
  });
});
