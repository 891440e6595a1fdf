/** A session as a probe serves it, over streams of the test: who asks, cancels, is slow, is silent, or talks nonsense. */
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import * as z from 'zod';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { beatMilliseconds, parseProbeFrame, type ProbeFrame } from '../../core/wire/session-frames.ts';
import { lineSplitter } from '../../core/lib/line-splitter.ts';
import { serve, type Answer } from '../../probe/serve.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const request = (node: string): ProbeRequest => ({
  version: 1,
  node,
  services: [],
  collect: { rules: true, conntrack: 'None', kubeProxy: false },
  maxConntrackEntries: 0,
});
const ask = (id: number, node = `node-${String(id)}`, deadlineMilliseconds = 60_000): string =>
  `${JSON.stringify({ type: 'ask', id, deadlineMilliseconds, request: request(node) })}\n`;
const start = (node: string): NodeReportRecord => ({
  kind: 'start',
  version: 1,
  node,
  startedAt: '2026-11-30T00:00:00Z',
  kernel: '6',
  probeVersion: '0',
  addresses: [],
});
const size = (count: number): NodeReportRecord => ({ kind: 'conntrackTable', count, max: 9 });
/** What a frame says, in words. */
const wordsOf = (frame: ProbeFrame): string =>
  frame.type === 'record'
    ? `record ${String(frame.id)}`
    : frame.type === 'end'
      ? `${frame.outcome} ${String(frame.id)}`
      : frame.type;

function session(answer: Answer, output = new PassThrough()) {
  const input = new PassThrough();
  const frames: string[] = [];
  const over = serve(input, output, '1.0.0', answer);
  const read = (): void => {
    const lines = lineSplitter((line) => frames.push(wordsOf(parseProbeFrame(line))));
    output.setEncoding('utf8').on('data', lines.push);
  };
  /** All that is due now has happened. */
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
  return { input, output, frames, over, read, settle };
}

it('greets first, answers what is asked at the same time as it comes, and ends with its input', async () => {
  const running = new Map<string, () => void>();
  const { input, frames, over, read, settle } = session(async (asked, _signal, emit) => {
    emit(start(asked.node));
    await new Promise<void>((resolve) => running.set(asked.node, resolve));
    emit(size(1));
  });
  read();
  await settle();
  expect(frames).toEqual(['hello']);
  // A line may come in pieces, and several at once.
  const text = ask(1) + ask(2);
  input.write(text.slice(0, 10));
  await settle();
  input.write(text.slice(10));
  await settle();
  expect(frames.splice(0)).toEqual(['hello', 'record 1', 'record 2']);
  running.get('node-2')?.();
  await settle();
  running.get('node-1')?.();
  await settle();
  expect(frames).toEqual(['record 2', 'done 2', 'record 1', 'done 1']);
  input.end();
  expect(await over).toBeUndefined();
});

it('ends what is cancelled, late, or left when the session ends, through the signal of its own', async () => {
  const signals = new Map<string, AbortSignal>();
  const { input, frames, over, read, settle } = session(async (asked, signal, emit) => {
    signals.set(asked.node, signal);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    emit(size(1));
  });
  read();
  input.write(`${ask(1)}${ask(2, 'node-2', 5000)}${ask(3)}`);
  await settle();
  const aborted = (): string[] => [...signals].flatMap(([node, { aborted: is }]) => (is ? [node] : []));
  input.write('{"type":"cancel","id":1}\n');
  await settle();
  expect(aborted()).toEqual(['node-1']);
  await vi.advanceTimersByTimeAsync(4999);
  expect(aborted()).toEqual(['node-1']);
  await vi.advanceTimersByTimeAsync(1);
  expect(aborted()).toEqual(['node-1', 'node-2']);
  expect(frames).toEqual(['hello', 'cancelled 1', 'late 2']);
  input.end();
  await over;
  expect(aborted()).toEqual(['node-1', 'node-2', 'node-3']);
});

it('says that it lives, and ends when its peer has been silent for 28 s', async () => {
  const { input, frames, over, read } = session(() => Promise.resolve());
  read();
  await vi.advanceTimersByTimeAsync(2 * beatMilliseconds);
  input.write('{"type":"beat"}\n');
  await vi.advanceTimersByTimeAsync(3 * beatMilliseconds);
  expect(frames).toEqual(['hello', ...Array<string>(5).fill('beat')]);
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  await vi.advanceTimersByTimeAsync(beatMilliseconds - 1);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(isOver).toBe(true);
  expect(4 * beatMilliseconds).toBeLessThan(30_000);
});

it('says what is no frame, and ends', async () => {
  for (const [text, problem] of [
    ['sudo reboot\n', 'a line of the session is not JSON: sudo reboot'],
    ['{"type":"cancel"}\n', 'a line of the session is not a frame (id'],
    ['x'.repeat(5_000_000), 'a line of the session is too long'],
  ] as const) {
    const { input, over, read } = session(() => Promise.resolve());
    read();
    input.write(text);
    expect(await over).toContain(problem);
  }
});

it('answers a wrong request, and one that fails, with the reason, and goes on', async () => {
  const { input, output, settle } = session((asked) =>
    asked.node === 'breaks' ? Promise.reject(new Error('it broke')) : Promise.resolve(),
  );
  input.write('{"type":"ask","id":1,"deadlineMilliseconds":1000,"request":{"version":2}}\n');
  input.write(`${ask(2, 'breaks')}${ask(3)}`);
  await settle();
  const [, ...frames] = String(output.read()).trim().split('\n');
  expect(frames.map((line): unknown => JSON.parse(line))).toEqual([
    { type: 'end', id: 1, outcome: 'refused', message: "the request's version is wrong: Invalid input: expected 1" },
    { type: 'end', id: 2, outcome: 'failed', message: 'it broke' },
    { type: 'end', id: 3, outcome: 'done' },
  ]);
});

it('holds for a slow reader no more than its stream takes, begins nothing more, lets answers take turns, and beats first', async () => {
  const begun: string[] = [];
  const large = (count: number): NodeReportRecord => ({
    kind: 'conntrack',
    service: 'a/b',
    matched: count,
    groups: [],
    lines: ['x'.repeat(400_000)],
  });
  const { input, output, frames, read, settle } = session((asked, _signal, emit) => {
    begun.push(asked.node);
    for (let count = 0; count < 3; count += 1) emit(asked.node === 'small' ? size(count) : large(count));
    return Promise.resolve();
  });
  input.write(ask(1));
  input.write(ask(2, 'small'));
  await settle();
  input.write(ask(3));
  await settle();
  // Two thirds of the first answer wait outside the stream, and the second one behind it.
  expect(output.writableLength + output.readableLength).toBeLessThan(900_000);
  await vi.advanceTimersByTimeAsync(beatMilliseconds);
  input.write(ask(4));
  await settle();
  expect(begun).toEqual(['node-1', 'small', 'node-3']);
  read();
  await settle();
  expect(begun).toEqual(['node-1', 'small', 'node-3', 'node-4']);
  expect(frames.indexOf('beat')).toBeLessThan(frames.lastIndexOf('record 1'));
  expect(frames.indexOf('done 2')).toBeLessThan(frames.indexOf('done 3'));
  expect(frames.filter((frame) => frame === 'record 3')).toHaveLength(3);
});

it('refuses an answer that is too large, and keeps none of it', async () => {
  const { input, output, frames, read, settle } = session((_asked, _signal, emit) => {
    for (let count = 0; count < 30; count += 1)
      emit({ kind: 'conntrack', service: 'a/b', matched: 1, groups: [], lines: ['x'.repeat(400_000)] });
    return Promise.resolve();
  });
  input.write(ask(1));
  await settle();
  expect(output.writableLength).toBeLessThan(900_000);
  read();
  await settle();
  expect(frames.at(-1)).toBe('tooLarge 1');
});

it('ends an answer without rules when what changed of them before has been given', async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const records: string[] = [];
  const lines = lineSplitter((line) => {
    const frame = parseProbeFrame(line);
    const kind = frame.type === 'record' ? z.object({ kind: z.string() }).parse(frame.record).kind : frame.type;
    records.push(kind);
  });
  output.setEncoding('utf8').on('data', lines.push);
  let settle: ((isSettled: boolean) => void) | undefined;
  void serve(
    input,
    output,
    '1.0.0',
    (asked, _signal, emit) => {
      emit(start(asked.node));
      emit({ kind: 'end', finishedAt: '2026-11-30T00:00:01Z', durationMilliseconds: 1 });
      return Promise.resolve();
    },
    () => ({
      set: () => undefined,
      hold: () => undefined,
      settled: () =>
        new Promise((resolve) => {
          settle = resolve;
        }),
      end: () => undefined,
    }),
  );
  const without = JSON.stringify({
    type: 'ask',
    id: 2,
    deadlineMilliseconds: 60_000,
    request: { ...request('a'), collect: { rules: false, conntrack: 'None', kubeProxy: false } },
  });
  const watch = JSON.stringify({
    type: 'watch',
    id: 1,
    request: { version: 1, node: 'a', services: [], isExpecting: false },
  });
  input.write(`${watch}\n${without}\n`);
  await vi.advanceTimersByTimeAsync(0);
  expect(records).toEqual(['hello', 'start']);
  settle?.(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(records).toEqual(['hello', 'start', 'watched', 'end', 'end']);
  // With the rules, nothing is waited for.
  input.write(ask(3));
  await vi.advanceTimersByTimeAsync(0);
  expect(records.slice(5)).toEqual(['start', 'end', 'end']);
  input.end();
});
