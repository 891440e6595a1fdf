import { describe, expect, it } from 'vitest';
import { connectionFollowing, connectionsOn } from '../../../core/rollout/connections.ts';
import { nodeA } from '../../support/example-trace.ts';
import { arrived, change, serving } from '../../support/rollout-changes.ts';

const address = 'fd00:0:0::7';
const gone = change({
  version: 101,
  earliest: 0,
  address,
  was: serving,
  present: false,
  nodes: [arrived('node-a', 1)],
});
const row = { node: 'node-a', protocol: 'TCP', address: 'fd00::7', isComplete: true } as const;

type Status = Parameters<typeof connectionFollowing>[0];

function following(
  events: Partial<NonNullable<Status['connectionEvents']>>,
  count = 3,
): ReturnType<typeof connectionFollowing> {
  const nodes = Array.from({ length: count }, (_, index) => ({ ...nodeA, name: `node-${String(index)}` }));
  return connectionFollowing({
    nodes: [...nodes, { ...nodeA, name: 'away', probe: { state: 'Failed' } }],
    connectionEvents: { followedNodes: 3, notFollowed: [], gaps: [], recent: [], ...events },
  });
}

describe('the connections to an endpoint that went', () => {
  it('are none where the node follows them and reports none', () => {
    expect(connectionsOn('node-a', address, gone, following({}))).toEqual({
      opened: 0,
      unanswered: 0,
      reset: 0,
      isComplete: true,
    });
  });

  it('are summed over its ports, whatever way its address is written', () => {
    const rows = [
      { ...row, port: 80, opened: 2, unanswered: 1, reset: 0, kept: 3, lastOpened: '2026-11-30T12:00:01Z' },
      { ...row, port: 81, opened: 4, unanswered: 0, reset: 1, lastOpened: '2026-11-30T12:00:02.5Z' },
      { ...row, port: 80, node: 'node-b', opened: 9, unanswered: 9, reset: 9 },
    ];
    expect(connectionsOn('node-a', address, { ...gone, connections: rows }, following({}))).toEqual({
      opened: 6,
      unanswered: 1,
      reset: 1,
      kept: 3,
      lastOpened: '2026-11-30T12:00:02.5Z',
      isComplete: true,
    });
  });

  it('are unknown on a node that does not follow them, and on each where not all are named', () => {
    const named = { reason: 'its probe is older', count: 1, nodes: ['node-a'] };
    expect(
      connectionsOn('node-a', address, gone, following({ followedNodes: 2, notFollowed: [named] })),
    ).toBeUndefined();
    expect(connectionsOn('node-b', address, gone, following({ followedNodes: 2, notFollowed: [named] }))).toBeDefined();
    const many = { ...named, count: 60 };
    expect(
      connectionsOn('node-b', address, gone, following({ followedNodes: 2, notFollowed: [many] }, 62)),
    ).toBeUndefined();
    expect(connectionsOn('node-b', address, gone, following({ followedNodes: 2 }))).toBeUndefined();
    expect(connectionFollowing({})).toBeUndefined();
    expect(connectionsOn('node-a', address, gone, undefined)).toBeUndefined();
  });

  it('are a lower bound where events were dropped, or rows left out', () => {
    const counts = { ...row, port: 80, opened: 1, unanswered: 0, reset: 0 };
    const dropped = { ...gone, connections: [{ ...counts, isComplete: false }] };
    expect(connectionsOn('node-a', address, dropped, following({}))?.isComplete).toBe(false);
    const omitted = { ...gone, connections: [counts], omittedConnections: 2 };
    expect(connectionsOn('node-a', address, omitted, following({}))?.isComplete).toBe(false);
    // What was seen stays, though the node has stopped to follow.
    expect(connectionsOn('node-a', address, { ...gone, connections: [counts] }, undefined)).toMatchObject({
      opened: 1,
      isComplete: false,
    });
  });
});
