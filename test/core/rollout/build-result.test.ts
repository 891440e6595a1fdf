import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SliceChangeStatus } from '../../../core/api/service-trace.ts';
import { rolloutResult, type RolloutInput } from '../../../core/rollout/build-result.ts';
import type { Gap, RolloutResult } from '../../../core/rollout/result.ts';
import {
  arrived,
  at,
  change,
  pending,
  pod,
  rolloutInput,
  serving,
  stopped,
  terminating,
  withoutConnections,
} from '../../support/rollout-changes.ts';

const old = { address: '10.244.1.7', pod: 'auth-old' } as const;

/** A pod that is deleted at 1 s, of which the EndpointSlice says so 200 ms later, and that is gone at 8 s. */
function rolled(nodes: SliceChangeStatus['nodes'], goneAt = 8000): SliceChangeStatus[] {
  return [
    change({ version: 101, earliest: 1200, ...old, was: serving, is: terminating, present: false, nodes }),
    change({ version: 102, earliest: goneAt, ...old, was: terminating }),
  ];
}

function resultOf(changes: readonly SliceChangeStatus[], more: Partial<RolloutInput> = {}): RolloutResult {
  return rolloutResult(rolloutInput(changes, more));
}

function withFirst(changes: readonly SliceChangeStatus[], more: Partial<SliceChangeStatus>): SliceChangeStatus[] {
  return changes.map((each, index) => (index === 0 ? { ...each, ...more } : each));
}

const kindsOf = ({ gaps }: RolloutResult): Gap['kind'][] => gaps.map(({ kind }) => kind);

describe('the verdict', () => {
  it('is that nothing was at risk, where every node sent no more before SIGTERM could come', () => {
    const result = resultOf(rolled([arrived('node-a', 100, 150), arrived('node-b', 2000, 2400)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 })],
    });
    expect(result).toMatchObject({
      verdict: 'noneAtRisk',
      gaps: [],
      changes: 2,
      preStopSleep: { seconds: 3, isEnough: true, from: 'podDeletion', node: 'node-b', address: old.address },
    });
    expect(result.goneEndpoints).toEqual([
      {
        address: old.address,
        ports: [8080],
        pod: old.pod,
        nodeName: 'node-a',
        risk: 'none',
        withdrawn: { earliest: at(1200), latest: at(1200) },
        stoppedServing: { earliest: at(8000), latest: at(8000) },
        deleted: { earliest: at(1000), latest: at(1200) },
        end: { earliest: at(6000), latest: at(6200) },
        preStop: { minSeconds: 5, maxSeconds: 5 },
        terminationGracePeriodSeconds: 30,
        nodes: [
          {
            node: 'node-a',
            risk: 'none',
            sentFor: { minMilliseconds: 100, maxMilliseconds: 150 },
            sentAfterEnd: { minMilliseconds: 0, maxMilliseconds: 0 },
            connections: { opened: 0, unanswered: 0, reset: 0 },
          },
          {
            node: 'node-b',
            risk: 'none',
            sentFor: { minMilliseconds: 2000, maxMilliseconds: 2400 },
            sentAfterEnd: { minMilliseconds: 0, maxMilliseconds: 0 },
            connections: { opened: 0, unanswered: 0, reset: 0 },
          },
        ],
        lastNode: 'node-b',
      },
    ]);
  });

  it('is that some were, where a node sent there after SIGTERM: the one that is behind is named', () => {
    const result = resultOf(rolled([arrived('node-a', 100, 150), arrived('node-b', 5500, 5600)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 })],
    });
    expect(result.verdict).toBe('someAtRisk');
    expect(result.nodes.map(({ node, risk, endpointsAtRisk }) => [node, risk, endpointsAtRisk])).toEqual([
      ['node-a', 'none', 0],
      ['node-b', 'atRisk', 1],
    ]);
    expect(result.goneEndpoints[0]?.nodes[1]?.sentAfterEnd).toEqual({ minMilliseconds: 500, maxMilliseconds: 800 });
    expect(result.preStopSleep).toMatchObject({
      seconds: 6,
      isEnough: true,
      took: { minMilliseconds: 5500, maxMilliseconds: 5800 },
      present: { preStopMinSeconds: 5, terminationGracePeriodSeconds: 30 },
    });
  });

  it('is that some were, where a pod has no preStop hook: SIGTERM comes before any rule can change', () => {
    const result = resultOf(rolled([arrived('node-a', 0, 40)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 1000 })],
    });
    expect(result.verdict).toBe('someAtRisk');
    expect(result.preStopSleep).toMatchObject({ seconds: 1, isEnough: true });
  });

  it('is that some were, where it was withdrawn when it had stopped serving already, whatever is known of its pod', () => {
    const at_ = change({
      version: 101,
      earliest: 1200,
      ...old,
      was: serving,
      present: false,
      nodes: [arrived('node-a', 0, 40)],
    });
    expect(resultOf([at_], { pods: undefined }).verdict).toBe('someAtRisk');
  });

  it('is partial where it is not known which was first', () => {
    const result = resultOf(rolled([arrived('node-a', 0, 6000)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 })],
    });
    expect(result.verdict).toBe('partial');
    expect(result.gaps).toEqual([{ kind: 'orderUnknown', node: 'node-a', endpoints: 1 }]);
  });

  it('is partial where a hook takes a time that no spec says', () => {
    const hooked = { ...pod(old.pod, old.address, { deletedAt: 1000 }) };
    const result = resultOf(rolled([arrived('node-a', 300)]), {
      pods: [{ ...hooked, containers: [{ ports: [8080], preStop: { kind: 'exec', command: ['/drain'] } }] }],
    });
    expect(result.verdict).toBe('partial');
    expect(result.goneEndpoints[0]?.preStop).toEqual({ minSeconds: 0, maxSeconds: 30 });
  });

  const good = { pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 })] } as const;

  it.each<[Gap['kind'], Partial<RolloutInput>]>([
    ['nodeUnanswered', { nodes: [{ name: 'node-c', hasAnswered: false }] }],
    ['commandFailed', { command: { words: ['false'], startedAt: at(0), endedAt: at(1), exitCode: 3 } }],
    ['commandFailed', { command: { words: ['sleep'], startedAt: at(0), endedAt: at(1), signal: 'SIGKILL' } }],
    ['commandFailed', { command: { words: ['sleep'], startedAt: at(0) } }],
    ['timedOut', { gaps: [{ kind: 'timedOut', timeoutSeconds: 60 }] }],
    ['podsUnreadable', { pods: undefined }],
    ['podsUnseen', { pods: [] }],
    ['endpointsTerminating', { terminating: ['10.244.1.9'] }],
  ])('is partial for %s alone', (kind, more) => {
    const result = resultOf(rolled([arrived('node-a', 100)]), { ...good, ...more });
    expect(result.verdict).toBe('partial');
    expect(kindsOf(result)).toContain(kind);
  });

  it('is partial where connections are not followed, or one may have been missed', () => {
    const changes = rolled([arrived('node-a', 100)]);
    expect(rolloutResult(withoutConnections(rolloutInput(changes, good)))).toMatchObject({
      verdict: 'partial',
      gaps: [{ kind: 'connectionsNotFollowed' }],
    });
    const notThere = { notFollowed: new Set(['node-a']), isOfAllOthers: true };
    expect(resultOf(changes, { ...good, following: notThere })).toMatchObject({
      verdict: 'partial',
      gaps: [{ kind: 'connectionsIncomplete', nodes: ['node-a'] }],
    });
    const row = {
      node: 'node-a',
      protocol: 'TCP',
      address: old.address,
      port: 8080,
      opened: 0,
      unanswered: 0,
      reset: 0,
    } as const;
    const missed = withFirst(changes, { connections: [{ ...row, isComplete: false }] });
    expect(resultOf(missed, good)).toMatchObject({
      verdict: 'partial',
      gaps: [{ kind: 'connectionsIncomplete', nodes: ['node-a'] }],
    });
    expect(resultOf(withFirst(changes, { omittedConnections: 4 }), good).verdict).toBe('partial');
  });

  it('is that some were, where a new connection failed, whatever the times say', () => {
    const changes = rolled([arrived('node-a', 100), arrived('node-b', 100)]);
    const row = { node: 'node-b', protocol: 'TCP', address: old.address, port: 8080, isComplete: true } as const;
    const lastOpened = at(1290);
    const of = (counts: { opened: number; unanswered: number; reset: number; kept?: number }): RolloutResult =>
      resultOf(withFirst(changes, { connections: [{ ...row, ...counts, lastOpened }] }), good);
    expect(of({ opened: 5, unanswered: 2, reset: 0 })).toMatchObject({
      verdict: 'someAtRisk',
      connections: { opened: 5, unanswered: 2, reset: 0 },
      nodes: [
        { node: 'node-a', risk: 'none' },
        { node: 'node-b', risk: 'atRisk' },
      ],
    });
    expect(of({ opened: 5, unanswered: 0, reset: 1 }).verdict).toBe('someAtRisk');
    // Answered while it still served; a RST of a connection that was there before is not one of a new one.
    expect(of({ opened: 5, unanswered: 0, reset: 0, kept: 3 })).toMatchObject({
      verdict: 'noneAtRisk',
      connections: { opened: 5, unanswered: 0, reset: 0, kept: 3 },
    });
    expect(of({ opened: 0, unanswered: 0, reset: 2 }).verdict).toBe('noneAtRisk');
  });

  it('needs no connections followed where no endpoint went', () => {
    const added = change({
      version: 101,
      earliest: 500,
      address: '10.244.1.9',
      pod: 'auth-new',
      is: serving,
      present: true,
      nodes: [arrived('node-a', 100), arrived('node-b', 900, 1000)],
    });
    expect(rolloutResult(withoutConnections(rolloutInput([added])))).toMatchObject({
      verdict: 'noneAtRisk',
      gaps: [],
      goneEndpoints: [],
      newEndpoints: [{ address: '10.244.1.9', pod: 'auth-new', lastNode: 'node-b' }],
    });
    expect(rolloutResult(rolloutInput([]))).toMatchObject({ verdict: 'noneAtRisk', changes: 0, nodes: [] });
  });
});

describe('an endpoint', () => {
  it('that came back did not go', () => {
    const back = change({
      version: 103,
      earliest: 4000,
      ...old,
      was: { ...serving, ready: false },
      is: serving,
      present: true,
      nodes: [arrived('node-a', 200)],
    });
    const away = change({
      version: 102,
      earliest: 2000,
      ...old,
      was: serving,
      is: { ...serving, ready: false },
      present: false,
      nodes: [arrived('node-a', 200)],
    });
    expect(resultOf([away, back])).toMatchObject({ verdict: 'noneAtRisk', goneEndpoints: [], changes: 2 });
  });

  it('of the name of a former pod is matched by its address', () => {
    const result = resultOf(rolled([arrived('node-a', 100)]), {
      pods: [
        pod(old.pod, '10.244.1.250', { deletedAt: 9000 }),
        pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 }),
      ],
    });
    expect(result.verdict).toBe('noneAtRisk');
  });

  it('whose pod terminates by a clock that runs ahead is not judged by that clock', () => {
    const result = resultOf(rolled([arrived('node-a', 100)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 60_000, sleep: 5 })],
    });
    expect(result.verdict).toBe('partial');
    expect(kindsOf(result)).toContain('clocksDiffer');
  });

  it('that was drained before its pod was deleted is safe without a hook', () => {
    const drained = change({
      version: 101,
      earliest: 1000,
      ...old,
      was: serving,
      is: { ready: false, serving: true, terminating: false },
      present: false,
      nodes: [arrived('node-a', 300)],
    });
    const ended = change({ version: 102, earliest: 9000, ...old, was: { ...serving, ready: false }, is: stopped });
    const result = resultOf([drained, ended], { pods: [pod(old.pod, old.address, { deletedAt: 8000 })] });
    expect(result).toMatchObject({ verdict: 'noneAtRisk', preStopSleep: { seconds: 0, isEnough: true } });
  });

  it('that a node is not known to have withdrawn keeps the sleep from being enough', () => {
    const result = resultOf(rolled([arrived('node-a', 100), pending('node-b', 3000)]), {
      pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 5 })],
    });
    expect(result).toMatchObject({
      verdict: 'partial',
      gaps: [{ kind: 'nodeBehind', node: 'node-b', changes: 1 }],
      preStopSleep: { node: 'node-b', isEnough: false, seconds: 3 },
    });
  });
});

describe('of any rollout', () => {
  const lag = fc
    .record({ least: fc.nat(20_000), more: fc.nat(5000) })
    .map(({ least, more }) => ({ minMilliseconds: least, maxMilliseconds: least + more }));
  const nodes = fc.array(lag, { minLength: 1, maxLength: 5 });
  const pods = fc.record({ sleep: fc.nat(20), grace: fc.integer({ min: 1, max: 60 }) });
  const changesOf = (
    lags: readonly { minMilliseconds: number; maxMilliseconds: number }[],
    goneAt?: number,
  ): SliceChangeStatus[] =>
    rolled(
      lags.map((each, index) => ({ node: `node-${String(index)}`, state: 'Arrived', ...each })),
      goneAt,
    );

  it('more lag never makes the sleep shorter, nor the verdict better', () => {
    const rank = { noneAtRisk: 0, partial: 1, someAtRisk: 2 } as const;
    fc.assert(
      fc.property(nodes, pods, fc.nat(4), fc.nat(30_000), (lags, { sleep, grace }, which, more) => {
        const more_ = lags.map(({ minMilliseconds, maxMilliseconds }, index) =>
          index === which % lags.length
            ? { minMilliseconds: minMilliseconds + more, maxMilliseconds: maxMilliseconds + more }
            : { minMilliseconds, maxMilliseconds },
        );
        const own = { pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep, grace })] };
        const [before, after] = [resultOf(changesOf(lags), own), resultOf(changesOf(more_), own)];
        expect(after.preStopSleep?.seconds).toBeGreaterThanOrEqual(before.preStopSleep?.seconds ?? Infinity);
        expect(rank[after.verdict]).toBeGreaterThanOrEqual(rank[before.verdict]);
      }),
    );
  });

  it('a pod that sleeps as long as the result says is not at risk by the same lags', () => {
    fc.assert(
      fc.property(nodes, (lags) => {
        const of = (sleep: number): RolloutResult =>
          resultOf(changesOf(lags, 2000 + sleep * 1000), {
            pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep, grace: 600 })],
          });
        const { preStopSleep } = of(0);
        expect(preStopSleep?.isEnough).toBe(true);
        expect(of(preStopSleep?.seconds ?? 0).verdict).toBe('noneAtRisk');
      }),
    );
  });

  it('what is not known as a whole is never shown as healthy', () => {
    const gap = fc.constantFrom<Partial<RolloutInput>>(
      { nodes: [{ name: 'node-9', hasAnswered: false }] },
      { pods: undefined },
      { pods: [] },
      { following: { notFollowed: new Set(['node-0']), isOfAllOthers: true } },
      { following: { notFollowed: new Set(), isOfAllOthers: false } },
      { command: { words: ['x'], startedAt: at(0), exitCode: 1 } },
      { gaps: [{ kind: 'interrupted' }] },
      { terminating: ['10.0.0.1'] },
    );
    fc.assert(
      fc.property(nodes, pods, gap, fc.boolean(), (lags, { sleep, grace }, more, isPending) => {
        const own = { pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep, grace })] };
        const changes = changesOf(lags);
        const behind = rolled([...(changes[0]?.nodes ?? []), pending('node-8')]);
        expect(resultOf(isPending ? behind : changes, { ...own, ...more }).verdict).not.toBe('noneAtRisk');
        expect(resultOf(behind, own).verdict).not.toBe('noneAtRisk');
      }),
    );
  });

  it('the order in which changes became known does not matter', () => {
    fc.assert(
      fc.property(nodes, fc.boolean(), (lags, isTurned) => {
        const own = { pods: [pod(old.pod, old.address, { deletedAt: 1000, sleep: 3 })] };
        const changes = changesOf(lags);
        expect(resultOf(isTurned ? [...changes].reverse() : changes, own)).toEqual(resultOf(changes, own));
      }),
    );
  });
});
