/** The session with one probe, over streams of the test that are cut, silent, late, or of another version. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { NodeReport } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { beatMilliseconds, helloFrame, parseEngineFrame } from '../../core/wire/session-frames.ts';
import { NodeSession, SessionUnusableError } from '../../engine/node-session.ts';
import { ProbeExecError, type OpenStream, type SessionStream } from '../../engine/probe-exec.ts';

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
const at = '2026-11-30T00:00:00Z';
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const broke = new ProbeExecError('StreamBroke', 'the exec stream to its probe broke');

/** One stream, from the side of the probe. */
class ProbeEnd {
  readonly handlers: Pick<SessionStream, 'onText' | 'onEnd' | 'signal'>;
  /** What the engine sent: `hello`, `ask 1`, and so on. */
  readonly frames: string[] = [];
  readonly #nodes = new Map<number, string>();
  isClosed = false;

  constructor(handlers: Pick<SessionStream, 'onText' | 'onEnd' | 'signal'>) {
    this.handlers = handlers;
  }

  readonly stream: OpenStream = {
    write: (text) => {
      const frame = parseEngineFrame(text.trimEnd());
      this.frames.push('id' in frame ? `${frame.type} ${String(frame.id)}` : frame.type);
      if (frame.type === 'ask') this.#nodes.set(frame.id, (frame.request as ProbeRequest).node);
    },
    close: () => {
      this.isClosed = true;
    },
  };

  say(frame: object): void {
    this.handlers.onText(`${JSON.stringify(frame)}\n`);
  }

  greet(): this {
    this.say(helloFrame('1.0.0'));
    return this;
  }

  begin(id: number): void {
    const node = this.#nodes.get(id);
    this.say({
      type: 'record',
      id,
      record: { kind: 'start', version: 1, node, startedAt: at, kernel: '6', probeVersion: '0', addresses: [] },
    });
  }

  finish(id: number): void {
    this.say({ type: 'record', id, record: { kind: 'end', finishedAt: at, durationMilliseconds: 1 } });
    this.say({ type: 'end', id, outcome: 'done' });
  }
}

/** A session, and the streams that it opened; `opening` may refuse, or hang. */
function sessionWith(opening: (end: ProbeEnd, count: number) => void | Promise<void> = () => undefined) {
  const streams: ProbeEnd[] = [];
  const sentences: string[] = [];
  const session = new NodeSession({
    open: async (handlers) => {
      const end = new ProbeEnd(handlers);
      streams.push(end);
      await opening(end, streams.length);
      return end.stream;
    },
    version: '1.0.0',
    random: () => 1,
    onUnusable: (sentence) => sentences.push(sentence),
  });
  const ask = (node: string, timeoutMilliseconds = 20_000, signal = new AbortController().signal) => {
    const outcome = { words: 'waits' };
    session.ask(request(node), { timeoutMilliseconds, signal }).then(
      ({ node: of, records, complete }: NodeReport) => {
        outcome.words = `${of} ${records.map(({ kind }) => kind).join('+')} ${String(complete)}`;
      },
      (error: unknown) => {
        outcome.words =
          error instanceof ProbeExecError
            ? `${error.reason}${error.hasBegun ? '' : ' silent'}: ${error.message}`
            : String(error);
      },
    );
    return outcome;
  };
  const last = (): ProbeEnd => {
    const end = streams.at(-1);
    if (end === undefined) throw new Error('no stream was opened');
    return end;
  };
  return { session, streams, sentences, ask, last };
}

it('opens one stream for all who ask, when somebody asks, and keeps it', async () => {
  const { session, streams, ask, last } = sessionWith();
  await settle();
  expect(streams).toHaveLength(0);
  const [a, b] = [ask('a'), ask('b')];
  await settle();
  expect(last().frames).toEqual(['hello']);
  last().greet();
  expect(last().frames).toEqual(['hello', 'ask 1', 'ask 2']);
  last().begin(2);
  last().begin(1);
  last().finish(2);
  await settle();
  expect([a.words, b.words]).toEqual(['waits', 'b start+end true']);
  last().finish(1);
  const c = ask('c');
  last().begin(3);
  last().finish(3);
  await settle();
  expect([a.words, c.words]).toEqual(['a start+end true', 'c start+end true']);
  expect(streams).toHaveLength(1);
  session.close();
  expect(last().isClosed).toBe(true);
});

it('hears a probe that greets before the stream is known to be open', async () => {
  const { ask, last } = sessionWith(async (end) => {
    end.greet();
    await settle();
  });
  const a = ask('a');
  await settle();
  await settle();
  expect(last().frames).toEqual(['hello', 'ask 1']);
  last().begin(1);
  last().finish(1);
  await settle();
  expect(a.words).toBe('a start+end true');
});

it('opens the stream again after a pause where it was cut in the middle of a frame, and asks once more', async () => {
  const { streams, ask, last } = sessionWith();
  const [a, b] = [ask('a'), ask('b')];
  await settle();
  last().greet().begin(1);
  last().begin(2);
  last().finish(2);
  last().handlers.onText('{"type":"record","id":1,"rec');
  const old = last();
  last().handlers.onEnd(broke);
  await vi.advanceTimersByTimeAsync(199);
  expect(streams).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(streams).toHaveLength(2);
  last().greet();
  expect(last().frames, 'the answered one is not asked again').toEqual(['hello', 'ask 1']);
  last().begin(1);
  // What the old stream still has to say is nobody's answer.
  old.finish(1);
  old.handlers.onEnd(broke);
  last().finish(1);
  await settle();
  expect([a.words, b.words]).toEqual(['a start+end true', 'b start+end true']);
  expect(streams).toHaveLength(2);
});

it('opens nothing where it is cut at rest, and answers the next who asks on a new stream', async () => {
  const { session, streams, ask, last } = sessionWith();
  ask('a');
  await settle();
  last().greet().begin(1);
  last().finish(1);
  await settle();
  last().handlers.onEnd(broke);
  await vi.advanceTimersByTimeAsync(3600_000);
  expect([streams.length, session.isOpen]).toEqual([1, false]);
  const b = ask('b');
  // No pause: the one who asks waits for the stream alone.
  await settle();
  expect(streams).toHaveLength(2);
  last().greet().begin(2);
  last().finish(2);
  await settle();
  expect(b.words).toBe('b start+end true');
  // What was cut before counts for nothing: two more streams may break.
  const c = ask('c');
  last().handlers.onEnd(broke);
  await vi.advanceTimersByTimeAsync(200);
  expect(streams).toHaveLength(3);
  last().greet().begin(3);
  last().finish(3);
  await settle();
  expect(c.words).toBe('c start+end true');
});

it('tells who watches that it was closed, whether its stream was open or was being opened again', async () => {
  for (const isCut of [false, true]) {
    const { session, last } = sessionWith();
    const reasons: string[] = [];
    session.watch(
      { version: 1, node: 'a', services: [], isExpecting: false },
      { onRecord: () => undefined, onUnwatched: (reason) => reasons.push(reason) },
    );
    await settle();
    last().greet();
    if (isCut) last().handlers.onEnd(broke);
    const before = reasons.length;
    session.close();
    expect(reasons.slice(before)).toEqual(['the session with its probe was closed']);
  }
});

it('does not ask a third time, and tells how it ended', async () => {
  const { streams, ask, last } = sessionWith();
  const a = ask('a');
  await settle();
  last().greet().begin(1);
  last().handlers.onEnd(new ProbeExecError('ProbeFailed', 'its probe failed: out of memory'));
  await vi.advanceTimersByTimeAsync(200);
  last().greet().begin(1);
  last().handlers.onEnd(new ProbeExecError('ProbeFailed', 'its probe failed: out of memory'));
  await settle();
  expect(a.words).toBe('ProbeFailed: its probe failed: out of memory');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(streams, 'nobody asks: nothing is opened').toHaveLength(2);
});

it('tries three times to open a stream, with pauses that grow, and again for the next who asks', async () => {
  const { streams, ask, last } = sessionWith((_end, count) => {
    if (count <= 3) throw new ProbeExecError('ExecFailed', 'connect ECONNREFUSED');
  });
  const a = ask('a');
  await vi.advanceTimersByTimeAsync(200);
  expect(streams).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(399);
  expect(streams).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect([streams.length, a.words]).toEqual([3, 'ExecFailed: connect ECONNREFUSED']);
  const b = ask('b');
  await settle();
  last().greet().begin(2);
  last().finish(2);
  await settle();
  expect(b.words).toBe('b start+end true');
});

it('takes a stream that is silent after a question for dead, and asks on another one', async () => {
  const { streams, ask, last } = sessionWith();
  ask('a');
  await settle();
  last().greet().begin(1);
  last().finish(1);
  const b = ask('b');
  await vi.advanceTimersByTimeAsync(9999);
  expect(streams).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(301);
  expect(streams.map(({ isClosed }) => isClosed)).toEqual([true, false]);
  last().greet().begin(2);
  last().finish(2);
  await settle();
  expect(b.words).toBe('b start+end true');
});

it('does not take one for dead that beats, and says that it did not answer in time; the probe is told', async () => {
  const { streams, ask, last } = sessionWith();
  const a = ask('a');
  await settle();
  last().greet();
  await vi.advanceTimersByTimeAsync(7000);
  last().say({ type: 'beat' });
  await vi.advanceTimersByTimeAsync(13_000);
  expect(a.words).toBe('TimedOut: its probe did not answer within 20 s');
  expect(last().frames.filter((word) => word !== 'beat')).toEqual(['hello', 'ask 1', 'cancel 1']);
  expect(streams).toHaveLength(1);
});

it('says of a node that gave no sign of life that it was silent, and does not keep its stream', async () => {
  const { session, streams, ask } = sessionWith((_end, count) =>
    count === 1 ? undefined : new Promise(() => undefined),
  );
  const a = ask('a');
  await settle();
  streams[0]?.greet();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(a.words).toBe('TimedOut silent: its probe did not answer within 20 s');
  expect(session.isOpen).toBe(false);
  expect(streams.every(({ isClosed, handlers }) => isClosed || handlers.signal.aborted)).toBe(true);
});

it('notices within 30 s that a peer is dead though nothing is asked', async () => {
  const { session, ask, last } = sessionWith();
  ask('a');
  await settle();
  last().greet().begin(1);
  last().finish(1);
  await vi.advanceTimersByTimeAsync(3 * beatMilliseconds);
  last().say({ type: 'beat' });
  await vi.advanceTimersByTimeAsync(3 * beatMilliseconds);
  expect([session.isOpen, last().isClosed]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(30_000 - 3 * beatMilliseconds);
  expect([session.isOpen, last().isClosed]).toEqual([false, true]);
});

it.each([
  ['a probe of another version', '{"type":"hello","protocol":2,"version":"2.0.0"}\n', 'upgrade it to version 2.0.0'],
  ['a line that is no frame', '(node:1) Warning\n', 'a line of the session is not JSON'],
  ['a line without an end', 'x'.repeat(9_000_000), 'its probe sends a line without an end'],
])('sends all who ask another way where there is %s, and says so once', async (_name, text, words) => {
  const { session, streams, sentences, ask, last } = sessionWith();
  const [a, b] = [ask('a'), ask('b')];
  await settle();
  last().handlers.onText(text);
  await settle();
  const c = ask('c');
  await settle();
  for (const { words: each } of [a, b, c]) expect(each).toContain(`SessionUnusableError: `);
  expect(sentences).toEqual([expect.stringContaining(words)]);
  expect([session.isUnusable, last().isClosed, streams.length]).toEqual([true, true, 1]);
});

it.each([
  [new ProbeExecError('ProbeFailed', "its probe failed: the request's version is wrong"), true],
  [new ProbeExecError('ExecForbidden', 'its probe may not be asked'), true],
  [broke, false],
])('knows a probe without sessions by how it ends before it says hello: %s', async (error, isWithout) => {
  const { session, streams, ask, last } = sessionWith();
  const a = ask('a');
  await settle();
  last().handlers.onEnd(error);
  await vi.advanceTimersByTimeAsync(200);
  expect(session.isUnusable).toBe(isWithout);
  expect(streams).toHaveLength(isWithout ? 1 : 2);
  expect(a.words.startsWith('SessionUnusableError')).toBe(isWithout);
});

it('leaves half of the time to the other way where the probe does not say hello, and stays with that the second time', async () => {
  const { session, sentences, ask, last } = sessionWith();
  for (const times of [1, 2]) {
    const a = ask('a');
    await vi.advanceTimersByTimeAsync(9999);
    expect(a.words).toBe('waits');
    await vi.advanceTimersByTimeAsync(2);
    expect(a.words).toBe('SessionUnusableError: its probe has not said hello yet');
    expect([last().isClosed, session.isUnusable]).toEqual([true, false]);
    session.didWithout();
    expect(session.isUnusable).toBe(times === 2);
  }
  expect(sentences).toHaveLength(1);
});

it('cancels what nobody wants, and leaves the others', async () => {
  const { ask, last } = sessionWith();
  const controller = new AbortController();
  const [a, b] = [ask('a', 20_000, controller.signal), ask('b')];
  await settle();
  last().greet().begin(1);
  controller.abort();
  await settle();
  expect(a.words).toBe('Aborted silent: the collection was ended');
  expect(last().frames).toEqual(['hello', 'ask 1', 'ask 2', 'cancel 1']);
  last().finish(1);
  last().begin(2);
  last().finish(2);
  await settle();
  expect(b.words).toBe('b start+end true');
});

it('fails what is asked when it is closed, and opens nothing any more', async () => {
  const { session, streams, ask } = sessionWith(() => new Promise(() => undefined));
  const a = ask('a');
  await settle();
  session.close();
  const b = ask('b');
  await vi.advanceTimersByTimeAsync(60_000);
  expect([a.words, b.words.replace(' silent', '')]).toEqual(
    Array(2).fill('StreamBroke: the session with its probe was closed'),
  );
  expect(streams).toHaveLength(1);
  expect(streams[0]?.handlers.signal.aborted).toBe(true);
  await expect(
    session.ask(request('c'), { timeoutMilliseconds: 1, signal: new AbortController().signal }),
  ).rejects.not.toBeInstanceOf(SessionUnusableError);
});
