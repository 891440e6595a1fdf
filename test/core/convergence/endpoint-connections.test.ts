import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SliceChangeStatus } from '../../../core/api/service-trace.ts';
import type { ConnectionEvent, ConnectionRecords } from '../../../core/convergence/connection-event.ts';
import {
  countedMilliseconds,
  endpointConnections as connectionsAt,
  withBoundedConnections,
  type ConntrackReading,
} from '../../../core/convergence/endpoint-connections.ts';

/** A while after the change. */
const endpointConnections = (input: Omit<Parameters<typeof connectionsAt>[0], 'now'>) =>
  connectionsAt({ ...input, now: start + 6000 });
const start = Date.parse('2026-11-30T12:00:00Z');
const at = (milliseconds: number): string => new Date(start + milliseconds).toISOString();
const target = { protocol: 'TCP' as const, address: '10.244.1.7', port: 8080 };

function changeOf(more: Partial<SliceChangeStatus> = {}): SliceChangeStatus {
  return {
    endpointSlice: 'auth-service-1',
    resourceVersion: '100',
    earliest: at(0),
    latest: at(5),
    endpoints: [
      {
        address: target.address,
        change: 'Changed',
        was: { ready: true, serving: true, terminating: false },
        is: { ready: false, serving: true, terminating: true },
      },
    ],
    expected: [{ targets: [{ ...target, present: false }] }],
    lag: { nodes: 1, arrived: 0, pending: 1, neverArrived: 0, unseen: 0 },
    nodes: [],
    omittedNodes: 0,
    ...more,
  };
}

function event(
  kind: ConnectionEvent['kind'],
  milliseconds: number,
  more: Partial<ConnectionEvent> = {},
): ConnectionEvent {
  return {
    node: 'node-a',
    earliest: start + milliseconds,
    latest: start + milliseconds + 1,
    kind,
    count: 1,
    protocol: 'TCP',
    original: { destination: '10.96.0.7', destinationPort: 80 },
    reply: { source: target.address, sourcePort: target.port },
    isAnswered: kind !== 'New',
    ...more,
  };
}

const records = (events: readonly ConnectionEvent[], more: Partial<ConnectionRecords> = {}): ConnectionRecords => ({
  nodes: [{ node: 'node-a', since: start - 60_000 }],
  events,
  gaps: [],
  ...more,
});

function reading(entries: number, milliseconds: number): ConntrackReading {
  return {
    node: 'node-a',
    readAt: start + milliseconds,
    entries: [{ protocol: 'tcp', address: target.address, port: target.port, entries }],
  };
}

describe('endpointConnections', () => {
  it('counts what was opened after the change, what was not answered and what was reset, and says the last time', () => {
    const events = [
      event('New', -50),
      // Perhaps before the API server had the change.
      event('New', 4),
      event('New', 10),
      event('Answered', 11),
      event('New', 20),
      event('New', 30, { count: 3 }),
      event('Destroyed', 32, { tcpState: 'CLOSE', isAnswered: false, count: 2 }),
      event('Reset', 40, { tcpState: 'CLOSE' }),
      // Elsewhere: another endpoint, another port, another protocol.
      event('New', 50, { reply: { source: '10.244.1.8', sourcePort: 8080 } }),
      event('New', 50, { reply: { source: target.address, sourcePort: 9090 } }),
      event('New', 50, { protocol: 'UDP' }),
    ];
    expect(
      endpointConnections({ change: changeOf(), later: [], records: records(events), readings: [reading(4, 100)] }),
    ).toEqual([
      {
        node: 'node-a',
        ...target,
        opened: 5,
        unanswered: 2,
        reset: 3,
        lastOpened: at(31),
        kept: 4,
        isComplete: true,
      },
    ]);
  });

  it('says when the last entry went, by its event or by the reading that found none', () => {
    const gone = endpointConnections({
      change: changeOf(),
      later: [],
      records: records([event('Destroyed', 900, { tcpState: 'TIME_WAIT' })]),
      readings: [reading(0, 1000)],
    });
    expect(gone).toMatchObject([{ opened: 0, kept: 0, keptUntil: at(901), isComplete: true }]);
    const kept = endpointConnections({
      change: changeOf(),
      later: [],
      records: records([]),
      readings: [reading(2, 1000)],
    });
    expect(kept).toMatchObject([{ kept: 2 }]);
    expect(kept?.[0]).not.toHaveProperty('keptUntil');
    const without = endpointConnections({
      change: changeOf({ connections: kept ?? [] }),
      later: [],
      records: records([]),
      readings: [reading(0, 2000)],
    });
    expect(without).toMatchObject([{ kept: 0, keptUntil: at(2000) }]);
  });

  it('does not say what conntrack keeps before it was read after the change', () => {
    const [row] =
      endpointConnections({
        change: changeOf(),
        later: [],
        records: records([event('New', 10)]),
        readings: [reading(7, -10)],
      }) ?? [];
    expect(row).toMatchObject({ opened: 1 });
    expect(row).not.toHaveProperty('kept');
  });

  it('is not complete where events were dropped after the change, or where the node is followed since then only', () => {
    const gap = { node: 'node-a', earliest: start + 10, latest: start + 20, dropped: 7 };
    const of = (more: Partial<ConnectionRecords>) =>
      endpointConnections({ change: changeOf(), later: [], records: records([], more), readings: [] });
    expect(of({ gaps: [gap] })).toMatchObject([{ opened: 0, isComplete: false }]);
    expect(of({ gaps: [{ ...gap, earliest: start - 20, latest: start - 10 }] })).toBeUndefined();
    expect(of({ gaps: [{ ...gap, node: 'node-b' }] })).toBeUndefined();
    expect(of({ nodes: [{ node: 'node-a', since: start + 1 }] })).toMatchObject([{ isComplete: false }]);
    expect(of({ nodes: [{ node: 'node-a', notFollowed: 'its probe is older' }] })).toBeUndefined();
  });

  it('takes the bounds of the clock: what may have been before the change is not counted', () => {
    const clock = { milliseconds: 1000, uncertainty: 3 };
    const of = (milliseconds: number) =>
      endpointConnections({
        change: changeOf(),
        later: [],
        records: records([event('New', milliseconds, { clock })]),
        readings: [],
      });
    expect(of(1007)).toBeUndefined();
    expect(of(1008)).toMatchObject([{ opened: 1, lastOpened: at(12) }]);
  });

  it('ends where a later change sends packets there again', () => {
    const back = changeOf({
      resourceVersion: '101',
      earliest: at(100),
      latest: at(101),
      expected: [{ targets: [{ ...target, present: true }] }],
    });
    const rows = endpointConnections({
      change: changeOf(),
      later: [back],
      records: records([event('New', 50), event('New', 150)]),
      readings: [reading(9, 200)],
    });
    expect(rows).toMatchObject([{ opened: 1, lastOpened: at(51) }]);
    expect(rows?.[0]).not.toHaveProperty('kept');
  });

  it('has no rows for an endpoint that was only added, or that hints took from a node', () => {
    const input = { later: [], records: records([event('New', 50)]), readings: [] };
    const added = changeOf({
      endpoints: [{ address: target.address, change: 'Added', is: { ready: true, serving: true, terminating: false } }],
    });
    expect(endpointConnections({ change: added, ...input })).toBeUndefined();
    const ready = { ready: true, serving: true, terminating: false };
    const hinted = changeOf({ endpoints: [{ address: target.address, change: 'Changed', was: ready, is: ready }] });
    expect(endpointConnections({ change: hinted, ...input })).toBeUndefined();
  });

  it('counts for ten minutes after the change, and keeps what was counted then when the events are forgotten', () => {
    const events = [event('New', 10), event('New', countedMilliseconds + 10)];
    const later = { later: [], readings: [], now: start + countedMilliseconds + 1000 };
    const first = connectionsAt({ change: changeOf(), records: records(events), ...later });
    expect(first).toMatchObject([{ opened: 1, lastOpened: at(11), isComplete: true }]);
    const again = changeOf({ connections: first ?? [] });
    expect(connectionsAt({ change: again, records: records([]), ...later })).toEqual(first);
  });

  it('gives the same again, in whatever order the events came, and keeps what was counted when they are forgotten', () => {
    const anyEvent = fc.record({
      kind: fc.constantFrom<ConnectionEvent['kind'][]>('New', 'Answered', 'Reset', 'Destroyed'),
      milliseconds: fc.integer({ min: -1000, max: 5000 }),
      count: fc.integer({ min: 1, max: 9 }),
      isAnswered: fc.boolean(),
      tcpState: fc.constantFrom<ConnectionEvent['tcpState'][]>('CLOSE', 'TIME_WAIT', undefined),
    });
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 30 }), fc.integer({ min: 0, max: 30 }), (all, forgotten) => {
        const events = all.map(({ kind, milliseconds, tcpState, ...more }) =>
          event(kind, milliseconds, { ...more, ...(tcpState === undefined ? {} : { tcpState }) }),
        );
        const readings = [reading(3, 6000)];
        const first = endpointConnections({ change: changeOf(), later: [], records: records(events), readings });
        const opened = events
          .filter(({ kind, earliest }) => kind === 'New' && earliest >= start + 5)
          .reduce((sum, { count }) => sum + count, 0);
        expect(first?.[0]?.opened).toBe(opened);
        const again = changeOf({ connections: first ?? [] });
        expect(
          endpointConnections({ change: again, later: [], records: records([...events].reverse()), readings }),
        ).toEqual(first);
        // The oldest events are no longer known, and the log says so.
        const left = records(events.slice(forgotten), {
          gaps: [{ node: 'node-a', earliest: start, latest: start + 5000 }],
        });
        const [later] = endpointConnections({ change: again, later: [], records: left, readings }) ?? [];
        expect(later).toMatchObject({ opened: first?.[0]?.opened, reset: first?.[0]?.reset, isComplete: false });
        expect(later?.lastOpened).toBe(first?.[0]?.lastOpened);
      }),
    );
  });
});

it('keeps the rows with the most connections, of the newest changes first, and counts the others', () => {
  const rows = Array.from({ length: 250 }, (_, index) => ({
    node: `node-${String(index)}`,
    ...target,
    opened: 250 - index,
    unanswered: 0,
    reset: 0,
    isComplete: true,
  }));
  const changes = withBoundedConnections(Array.from({ length: 5 }, () => changeOf({ connections: rows })));
  expect(changes.map(({ connections = [] }) => connections.length)).toEqual([0, 0, 100, 100, 100]);
  expect(changes.map(({ omittedConnections }) => omittedConnections)).toEqual([250, 250, 150, 150, 150]);
  expect(changes[4]?.connections?.[0]?.node).toBe('node-0');
});
