import { describe, expect, it } from 'vitest';
import type { ConnectionRecord, WireConnectionEvent } from '../../core/wire/watch-records.ts';
import { ConnectionLog } from '../../engine/connection-log.ts';

const name = 'shop/auth';
const clock = { milliseconds: 70, uncertainty: 2 };
const event = (latest: number, more: Partial<WireConnectionEvent> = {}): WireConnectionEvent => ({
  kind: 'New',
  earliest: latest - 1,
  latest,
  count: 1,
  protocol: 'TCP',
  original: { source: '10.244.0.5', sourcePort: 40_000, destination: '10.96.0.7', destinationPort: 80 },
  reply: { source: '10.244.1.7', sourcePort: 8080, destination: '10.244.0.5', destinationPort: 40_000 },
  isAnswered: false,
  id: 7,
  ...more,
});
const connections = (events: WireConnectionEvent[], gaps: ConnectionRecord['gaps'] = []): ConnectionRecord => ({
  kind: 'connections',
  service: name,
  events,
  gaps,
});
const followed = { kind: 'connectionsFollowed', service: name, since: 500 } as const;

describe('ConnectionLog', () => {
  it('has what came of each node with its clock, and no client where only counts may be shown', () => {
    const log = new ConnectionLog();
    expect(log.records(name, 'Entries')).toBeUndefined();
    log.received('node-a', followed, clock, 1000);
    log.received('node-a', connections([event(600)], [{ earliest: 610, latest: 620, dropped: 4 }]), clock, 1001);
    expect(log.records(name, 'Entries')).toEqual({
      nodes: [{ node: 'node-a', since: 500, clock }],
      events: [{ node: 'node-a', clock, ...event(600) }],
      gaps: [{ node: 'node-a', clock, earliest: 610, latest: 620, dropped: 4 }],
    });
    const text = JSON.stringify(log.records(name, 'Summary'));
    expect(text).toContain('10.244.1.7');
    expect(text).not.toMatch(/10\.244\.0\.5|40000|"id"/);
    expect(log.changedAt(name)).toBe(1001);
  });

  it('has a gap where a watch was cut and goes on, and says meanwhile why nothing is known', () => {
    const log = new ConnectionLog();
    log.received('node-a', followed, undefined, 1000);
    log.received('node-a', connections([event(600)]), undefined, 1000);
    log.notFollowed('node-a', name, 'its stream broke', 1100);
    expect(log.records(name, 'Summary')?.nodes).toEqual([{ node: 'node-a', notFollowed: 'its stream broke' }]);
    log.received('node-a', { ...followed, since: 900 }, undefined, 1200);
    expect(log.records(name, 'Summary')).toMatchObject({
      nodes: [{ node: 'node-a', since: 900 }],
      gaps: [{ node: 'node-a', earliest: 600, latest: 900 }],
    });
    log.received('node-a', { kind: 'connectionsFollowed', service: name, problem: 'off' }, undefined, 1300);
    expect(log.records(name, 'Summary')?.nodes).toEqual([{ node: 'node-a', notFollowed: 'off' }]);
  });

  it('forgets what is older than any change that it counts for, and never has more than so many events', () => {
    const log = new ConnectionLog();
    const minute = 60_000;
    log.received('node-a', connections([event(1000)], [{ earliest: 1, latest: 2 }]), undefined, 1000);
    log.received('node-a', connections([event(12 * minute)]), undefined, 12 * minute);
    expect(log.records(name, 'Entries')).toMatchObject({ events: [{ latest: 12 * minute }], gaps: [] });
    const many = Array.from({ length: 20_000 }, (_, index) => event(12 * minute + index, { id: index }));
    log.received('node-a', connections(many), undefined, 13 * minute);
    const { events = [], gaps = [] } = log.records(name, 'Entries') ?? {};
    expect(events.length).toBeLessThanOrEqual(5000);
    expect(events.reduce((sum, { count }) => sum + count, 0)).toBe(20_001);
    expect(gaps).toEqual([]);
  });

  it('forgets a node that nobody follows any more, and with the last the Service', () => {
    const log = new ConnectionLog();
    log.received('node-a', connections([event(600)]), undefined, 1000);
    log.received('node-b', followed, undefined, 1000);
    log.forget('node-a', name);
    expect(log.records(name, 'Entries')).toEqual({ nodes: [{ node: 'node-b', since: 500 }], events: [], gaps: [] });
    log.forget('node-b', name);
    expect(log.records(name, 'Entries')).toBeUndefined();
  });
});
