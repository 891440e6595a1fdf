import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LeadershipLostError } from '../../operator/leadership.ts';
import { TraceEvents, type EventStore, type TraceEvent } from '../../operator/trace-events.ts';
import { logTo } from '../support/log-lines.ts';

const subject = { metadata: { namespace: 'shop', name: 'auth', uid: 'u1' } };
const minute = 60_000;

let created: TraceEvent[];
let updated: string[];
let logged: string[];
let isThere: boolean;
let mayWrite: boolean;
let refusal: Error | undefined;
let events: TraceEvents;

const store: EventStore = {
  create: async (event) => {
    if (refusal !== undefined) throw refusal;
    created.push(event);
  },
  updateSeries: async ({ reason }, { count }) => {
    updated.push(`${reason} ${String(count)}`);
    return isThere;
  },
};

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-30T12:00:00Z') });
  [created, updated, logged] = [[], [], []];
  [isThere, mayWrite, refusal] = [true, true, undefined];
  events = new TraceEvents({
    store,
    log: logTo((line) => logged.push(line)),
    assertMayWrite: () => {
      if (!mayWrite) throw new LeadershipLostError('another operator may be working: nothing is written');
    },
  });
});
afterEach(() => {
  events.stop();
  vi.useRealTimers();
});

describe('Events of a trace', () => {
  it('are one for each type and reason, and of each trace its own', async () => {
    await events.record(subject, 'Normal', 'Collected', 'all of it');
    await events.record(subject, 'Warning', 'NodesDidNotAnswer', 'node-a');
    await events.record({ metadata: { ...subject.metadata, uid: 'u2' } }, 'Normal', 'Collected', 'recreated');
    expect(created.map(({ type, reason, note, series }) => ({ type, reason, note, series }))).toEqual([
      { type: 'Normal', reason: 'Collected', note: 'all of it', series: undefined },
      { type: 'Warning', reason: 'NodesDidNotAnswer', note: 'node-a', series: undefined },
      { type: 'Normal', reason: 'Collected', note: 'recreated', series: undefined },
    ]);
    expect(new Set(created.map(({ name }) => name)).size).toBe(3);
  });

  it('count in a series what happens again: 1,000 times are three writes', async () => {
    for (let times = 0; times < 1000; times += 1) {
      await events.record(subject, 'Warning', 'NodesDidNotAnswer', String(times));
      vi.setSystemTime(Date.now() + 100);
    }
    expect(created).toHaveLength(1);
    expect(updated).toEqual(['NodesDidNotAnswer 2']);
    await vi.advanceTimersByTimeAsync(7 * minute);
    expect(updated).toEqual(['NodesDidNotAnswer 2', 'NodesDidNotAnswer 1000']);
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(updated).toHaveLength(2);
  });

  it('are renewed every half hour where a series goes on', async () => {
    for (let minutes = 0; minutes <= 62; minutes += 1) {
      await events.record(subject, 'Warning', 'NodesDidNotAnswer', '');
      await vi.advanceTimersByTimeAsync(minute);
    }
    expect(created).toHaveLength(1);
    expect(updated.length).toBe(3);
  });

  it('begin anew after six minutes without', async () => {
    await events.record(subject, 'Normal', 'Collected', '');
    await vi.advanceTimersByTimeAsync(6 * minute);
    await events.record(subject, 'Normal', 'Collected', '');
    expect(created).toHaveLength(2);
    expect(updated).toEqual([]);
  });

  it('are made again where the API server has let the first one go', async () => {
    await events.record(subject, 'Normal', 'Collected', '');
    isThere = false;
    await events.record(subject, 'Normal', 'Collected', '');
    expect(created.at(-1)).toMatchObject({ series: { count: 2 } });
  });

  it('are known of 1,000 traces at most, and each is reported all the same', async () => {
    for (let index = 0; index < 1500; index += 1)
      await events.record({ metadata: { namespace: 'shop', name: `a-${String(index)}` } }, 'Normal', 'Collected', '');
    await events.record({ metadata: { namespace: 'shop', name: 'a-0' } }, 'Normal', 'Collected', '');
    await events.record({ metadata: { namespace: 'shop', name: 'a-1499' } }, 'Normal', 'Collected', '');
    expect(created).toHaveLength(1501);
    expect(updated).toEqual(['Collected 2']);
  });

  it('are none of an operator that lost its Lease, also not of what it has counted', async () => {
    await events.record(subject, 'Normal', 'Collected', '');
    await events.record(subject, 'Normal', 'Collected', '');
    await events.record(subject, 'Normal', 'Collected', '');
    expect([created.length, updated.length]).toEqual([1, 1]);
    mayWrite = false;
    await events.record(subject, 'Warning', 'NodesDidNotAnswer', '');
    await vi.advanceTimersByTimeAsync(10 * minute);
    expect([created.length, updated.length]).toEqual([1, 1]);
    expect(logged[0]).toBe(
      'shop/auth: no Event NodesDidNotAnswer: another operator may be working: nothing is written',
    );
  });

  it('are none after the end', async () => {
    await events.record(subject, 'Normal', 'Collected', '');
    await events.record(subject, 'Normal', 'Collected', '');
    await events.record(subject, 'Normal', 'Collected', '');
    events.stop();
    await vi.advanceTimersByTimeAsync(10 * minute);
    expect(updated).toEqual(['Collected 2']);
  });

  it('that the API server refuses hold up nothing', async () => {
    refusal = new Error('no');
    await events.record(subject, 'Normal', 'Collected', '');
    expect(logged).toEqual(['shop/auth: no Event Collected: no']);
  });

  it('have a note of 1,024 bytes and a name of 253 characters at most, as the API server wants them', async () => {
    await events.record(
      { metadata: { namespace: 'shop', name: `${'a'.repeat(238)}-.${'b'.repeat(13)}` } },
      'Warning',
      'CollectionFailed',
      'ü€😀'.repeat(200),
    );
    const { note = '', name = '' } = created[0] ?? {};
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(Buffer.byteLength(note)).toBeGreaterThan(1020);
    expect(note).not.toContain('\ufffd');
    expect(name.length).toBeLessThanOrEqual(253);
    // RFC 1123 subdomain.
    expect(name).toMatch(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/);
  });
});
