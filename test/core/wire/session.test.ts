/** The two sides of a session, over streams that are cut wherever it hurts: every request is answered once, and with its own answer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeReport, NodeReportRecord } from '../../../core/wire/node-report.ts';
import { maxReportBytes } from '../../../core/wire/report-limit.ts';
import { probeRequestSchema, type ProbeRequest } from '../../../core/wire/probe-request.ts';
import type { WatchRequest } from '../../../core/wire/watch-request.ts';
import { SessionRequester, type RequesterEffect } from '../../../core/wire/session-requester.ts';
import {
  disagreement,
  helloFrame,
  maxSilentBeats,
  parseEngineFrame,
  parseProbeFrame,
  SessionFrameError,
  sessionProtocol,
  type ProbeFrame,
} from '../../../core/wire/session-frames.ts';
import { SessionResponder, type ResponderEffect } from '../../../core/wire/session-responder.ts';

const at = '2026-11-30T00:00:00Z';
const requestOf = (node: string): ProbeRequest => ({
  version: 1,
  node,
  services: [],
  collect: { rules: true, conntrack: 'None', kubeProxy: false },
  maxConntrackEntries: 0,
});
/** Of the request's node, in so many runs of a probe: which run it was stands in each. */
const recordsOfRun = (node: string, run: number): NodeReportRecord[] => [
  { kind: 'start', version: 1, node, startedAt: at, kernel: String(run), probeVersion: '0', addresses: [] },
  { kind: 'conntrackTable', count: run, max: 1 },
  { kind: 'conntrackTable', count: run, max: 2 },
  { kind: 'end', finishedAt: at, durationMilliseconds: run },
];
const line = (frame: ProbeFrame): string => JSON.stringify(frame);
const hello = line(helloFrame('1.0.0'));
const responderOf = (maxRunning: number, maxWaiting: number): SessionResponder<string> =>
  new SessionResponder({
    maxRunning,
    maxWaiting,
    parse: (request) => (typeof request === 'string' ? { request } : { problem: 'it is no text' }),
  });
const ask = (id: number, request: unknown = `request ${String(id)}`): ReturnType<typeof parseEngineFrame> => ({
  type: 'ask',
  id,
  deadlineMilliseconds: 1000,
  request,
});
const inWords = (effects: readonly ResponderEffect<string>[]): string[] =>
  effects.flatMap((effect) => {
    if (effect.do === 'send')
      return effect.frame.type === 'end' ? [`${effect.frame.outcome} ${String(effect.frame.id)}`] : [];
    return effect.do === 'expect' ? [] : [`${effect.do} ${String(effect.id)}`];
  });

describe('a frame', () => {
  it.each([
    ['what is not JSON', '{"type":"ask"', 'a line of the session is not JSON: {"type":"ask"'],
    [
      'another value',
      '[]',
      'a line of the session is not a frame ( Invalid input: expected object, received array): []',
    ],
    ['no word of ours', '{"type":"sudo"}', 'a line of the session is not a frame (type'],
    ['an id that is no number', '{"type":"cancel","id":"1"}', 'a line of the session is not a frame (id'],
  ])('is not %s', (_name, text, message) => {
    expect(() => parseEngineFrame(text)).toThrow(SessionFrameError);
    expect(() => parseEngineFrame(text)).toThrow(message);
  });

  it('of hello is understood in any version, with the side that is to be upgraded', () => {
    const other = (protocol: number): string | undefined => {
      const frame = parseProbeFrame(JSON.stringify({ type: 'hello', protocol, version: '9.9.9', features: ['x'] }));
      return frame.type === 'hello' ? disagreement(frame, '1.0.0') : 'no hello';
    };
    expect(other(sessionProtocol)).toBeUndefined();
    expect(other(sessionProtocol - 1)).toBe(
      "its probe speaks protocol 0 of sessions, and this side 1: the probe's image (version 9.9.9) is older: give the operator an image of version 1.0.0",
    );
    expect(other(sessionProtocol + 1)).toBe(
      "its probe speaks protocol 2 of sessions, and this side 1: this side (version 1.0.0) is older than the probe's image: upgrade it to version 9.9.9",
    );
  });
});

describe('the side of the probe', () => {
  it('runs some at the same time, keeps the others in their order, and refuses what is too much', () => {
    const responder = responderOf(2, 2);
    const effects = [1, 2, 3, 4, 5].map((id) => inWords(responder.received(ask(id))));
    expect(effects).toEqual([['start 1'], ['start 2'], [], [], ['busy 5']]);
    expect(inWords(responder.finished(2))).toEqual(['done 2', 'start 3']);
    expect(inWords(responder.finished(1, 'it broke'))).toEqual(['failed 1', 'start 4']);
  });

  it('answers an id once, whatever comes twice', () => {
    const responder = responderOf(2, 2);
    expect(inWords(responder.received(ask(1)))).toEqual(['start 1']);
    expect(inWords(responder.received(ask(1)))).toEqual([]);
    expect(inWords(responder.finished(1))).toEqual(['done 1']);
    expect(inWords(responder.finished(1))).toEqual([]);
    expect(inWords(responder.received(ask(1)))).toEqual([]);
    expect(inWords(responder.stop(1, 'late'))).toEqual([]);
  });

  it('gives a wrong request its own answer', () => {
    const responder = responderOf(1, 1);
    expect(responder.received(ask(1, 7))).toEqual([
      { do: 'send', frame: { type: 'end', id: 1, outcome: 'refused', message: 'it is no text' } },
    ]);
    expect(inWords(responder.received(ask(2)))).toEqual(['start 2']);
  });

  it('ends what is cancelled or late, and gives its place away when it is gone', () => {
    const responder = responderOf(1, 3);
    for (const id of [1, 2, 3, 4]) responder.received(ask(id));
    expect(inWords(responder.received({ type: 'cancel', id: 2 }))).toEqual(['cancelled 2']);
    expect(inWords(responder.stop(1, 'late'))).toEqual(['late 1', 'abort 1']);
    expect(responder.isAnswering(1)).toBe(false);
    expect(inWords(responder.received({ type: 'cancel', id: 1 }))).toEqual([]);
    expect(inWords(responder.finished(1))).toEqual(['start 3']);
  });

  it('begins nothing while the peer does not read', () => {
    const responder = responderOf(2, 3);
    responder.received(ask(1));
    expect(inWords(responder.hold(true))).toEqual([]);
    expect(inWords(responder.received(ask(2)))).toEqual([]);
    expect(inWords(responder.finished(1))).toEqual(['done 1']);
    expect(inWords(responder.hold(false))).toEqual(['start 2']);
  });
});

describe('the side of the engine', () => {
  const described = (effects: readonly RequesterEffect[]): string[] =>
    effects.map((effect) => {
      switch (effect.do) {
        case 'send':
          return 'id' in effect.frame ? `${effect.frame.type} ${String(effect.frame.id)}` : effect.frame.type;
        case 'answer':
          return `answer ${String(effect.id)} ${effect.report.node}`;
        case 'fail':
          return `fail ${String(effect.id)} ${effect.failure.reason}: ${effect.failure.message}`;
        case 'abandon':
          return `abandon: ${effect.sentence}`;
        case 'close':
          return 'close';
        case 'watched':
          return `watched ${effect.record.service}`;
        case 'unfollowed':
          return `unfollowed: ${effect.reason}`;
        case 'unwatched':
          return `unwatched: ${effect.reason}`;
        case 'roundTrip':
          return `round trip ${String(effect.trip.sent)} ${String(effect.trip.clock)} ${String(effect.trip.received)}`;
      }
    });
  const greeted = (): SessionRequester => {
    const requester = new SessionRequester('1.0.0');
    expect(described(requester.opened())).toEqual(['hello']);
    requester.received(hello, 0);
    return requester;
  };
  const record = (id: number, value: unknown): string => JSON.stringify({ type: 'record', id, record: value });
  const end = (id: number, outcome = 'done'): string => JSON.stringify({ type: 'end', id, outcome });

  it('asks when it was greeted, with the time that is left', () => {
    const requester = new SessionRequester('1.0.0');
    expect(described(requester.ask(requestOf('a'), 20_000, 0).effects)).toEqual([]);
    requester.opened();
    expect(requester.received(hello, 5000)).toEqual([
      { do: 'send', frame: { type: 'ask', id: 1, deadlineMilliseconds: 15_000, request: requestOf('a') } },
    ]);
    expect(described(requester.ask(requestOf('b'), 20_000, 5000).effects)).toEqual(['ask 2']);
  });

  it('gives up a peer that does not speak as we do', () => {
    for (const [lines, sentence] of [
      [['{"type":"hello","protocol":2,"version":"2.0.0"}'], 'abandon: its probe speaks protocol 2'],
      [['node: warning'], 'abandon: a line of the session is not JSON: node: warning'],
      [['{"type":"beat"}'], 'abandon: its probe said something before hello'],
      [[hello, hello], 'abandon: its probe said hello twice'],
      [[hello, '{"type":"end","id":1,"outcome":"fine"}'], 'abandon: a line of the session is not a frame (outcome'],
    ] as const) {
      const requester = new SessionRequester('1.0.0');
      requester.opened();
      expect(described(lines.flatMap((each) => requester.received(each, 0))).join()).toContain(sentence);
    }
  });

  it('asks once more what was cut off, forgets the half of the answer, and does not ask a third time', () => {
    const requester = greeted();
    requester.ask(requestOf('a'), 1, 0);
    const [start, ...rest] = recordsOfRun('a', 1);
    requester.received(record(1, start), 0);
    const failure = { reason: 'StreamBroke', message: 'cut' } as const;
    expect(described(requester.cut(failure))).toEqual([]);
    expect(requester.received(end(1), 0), 'late lines of the old stream').toEqual([]);
    requester.opened();
    expect(described(requester.received(hello, 0))).toEqual(['ask 1']);
    for (const each of recordsOfRun('a', 2)) requester.received(record(1, each), 0);
    const [answer] = requester.received(end(1), 0);
    expect(answer).toEqual({
      do: 'answer',
      id: 1,
      report: { node: 'a', records: recordsOfRun('a', 2), complete: true },
    });
    expect(rest).toHaveLength(3);

    requester.ask(requestOf('b'), 1, 0);
    requester.cut(failure);
    requester.opened();
    requester.received(hello, 0);
    expect(described(requester.cut(failure))).toEqual(['fail 2 StreamBroke: cut']);
    expect(requester.size).toBe(0);
  });

  it('leaves a request open that was never asked, however often the stream breaks, until no stream can be had', () => {
    const requester = new SessionRequester('1.0.0');
    requester.ask(requestOf('a'), 1, 0);
    for (let times = 0; times < 5; times += 1) {
      requester.opened();
      expect(requester.cut({ reason: 'StreamBroke', message: 'cut' })).toEqual([]);
    }
    expect(described(requester.giveUp({ reason: 'ExecFailed', message: 'no way' }))).toEqual([
      'fail 1 ExecFailed: no way',
    ]);
  });

  it('ignores what comes for a request that was cancelled, and tells the probe', () => {
    const requester = greeted();
    const { id } = requester.ask(requestOf('a'), 1, 0);
    expect(described(requester.cancel(id))).toEqual(['cancel 1']);
    expect(described([record(1, {}), end(1, 'cancelled')].flatMap((each) => requester.received(each, 0)))).toEqual([]);
    expect(requester.cancel(id)).toEqual([]);
  });

  it.each([
    ['late', 'fail 1 TimedOut: its probe did not finish in time'],
    ['busy', 'fail 1 ProbeBusy: its probe is busy: no reason given'],
    ['refused', 'fail 1 ProbeFailed: its probe failed: no reason given'],
    ['failed', 'fail 1 ProbeFailed: its probe failed: no reason given'],
    ['tooLarge', 'fail 1 ReportTooLarge: its probe printed more than 8 MiB'],
    ['done', 'fail 1 NotAReport: the probe printed nothing'],
  ])('says what %s means', (outcome, words) => {
    const requester = greeted();
    requester.ask(requestOf('a'), 1, 0);
    expect(described(requester.received(end(1, outcome), 0))).toEqual([words]);
  });

  it('believes no record that is none, and no report that is too large; the other requests go on', () => {
    const requester = greeted();
    for (const name of ['a', 'b', 'c']) requester.ask(requestOf(name), 1, 0);
    expect(described(requester.received(record(1, { kind: 'x' }), 0))).toEqual([
      'cancel 1',
      expect.stringMatching(/^fail 1 NotAReport: line 1: kind /),
    ]);
    const large = { kind: 'conntrack', service: 'a/b', matched: 1, groups: [], lines: ['x'.repeat(maxReportBytes)] };
    expect(described(requester.received(record(2, large), 0))).toEqual([
      'cancel 2',
      'fail 2 ReportTooLarge: its probe printed more than 8 MiB',
    ]);
    for (const each of recordsOfRun('c', 1)) requester.received(record(3, each), 0);
    expect(described(requester.received(end(3), 0))).toEqual(['answer 3 c']);
  });

  it('closes the stream of a peer that is silent, and knows of each request whether anything came', () => {
    const requester = greeted();
    const { id } = requester.ask(requestOf('a'), 1, 0);
    for (let beat = 1; beat <= maxSilentBeats; beat += 1) expect(described(requester.beat(0))).toEqual(['beat']);
    expect(requester.hasResponded(id)).toBe(false);
    expect(described(requester.beat(0))).toEqual(['close']);
    requester.received('{"type":"beat"}', 0);
    expect(requester.hasResponded(id)).toBe(true);
    expect(described(requester.beat(0))).toEqual(['beat']);
  });

  it('watches on each stream that there is, until nothing is watched any more', () => {
    const watching: WatchRequest = { version: 1, node: 'a', services: [], isExpecting: false };
    const greeting = JSON.stringify(helloFrame('2.0.0', { watches: true }));
    const failure = { reason: 'StreamBroke', message: 'it broke' } as const;
    const rules = {
      kind: 'rules',
      service: 'default/auth-service',
      changes: [],
      omitted: 0,
      hasLost: false,
      isSettled: true,
      polled: [],
      read: { began: 1, ended: 2 },
      records: [],
    };
    const requester = new SessionRequester('1.0.0');
    expect(described(requester.watch(watching, 0))).toEqual([]);
    requester.opened();
    expect(described(requester.received(greeting, 5))).toEqual(['watch 1', 'beat']);
    expect(described(requester.received('{"type":"beat","sent":5,"clock":107}', 9))).toEqual([
      'round trip 5 107 9',
      'beat',
    ]);
    for (let count = 2; count < 8; count += 1)
      expect(described(requester.received('{"type":"beat","sent":5,"clock":107}', 9))).toContain('beat');
    expect(described(requester.received('{"type":"beat","sent":5,"clock":107}', 9))).toEqual(['round trip 5 107 9']);
    expect(described(requester.received('{"type":"beat"}', 9))).toEqual([]);
    expect(described(requester.received(record(1, rules), 9))).toEqual(['watched default/auth-service', 'beat']);
    expect(described(requester.watch({ ...watching, isExpecting: true }, 9))).toEqual(['watch 2', 'beat']);
    // It was on its way, and comes once.
    expect(described(requester.received(record(1, rules), 9))).toEqual(['watched default/auth-service', 'beat']);
    expect(described(requester.received(end(1, 'failed'), 9))).toEqual([]);
    expect(described(requester.cut(failure))).toEqual(['unwatched: it broke']);
    expect(described(requester.cut(failure))).toEqual([]);
    requester.opened();
    expect(described(requester.received(greeting, 9))).toEqual(['watch 3', 'beat']);
    expect(described(requester.received(end(3, 'failed'), 9))).toEqual(['unwatched: failed']);
    expect(described(requester.watch(watching, 9))).toEqual(['watch 4', 'beat']);
    expect(described(requester.received(record(4, { ...rules, changes: 'none' }), 9))).toEqual([
      'cancel 4',
      expect.stringMatching(/^unwatched: what its probe says of a change is not a record \(changes /),
    ]);
    requester.watch(watching, 9);
    expect(described(requester.watch(undefined, 9))).toEqual(['cancel 5']);
    expect(described(requester.cut(failure))).toEqual([]);
  });

  it('says of a probe that follows no connections which side to upgrade, and watches its rules all the same', () => {
    const requester = new SessionRequester('2.0.0');
    const connections = [{ service: 'default/auth-service', detail: 'Summary' as const }];
    const rulesAlone: WatchRequest = { version: 1, node: 'a', services: [], isExpecting: false };
    const watching: WatchRequest = { ...rulesAlone, connections };
    requester.watch(watching, 0);
    requester.opened();
    expect(described(requester.received(JSON.stringify(helloFrame('1.0.0', { watches: true })), 0))).toEqual([
      'watch 1',
      'beat',
      "unfollowed: the probe's image (version 1.0.0) is older and follows no connections: give the operator an image of version 2.0.0",
    ]);
    expect(described(requester.watch(rulesAlone, 0))).toEqual(['watch 2', 'beat']);
    requester.cut({ reason: 'StreamBroke', message: 'it broke' });
    requester.watch(watching, 0);
    requester.opened();
    const able = JSON.stringify(helloFrame('2.0.0', { watches: true, connections: true }));
    expect(described(requester.received(able, 0))).toEqual(['watch 3', 'beat']);
    const followed = { kind: 'connectionsFollowed', service: 'default/auth-service', since: 5.5 };
    expect(described(requester.received(record(3, followed), 0))).toEqual(['watched default/auth-service']);
  });

  it('asks a probe that does not know of watching for nothing that it would not understand', () => {
    const requester = new SessionRequester('1.0.0');
    requester.watch({ version: 1, node: 'a', services: [], isExpecting: false }, 0);
    requester.opened();
    expect(described(requester.received(hello, 0))).toEqual([
      'unwatched: its probe is of a version that does not watch rules',
    ]);
  });
});

/** One thing that happens, and which one of those that it may happen to. */
const seldom = ['cut', 'cancel', 'late', 'hold'] as const;
const often = ['ask', 'open', 'up', 'down', 'work', 'up', 'down', 'work', 'down'] as const;

it('answers each request once and with its own answer, wherever streams are cut and whatever overtakes what', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...seldom, ...often, ...often), fc.nat(20)), { maxLength: 300, size: 'max' }),
      fc.integer({ min: 1, max: 3 }),
      (script, maxRunning) => {
        const requester = new SessionRequester('1.0.0');
        const asked = new Map<number, string>();
        const ends = new Map<number, string[]>();
        /** Streams on which a request was begun. */
        const begun = new Map<number, number>();
        let cuts = 0;
        let runs = 0;
        interface Stream {
          readonly responder: SessionResponder<ProbeRequest>;
          readonly up: string[];
          readonly down: string[];
          readonly working: Map<number, NodeReportRecord[]>;
        }
        let stream: Stream | undefined;
        const described = (id: number, what: string): void => {
          ends.set(id, [...(ends.get(id) ?? []), what]);
        };
        const onRequester = (effects: readonly RequesterEffect[]): void => {
          for (const effect of effects)
            if (effect.do === 'send') stream?.up.push(JSON.stringify(effect.frame));
            else if (effect.do === 'answer') {
              check(effect.id, effect.report);
              described(effect.id, 'answer');
            } else if (effect.do === 'fail') described(effect.id, `fail ${effect.failure.reason}`);
            else throw new Error(`the requester wants to ${effect.do}`);
        };
        const check = (id: number, report: NodeReport): void => {
          const run = report.records[0]?.kind === 'start' ? Number(report.records[0].kernel) : NaN;
          expect(report).toEqual({
            node: asked.get(id),
            records: recordsOfRun(asked.get(id) ?? '', run),
            complete: true,
          });
        };
        const onResponder = ({ down, working }: Stream, effects: readonly ResponderEffect<ProbeRequest>[]): void => {
          for (const effect of effects)
            if (effect.do === 'send') down.push(line(effect.frame));
            else if (effect.do === 'start') {
              runs += 1;
              begun.set(effect.id, (begun.get(effect.id) ?? 0) + 1);
              working.set(effect.id, recordsOfRun(effect.request.node, runs));
            } else if (effect.do === 'abort') working.set(effect.id, []);
        };
        const work = (current: Stream, which: number): void => {
          const [id, records] = [...current.working][which % Math.max(1, current.working.size)] ?? [];
          if (id === undefined) return;
          const next = records?.shift();
          if (next === undefined) {
            current.working.delete(id);
            onResponder(current, current.responder.finished(id));
          } else if (current.responder.isAnswering(id)) current.down.push(line({ type: 'record', id, record: next }));
        };
        const happen = (what: (typeof seldom | typeof often)[number], which: number): void => {
          if (what === 'ask') {
            const node = `node-${String(asked.size)}`;
            const { id, effects } = requester.ask(requestOf(node), 1000, 0);
            asked.set(id, node);
            onRequester(effects);
            return;
          }
          if (what === 'cancel') {
            const id = [...asked.keys()][which];
            if (id === undefined) return;
            if ((ends.get(id) ?? []).length === 0) described(id, 'cancelled');
            onRequester(requester.cancel(id));
            return;
          }
          if (what === 'open' && stream === undefined) {
            stream = {
              responder: new SessionResponder({
                maxRunning,
                maxWaiting: 100,
                parse: (value) => ({ request: probeRequestSchema.parse(value) }),
              }),
              up: [],
              down: [hello],
              working: new Map(),
            };
            onRequester(requester.opened());
          }
          const current = stream;
          if (current === undefined) return;
          if (what === 'cut') {
            cuts += 1;
            stream = undefined;
            onRequester(requester.cut({ reason: 'StreamBroke', message: 'cut' }));
          } else if (what === 'up') {
            const next = current.up.shift();
            if (next !== undefined) onResponder(current, current.responder.received(parseEngineFrame(next)));
          } else if (what === 'down') {
            const next = current.down.shift();
            if (next !== undefined) onRequester(requester.received(next, 0));
          } else if (what === 'work') work(current, which);
          else if (what === 'hold') onResponder(current, current.responder.hold(which % 2 === 0));
          else if (what === 'late') {
            const [id] = [...current.working.keys()].slice(which);
            if (id !== undefined) onResponder(current, current.responder.stop(id, 'late'));
          }
        };
        for (const [what, which] of script) happen(what, which);
        // Then nothing is cut any more.
        for (let rest = 0; requester.size > 0; rest += 1) {
          if (rest > 5000) throw new Error(`${String(requester.size)} requests are lost`);
          for (const what of ['open', 'up', 'work', 'down'] as const) happen(what, 0);
          happen('hold', 1);
        }
        for (const id of asked.keys()) {
          expect(ends.get(id)).toHaveLength(1);
          expect(begun.get(id) ?? 0).toBeLessThanOrEqual(2);
        }
        const failed = [...ends.values()].filter(([what]) => what === 'fail StreamBroke').length;
        if (cuts < 2) expect(failed, 'a request that was cut off once').toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
