import { expect, it } from 'vitest';
import type { ServiceTraceStatus, SliceChangeStatus } from '../../../core/api/service-trace.ts';
import type { ConnectionEvent, ConnectionRecords } from '../../../core/convergence/connection-event.ts';
import { connectionEventsText, connectionText } from '../../../core/convergence/connection-text.ts';
import { changesBetween, changeText, connectionsBetween } from '../../../core/status/changes.ts';
import { connectionEventsStatus } from '../../../core/status/connection-events-status.ts';

const start = Date.parse('2026-11-30T12:00:00Z');
const event = (milliseconds: number, more: Partial<ConnectionEvent> = {}): ConnectionEvent => ({
  node: 'node-a',
  earliest: start + milliseconds,
  latest: start + milliseconds + 0.5,
  clock: { milliseconds: 1000, uncertainty: 1 },
  kind: 'New',
  count: 1,
  protocol: 'TCP',
  original: { source: '10.244.0.5', sourcePort: 40_112, destination: '10.96.0.7', destinationPort: 80 },
  reply: { source: '10.244.1.7', sourcePort: 8080, destination: '10.244.0.5', destinationPort: 40_112 },
  tcpState: 'SYN_SENT',
  isAnswered: false,
  ...more,
});
const records = (events: readonly ConnectionEvent[], more: Partial<ConnectionRecords> = {}): ConnectionRecords => ({
  nodes: [{ node: 'node-a', since: start }],
  events,
  gaps: [],
  ...more,
});
const shown = (all: ConnectionRecords) => connectionEventsStatus(all) ?? expect.fail('nothing is shown');

it('has the last events by the clock of the collector, what is missing, and the nodes that report none with the reason', () => {
  expect(connectionEventsStatus(undefined)).toBeUndefined();
  const older = 'the probe is older';
  const status = shown(
    records(
      Array.from({ length: 60 }, (_, index) => event(1000 + index)),
      {
        nodes: [
          { node: 'node-a', since: start },
          { node: 'node-b', notFollowed: older },
          { node: 'node-c', notFollowed: older },
        ],
        gaps: [{ node: 'node-a', earliest: start, latest: start + 400, dropped: 812 }],
      },
    ),
  );
  expect(status).toMatchObject({
    followedNodes: 1,
    notFollowed: [{ reason: older, count: 2, nodes: ['node-b', 'node-c'] }],
    gaps: [{ node: 'node-a', from: '2026-11-30T12:00:00.000Z', to: '2026-11-30T12:00:00.400Z', dropped: 812 }],
  });
  expect(status.recent).toHaveLength(50);
  expect(status.recent.at(-1)).toEqual({
    node: 'node-a',
    kind: 'New',
    earliest: '2026-11-30T12:00:00.058Z',
    latest: '2026-11-30T12:00:00.061Z',
    count: 1,
    protocol: 'TCP',
    client: '10.244.0.5',
    clientPort: 40_112,
    address: '10.96.0.7',
    port: 80,
    endpoint: '10.244.1.7',
    endpointPort: 8080,
    tcpState: 'SYN_SENT',
    isAnswered: false,
  });
  expect(connectionEventsText(status)).toBe(
    'connections are followed on 1 node; 812 events dropped; not on 2 nodes: the probe is older',
  );
});

it('says of each event what became of the connection', () => {
  const textOf = (more: Partial<ConnectionEvent>): string =>
    shown(records([event(0, more)]))
      .recent.map(connectionText)
      .join();
  expect(textOf({})).toBe('new tcp 10.244.0.5:40112 to 10.96.0.7:80, sent to 10.244.1.7:8080');
  const counted = { original: { destination: '10.96.0.7', destinationPort: 80 } };
  expect(textOf({ ...counted, count: 3, kind: 'Answered' })).toBe(
    '3 answered tcp 10.96.0.7:80, sent to 10.244.1.7:8080',
  );
  expect(textOf({ kind: 'Reset', isAnswered: true })).toMatch(/^reset tcp /);
  expect(textOf({ kind: 'Destroyed', tcpState: 'CLOSE' })).toMatch(/^refused tcp /);
  expect(textOf({ kind: 'Destroyed', tcpState: 'TIME_WAIT', isAnswered: true })).toMatch(/^gone \(TIME_WAIT\) tcp /);
  expect(textOf({ kind: 'Destroyed', protocol: 'UDP', isAnswered: false, tcpState: 'SYN_SENT' })).toMatch(
    /^gone \(SYN_SENT\), unanswered udp /,
  );
});

const change: SliceChangeStatus = {
  endpointSlice: 'auth-1',
  resourceVersion: '7',
  earliest: '2026-11-30T12:00:00Z',
  latest: '2026-11-30T12:00:00Z',
  endpoints: [],
  expected: [],
  lag: { nodes: 0, arrived: 0, pending: 0, neverArrived: 0, unseen: 0 },
  nodes: [],
  omittedNodes: 0,
};
const statusOf = (opened: number, all: ConnectionRecords): ServiceTraceStatus => ({
  collectedAt: '2026-11-30T12:00:05Z',
  nodes: [],
  convergence: {
    changes: [
      {
        ...change,
        connections: [
          {
            node: 'node-a',
            protocol: 'TCP',
            address: '10.244.1.7',
            port: 8080,
            opened,
            unanswered: 0,
            reset: 0,
            isComplete: true,
          },
        ],
      },
    ],
  },
  connectionEvents: shown(all),
});

it('is a change where new connections went to an endpoint that is gone, and where events are missing', () => {
  const gap = { node: 'node-a', earliest: start, latest: start + 400 };
  const changes = changesBetween(statusOf(2, records([])), statusOf(5, records([], { gaps: [gap] })));
  expect(changes.map((each) => [each.kind, each.severity, changeText(each)])).toEqual([
    ['flow', 'bad', 'node-a: 3 new connections to 10.244.1.7:8080 after it stopped being ready'],
    ['flow', 'neutral', 'node-a: an unknown number of events of connections dropped'],
  ]);
  const same = statusOf(5, records([event(1)], { gaps: [gap] }));
  expect(changesBetween(same, same)).toEqual([]);
});

it('is a line of --watch for each connection that the status before did not have, where clients are shown', () => {
  const events = Array.from({ length: 3 }, (_, index) => event(index, { id: index }));
  const [before, after] = [statusOf(0, records(events.slice(0, 1))), statusOf(0, records(events))];
  expect(connectionsBetween(before, after).map(({ text }) => text)).toEqual([
    'new tcp 10.244.0.5:40112 to 10.96.0.7:80, sent to 10.244.1.7:8080',
    'new tcp 10.244.0.5:40112 to 10.96.0.7:80, sent to 10.244.1.7:8080',
  ]);
  expect(connectionsBetween(after, after)).toEqual([]);
  // None of those before is listed any more: there may have been others in between.
  expect(connectionsBetween(before, statusOf(0, records(events.slice(1)))).map(({ text }) => text)[0]).toBe(
    'more connections than are listed',
  );
  const counted = records([event(9, { original: { destination: '10.96.0.7', destinationPort: 80 } })]);
  expect(connectionsBetween(before, statusOf(0, counted))).toEqual([]);
});
