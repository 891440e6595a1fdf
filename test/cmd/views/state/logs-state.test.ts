import { describe, expect, it } from 'vitest';
import type { LogLine } from '../../../../cmd/logs/merge.ts';
import {
  cursorOf,
  initialState,
  reduceLive,
  type LiveAction,
  type LiveState,
} from '../../../../cmd/views/state/live-state.ts';
import { openedLogs, reduceLogs, type LogsEvent } from '../../../../cmd/views/state/logs-state.ts';

const line = (text: string, from = 'auth-1/app'): LogLine => ({ from, time: '2026-11-24T10:00:01Z', text });
const given = (...lines: LogLine[]): LiveAction => ({ type: 'logs', event: { kind: 'lines', lines } });
const run = (...actions: LiveAction[]): LiveState =>
  actions.reduce(reduceLive, initialState({ kind: 'operator' }, 0, { view: 'logs' }));
const numbered = (from: number, to: number): LogLine[] =>
  Array.from({ length: to - from }, (_, index) => line(`line ${String(from + index)}`));

describe('logs', () => {
  it('are closed until their view is shown', () => {
    const closed = initialState({ kind: 'operator' }, 0);
    expect(closed.logs).toBeUndefined();
    expect(reduceLive(closed, { type: 'show', view: 'logs' }).logs).toEqual(openedLogs);
    expect(reduceLive(closed, { type: 'turn', by: -1 }).logs).toEqual(openedLogs);
    expect(run().logs).toEqual(openedLogs);
  });

  it('are a bounded number of bounded lines', () => {
    const first = reduceLogs(openedLogs, { kind: 'lines', lines: numbered(0, 4000) });
    const second = reduceLogs(first, { kind: 'lines', lines: numbered(4000, 8000) });
    expect(second.lines).toHaveLength(5000);
    expect(second.lines.at(-1)?.text).toBe('line 7999');
    expect(second.lines[0]?.text).toBe('line 3000');
    expect(second.left).toBe(3000);
    expect(reduceLogs(openedLogs, { kind: 'lines', lines: [line('x'.repeat(1500))] }).lines[0]?.text).toBe(
      `${'x'.repeat(1000)}… (500 more characters)`,
    );
  });

  it('do not reach the terminal with their control characters', () => {
    const [shown] = reduceLogs(openedLogs, {
      kind: 'lines',
      lines: [line('\u001b[31mred\u001b[0m\u001b[2J\tand\u0007 \u0008more\r')],
    }).lines;
    expect(shown?.text).toBe('red    and more');
  });

  it('follow the newest line until the user looks at an older one', () => {
    const tailing = run(given(line('a'), line('b'), line('c')));
    expect(cursorOf(tailing)).toBe(Infinity);
    const up = reduceLive(tailing, { type: 'moveCursor', by: -1, last: 2 });
    expect(cursorOf(up)).toBe(1);
    expect(cursorOf(reduceLive(up, given(line('d'))))).toBe(1);
    expect(cursorOf(reduceLive(up, { type: 'moveCursor', by: 1, last: 2 }))).toBe(2);
    expect(cursorOf(reduceLive(up, { type: 'setTail', isOn: true, last: 2 }))).toBe(Infinity);
    expect(cursorOf(reduceLive(tailing, { type: 'setTail', isOn: false, last: 2 }))).toBe(2);
  });

  it('keep the cursor on its line while older ones leave, whatever is filtered', () => {
    const full = run(given(...numbered(0, 5000)), { type: 'setCursor', row: 4000 });
    expect(cursorOf(reduceLive(full, given(...numbered(5000, 5100))))).toBe(3900);
    const filtered = run(
      given(...numbered(0, 5000)),
      { type: 'openInput', kind: 'filter' },
      { type: 'type', text: '7' },
      { type: 'closeInput', isKept: true },
      { type: 'setCursor', row: 500 },
    );
    // Of the first 100 lines, 19 have a 7.
    expect(cursorOf(reduceLive(filtered, given(...numbered(5000, 5100))))).toBe(481);
  });

  it('say that there is no pod only while there is none', () => {
    const pods = (count: number): LogsEvent => ({ kind: 'pods', pods: count, waiting: [], none: 'There is no pod.' });
    const none = reduceLogs(reduceLogs(openedLogs, pods(1)), pods(0));
    expect(none.notice).toBe('There is no pod. Waiting for one.');
    // A change of a pod is not a line of a log.
    expect(reduceLogs(none, { kind: 'lines', lines: [{ ...line('the pod is gone'), news: 'good' }] }).notice).toBe(
      'There is no pod. Waiting for one.',
    );
    expect(reduceLogs(none, pods(1)).notice).toBeUndefined();
  });

  it('are tried again where they failed, and only there', () => {
    const going = run(given(line('a')));
    expect(reduceLive(going, { type: 'logs', event: { kind: 'retried' } }).logs).toBe(going.logs);
    const failed = reduceLive(going, { type: 'logs', event: { kind: 'failed', reason: 'forbidden' } });
    expect(failed.logs?.lines).toHaveLength(1);
    expect(reduceLive(failed, { type: 'logs', event: { kind: 'retried' } }).logs).toEqual({
      ...openedLogs,
      attempt: 2,
    });
  });
});
