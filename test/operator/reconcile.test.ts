import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { intervalOf, isActive, reconcile, StatusRefusedError, type ReconcileDeps } from '../../operator/reconcile.ts';
import { logTo } from '../support/log-lines.ts';

const now = Date.parse('2026-11-24T10:00:00Z');
const at = (seconds: number): string => new Date(now + seconds * 1000).toISOString();

function status(ready: 'True' | 'False' | 'Unknown', extra: Partial<ServiceTraceStatus> = {}): ServiceTraceStatus {
  return {
    observedGeneration: 1,
    collectedAt: at(-1),
    conditions: [
      {
        type: 'Ready',
        status: ready,
        reason: ready === 'True' ? 'Collected' : 'NodesDidNotAnswer',
        message: 'm',
        lastTransitionTime: at(-1),
      },
    ],
    ...extra,
  };
}

/** As a trace of mode Watch has it whose results come at their interval. */
function onSchedule(base: ServiceTraceStatus): ServiceTraceStatus {
  const condition = {
    type: 'OnSchedule' as const,
    status: 'True' as const,
    reason: 'AtInterval',
    message: 'results come at their interval',
    lastTransitionTime: at(-1),
    observedGeneration: 1,
  };
  return { ...base, conditions: [...(base.conditions ?? []), condition] };
}

function trace(spec: Partial<ServiceTrace['spec']> = {}, extra: Partial<ServiceTrace> = {}): ServiceTrace {
  return {
    apiVersion: 'svctrace.io/v1alpha1',
    kind: 'ServiceTrace',
    metadata: { name: 'a', namespace: 'default', uid: 'u1', generation: 1, ...extra.metadata },
    spec: { serviceRef: { name: 'auth-service' }, mode: 'Once', ...spec },
    ...(extra.status === undefined ? {} : { status: extra.status }),
  };
}

/** Everything that a reconciliation does, as words. */
function world(
  object: ServiceTrace | undefined,
  collected: ServiceTraceStatus = status('True'),
  others: ServiceTrace[] = [],
): { deps: ReconcileDeps; done: string[] } {
  const done: string[] = [];
  const deps: ReconcileDeps = {
    now: () => now,
    log: logTo((line) => done.push(`log ${line}`)),
    watchesBefore: () => undefined,
    schedule: { done: () => 1 },
    isOtherActive: () => others.some(isActive),
    engine: {
      trace: async () => {
        done.push('collect');
        return { status: collected, desired: undefined, answers: [], cluster: undefined, nodeZones: {}, walkFrom: [] };
      },
      release: async () => {
        done.push('release');
      },
      changeAfter: () => undefined,
    },
    store: {
      read: async () => object,
      writeStatus: async (_trace, written) => {
        done.push(`write ${written.conditions?.[0]?.status ?? 'nothing'}`);
      },
      delete: async () => {
        done.push('delete');
      },
      recordEvent: async (_trace, type, reason) => {
        done.push(`tell ${type} ${reason}`);
      },
    },
  };
  return { deps, done };
}

const other = trace({ mode: 'Watch' }, { metadata: { name: 'b', namespace: 'default', uid: 'u2', generation: 1 } });

/** name, what there is, what is collected, what must be done, when to come back. */
const cases: [string, ReturnType<typeof world>, string[], number | undefined][] = [
  [
    'a new trace of mode Once is collected, written, told, and its probes end',
    world(trace()),
    ['collect', 'write True', 'tell Normal Collected', 'release'],
    undefined,
  ],
  ['a finished one is left alone', world(trace({}, { status: status('True') })), ['release'], undefined],
  [
    'a finished one whose spec changed is collected again',
    world(trace({}, { status: status('True', { observedGeneration: 0 }) })),
    ['collect', 'write True', 'release'],
    undefined,
  ],
  [
    'one with nodes that did not answer is tried again',
    world(trace(), status('False')),
    ['collect', 'write False', 'tell Warning NodesDidNotAnswer'],
    10_000,
  ],
  [
    'the probes stay while another trace needs them',
    world(trace(), status('True'), [other]),
    ['collect', 'write True', 'tell Normal Collected'],
    undefined,
  ],
  [
    'a finished one waits for its ttl',
    world(trace({ ttlSecondsAfterFinished: 60 }, { status: status('True') })),
    ['release'],
    59_000,
  ],
  [
    'past its ttl it is deleted',
    world(trace({ ttlSecondsAfterFinished: 1 }, { status: status('True', { collectedAt: at(-5) }) })),
    ['release', 'delete'],
    undefined,
  ],
  [
    'Watch comes back after the interval',
    world(trace({ mode: 'Watch', interval: '3s' })),
    ['collect', 'write True', 'tell Normal Collected'],
    3000,
  ],
  [
    'Watch writes nothing where nothing is new',
    world(trace({ mode: 'Watch' }, { status: onSchedule(status('True')) })),
    ['collect'],
    10_000,
  ],
  [
    'but renews the age of its status',
    world(trace({ mode: 'Watch' }, { status: status('True', { collectedAt: at(-61) }) })),
    ['collect', 'write True'],
    10_000,
  ],
  ['a suspended trace is not collected', world(trace({ mode: 'Watch', suspend: true })), ['release'], undefined],
  ['a deleted trace ends the probes', world(undefined), ['release'], undefined],
  ['a deleted trace leaves the probes of another', world(undefined, undefined, [other]), [], undefined],
  [
    'a trace whose viewer is gone is deleted',
    world(
      trace(
        { mode: 'Watch' },
        {
          metadata: {
            name: 'a',
            namespace: 'default',
            uid: 'u1',
            generation: 1,
            annotations: { 'svctrace.io/expires-at': at(-1) },
          },
        },
      ),
    ),
    ['delete'],
    undefined,
  ],
  [
    'a trace with a viewer is written every time, and looked at when the viewer may be gone',
    world(
      trace(
        { mode: 'Watch', interval: '1m' },
        {
          status: status('True'),
          metadata: {
            name: 'a',
            namespace: 'default',
            uid: 'u1',
            generation: 1,
            annotations: { 'svctrace.io/expires-at': at(30) },
          },
        },
      ),
    ),
    ['collect', 'write True'],
    30_000,
  ],
];

describe('reconcile', () => {
  it.each(cases)('%s', async (_name, { deps, done }, expected, again) => {
    expect((await reconcile('default/a', deps)).again).toBe(again);
    expect(done).toEqual(expected);
  });
});

describe('reconcile, where things go wrong', () => {
  it('writes what keeps it from collecting, once, and fails so that it is tried again', async () => {
    const { deps, done } = world(trace());
    const failing = {
      ...deps,
      engine: {
        ...deps.engine,
        trace: async () => {
          throw new Error('nodes is forbidden');
        },
      },
    };
    await expect(reconcile('default/a', failing)).rejects.toThrow('nodes is forbidden');
    expect(done).toEqual(['write False', 'tell Warning CollectionFailed']);

    const refused = status('False', {
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'CollectionFailed',
          message: 'nodes is forbidden',
          lastTransitionTime: at(-9),
          observedGeneration: 1,
        },
      ],
    });
    const again = world(trace({}, { status: refused }));
    await expect(reconcile('default/a', { ...failing, store: again.deps.store })).rejects.toThrow('nodes is forbidden');
    expect(again.done).toEqual([]);
  });

  it('writes nothing after it was ended', async () => {
    const { deps, done } = world(trace());
    const controller = new AbortController();
    const ended = {
      ...deps,
      signal: controller.signal,
      engine: {
        ...deps.engine,
        trace: async (...args: Parameters<typeof deps.engine.trace>) => {
          controller.abort();
          return deps.engine.trace(...args);
        },
      },
    };
    expect(await reconcile('default/a', ended)).toEqual({});
    expect(done).toEqual(['collect']);
  });

  it('asks nodes that do not answer ever more seldom', async () => {
    const failingSince = (seconds: number): ServiceTraceStatus => {
      const failed = status('False');
      return {
        ...failed,
        conditions: (failed.conditions ?? []).map((condition) => ({ ...condition, lastTransitionTime: at(-seconds) })),
      };
    };
    for (const [seconds, again] of [
      [1, 10_000],
      [40, 40_000],
      [4000, 300_000],
    ] as const) {
      expect(
        (await reconcile('default/a', world(trace({}, { status: failingSince(seconds) }), failingSince(seconds)).deps))
          .again,
      ).toBe(again);
    }
  });

  it('looks again soon where nodes have not yet written the newest change', async () => {
    const syncing = status('True');
    syncing.conditions?.push({
      type: 'Converged',
      status: 'False',
      reason: 'Syncing',
      message: 'm',
      lastTransitionTime: at(0),
    });
    expect((await reconcile('default/a', world(trace({ mode: 'Watch' }), syncing).deps)).again).toBe(1000);
  });
});

/** A status of one node whose probe is in this state. */
const withNode = (state: 'Waiting' | 'Collected', ready: 'True' | 'Unknown'): ServiceTraceStatus =>
  status(ready, { nodes: [{ name: 'node-a', probe: { state }, proxyMode: 'unknown', ports: [] }] });

describe('progress', () => {
  let computed = 0;
  const collecting = (object: ServiceTrace, result: ServiceTraceStatus): ReturnType<typeof world> => {
    const { deps, done } = world(object, result);
    const trace_: typeof deps.engine.trace = async (request) => {
      request.onProgress?.(() => {
        computed += 1;
        return withNode('Waiting', 'Unknown');
      });
      await Promise.resolve();
      return deps.engine.trace(request);
    };
    return { deps: { ...deps, engine: { ...deps.engine, trace: trace_ } }, done };
  };

  it('is written, and the result after it, even where the result was the same before', async () => {
    const { deps, done } = collecting(
      trace({ mode: 'Watch' }, { status: withNode('Waiting', 'Unknown') }),
      withNode('Waiting', 'Unknown'),
    );
    await reconcile('default/a', deps);
    expect(done).toEqual(['write Unknown', 'collect', 'write Unknown']);
  });

  it('does not hide a whole status of the same spec', async () => {
    const { deps, done } = collecting(
      trace({ mode: 'Watch' }, { status: onSchedule(withNode('Collected', 'True')) }),
      withNode('Collected', 'True'),
    );
    computed = 0;
    await reconcile('default/a', deps);
    expect(done).toEqual(['collect']);
    expect(computed, 'nobody gets it, so nobody works it out').toBe(0);
  });

  it('is worked out once for each time that it is written, ever more seldom, however often a node answers', async () => {
    let worked = 0;
    let clock = 0;
    /** A pause lasts until the clock has come there, or the collection has ended. */
    const pause = async (milliseconds: number, signal: AbortSignal): Promise<void> => {
      const end = clock + milliseconds;
      while (clock < end && !signal.aborted) await nextTurn();
    };
    const { deps, done } = world(trace());
    const trace_: typeof deps.engine.trace = async (request) => {
      for (let answer = 0; answer < 1000; answer += 1) {
        request.onProgress?.(() => {
          worked += 1;
          return withNode('Waiting', 'Unknown');
        });
        clock += 1;
        await nextTurn();
      }
      return deps.engine.trace(request);
    };
    await reconcile('default/a', { ...deps, pause, engine: { ...deps.engine, trace: trace_ } });
    const written = done.filter((line) => line === 'write Unknown').length;
    expect(worked).toBe(written);
    // One second: at its begin, and after half a second.
    expect(written).toBe(2);
  });
});

describe('a status that the API server refuses', () => {
  const refusing = (object: ServiceTrace): ReturnType<typeof world> & { written: ServiceTraceStatus[] } => {
    const { deps, done } = world(
      object,
      status('True', {
        nodes: [{ name: 'node-a', probe: { state: 'Collected' }, proxyMode: 'unknown', ports: [] }],
        summary: { nodes: '1/1', endpoints: '1/1', findings: 0 },
      }),
    );
    const written: ServiceTraceStatus[] = [];
    const writeStatus: typeof deps.store.writeStatus = async (_trace, each) => {
      if ((each.nodes ?? []).length > 0)
        throw new StatusRefusedError(`status.nodes[0]: Invalid value: ${'x'.repeat(40_000)}`);
      written.push(each);
      done.push('write');
    };
    return { deps: { ...deps, store: { ...deps.store, writeStatus } }, done, written };
  };

  it.each(['Once', 'Watch'] as const)(
    'of mode %s is followed by the least that says so, in bounds, and tried ever more seldom',
    async (mode) => {
      const { deps, done, written } = refusing(trace({ mode }));
      expect((await reconcile('default/a', deps)).again).toBe(10_000);
      expect(done.map((line) => line.slice(0, 40))).toEqual([
        'collect',
        'log default/a: the API server refuses it',
        'write',
        'tell Warning StatusRefused',
      ]);
      const [least] = written;
      expect(least).toMatchObject({ observedGeneration: 1, nodes: [], findings: [], summary: { nodes: '1/1' } });
      expect(least?.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`)).toEqual([
        'Ready=False StatusRefused',
      ]);
      expect(least?.conditions?.[0]?.message.length).toBeLessThan(2100);
      const since = {
        ...status('False'),
        conditions: [
          {
            type: 'Ready' as const,
            status: 'False' as const,
            reason: 'StatusRefused',
            message: 'm',
            lastTransitionTime: at(-120),
          },
        ],
      };
      expect((await reconcile('default/a', refusing(trace({ mode }, { status: since })).deps)).again).toBe(120_000);
    },
  );

  it('fails where even that is refused, so that the queue tries again', async () => {
    const { deps } = world(trace());
    const store = {
      ...deps.store,
      writeStatus: async () => {
        throw new StatusRefusedError('no');
      },
    };
    await expect(reconcile('default/a', { ...deps, store })).rejects.toThrow('no');
  });
});

it.each([
  ['500ms', 500],
  ['5s', 5000],
  ['1m30s', 90_000],
  ['2h', 7_200_000],
  [undefined, 10_000],
] as const)('an interval of %s is %d ms', (interval, expected) => {
  expect(intervalOf(trace(interval === undefined ? {} : { interval }), {})).toBe(expected);
});

describe('a trace of mode Watch', () => {
  const conditions = (written: ServiceTraceStatus | undefined): string[] =>
    (written?.conditions ?? []).map(({ type, status: value, reason }) => `${type}=${value} ${reason}`);
  const collecting = (
    times: number,
    object = trace({ mode: 'Watch' }),
  ): { deps: ReconcileDeps; written: ServiceTraceStatus[]; done: string[] } => {
    const { deps, done } = world(object);
    const written: ServiceTraceStatus[] = [];
    return {
      deps: {
        ...deps,
        schedule: { done: () => times },
        store: {
          ...deps.store,
          writeStatus: async (_trace, each) => {
            written.push(each);
          },
        },
      },
      written,
      done,
    };
  };

  it('past as many as a namespace may have is not collected, says why, and says it once', async () => {
    const { deps, written, done } = collecting(1);
    expect((await reconcile('default/a', { ...deps, watchesBefore: () => 50 })).again).toBe(60_000);
    expect(done).toEqual(['tell Warning TooManyWatches']);
    expect(conditions(written[0])).toEqual(['Ready=False TooManyWatches']);
    expect(written[0]?.conditions?.[0]?.message).toContain('namespace default has 50 traces of mode Watch');
    const again = collecting(1, trace({ mode: 'Watch' }, { status: written[0] ?? status('False') }));
    await reconcile('default/a', { ...again.deps, watchesBefore: () => 50 });
    expect(again.written).toEqual([]);
  });

  it('of mode Once is never counted', async () => {
    const { deps, done } = world(trace());
    await reconcile('default/a', { ...deps, watchesBefore: () => 50 });
    expect(done).toContain('collect');
  });

  it.each([
    [0, 'OnSchedule=True AtInterval', 'at their interval'],
    [1.9, 'OnSchedule=True AtInterval', 'at their interval'],
    [2.1, 'OnSchedule=False FellBehind', 'at least 2 times'],
    [7.5, 'OnSchedule=False FellBehind', 'at least 4 times'],
  ])('whose results are %d intervals apart has %s', async (times, expected, words) => {
    const { deps, written } = collecting(times);
    await reconcile('default/a', deps);
    expect(conditions(written[0])).toContain(expected);
    expect(written[0]?.conditions?.at(-1)?.message).toContain(words);
  });

  it('has the shortest interval that is admitted where it asks for a shorter one, and says so', async () => {
    for (const [interval, again, condition] of [
      ['5s', 30_000, 'False IntervalTooShort'],
      ['30s', 30_000, 'True AtInterval'],
      ['1m', 60_000, 'True AtInterval'],
    ] as const) {
      const { deps, written } = collecting(1, trace({ mode: 'Watch', interval }));
      const result = await reconcile('default/a', { ...deps, minIntervalMilliseconds: 30_000 });
      expect(result.again).toBe(again);
      const own = written[0]?.conditions?.find(({ type }) => type === 'OnSchedule');
      expect(`${own?.status ?? ''} ${own?.reason ?? ''}`).toBe(condition);
    }
  });

  it('that fell behind is not written again for a few seconds more', async () => {
    const first = collecting(4.5);
    await reconcile('default/a', first.deps);
    const stored = { ...first.written[0], collectedAt: at(-1) };
    const again = collecting(6.5, trace({ mode: 'Watch' }, { status: stored }));
    await reconcile('default/a', again.deps);
    expect(again.written).toEqual([]);
  });

  it('is written without the nodes that take long, gives its place up, and is written whole when they have answered', async () => {
    const { deps, written, done } = collecting(1);
    const order: string[] = [];
    const trace_: typeof deps.engine.trace = async (request) => {
      request.onHeldUp?.(async () => status('Unknown'));
      await sleep(5);
      order.push(`place given up, written ${String(written.length)}`);
      return deps.engine.trace(request);
    };
    await reconcile('default/a', {
      ...deps,
      onHeldUp: () => {
        order.push('give up');
      },
      engine: { ...deps.engine, trace: trace_ },
    });
    expect(order).toEqual(['give up', 'place given up, written 1']);
    expect(written.map((each) => each.conditions?.[0]?.status)).toEqual(['Unknown', 'True']);
    expect(done).toContain('collect');
  });
});

it('does not write as converged what changed while the nodes were asked', async () => {
  const converged: ServiceTraceStatus = {
    ...status('True'),
    conditions: [
      ...(status('True').conditions ?? []),
      { type: 'Converged', status: 'True', reason: 'RulesEqual', message: 'm', lastTransitionTime: at(-1) },
    ],
  };
  const { deps } = world(trace({ mode: 'Watch' }), converged);
  const written: ServiceTraceStatus[] = [];
  const changed = { endpointSlice: 'auth-1', resourceVersion: '7', earliest: 0, latest: 0 };
  const again = await reconcile('default/a', {
    ...deps,
    engine: { ...deps.engine, changeAfter: () => ({ ...changed, endpoints: [], before: [], after: [] }) },
    store: {
      ...deps.store,
      writeStatus: async (_trace, now) => {
        written.push(now);
      },
    },
  });
  expect(written.map(({ conditions }) => conditions?.find(({ type }) => type === 'Converged'))).toEqual([
    expect.objectContaining({
      status: 'False',
      reason: 'Syncing',
      message: expect.stringMatching(/^EndpointSlice auth-1 changed \(resourceVersion 7\)/),
    }),
  ]);
  expect(again).toEqual({ again: 1000 });
});
