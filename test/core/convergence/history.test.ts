import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointSliceStatus, SliceChangeStatus } from '../../../core/api/service-trace.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { changeHistory } from '../../../core/convergence/history.ts';
import type { RuleObservation } from '../../../core/convergence/rule-observation.ts';
import type { SliceVersion } from '../../../core/convergence/slice-changes.ts';

const start = Date.parse('2026-11-30T12:00:00Z');

const desired: DesiredService = {
  namespace: 'shop',
  name: 'auth-service',
  service: {
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.7'],
    externalIPs: [],
    loadBalancerIPs: [],
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
  },
  endpointSlices: [],
};

function sliceOf(ready: readonly string[], nodeOf: (address: string) => string = () => 'node-a'): EndpointSliceStatus {
  return {
    name: 'auth-service-1',
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: ready.map((address) => ({
      addresses: [address],
      ready: true,
      serving: true,
      terminating: false,
      nodeName: nodeOf(address),
    })),
  };
}

function version(resourceVersion: number, seenAt: number, slice: EndpointSliceStatus): SliceVersion {
  return { slice, resourceVersion: String(resourceVersion), isGone: false, seenAt, notBefore: seenAt };
}

function observation(latest: number, targets: readonly string[], more: Partial<RuleObservation> = {}): RuleObservation {
  return {
    node: 'node-a',
    latest,
    source: 'Reading',
    frontends: [
      {
        family: 'IPv4',
        frontend: 'ClusterIP',
        address: '10.96.0.7',
        portName: 'http',
        protocol: 'TCP',
        port: 80,
        verdict: targets.length === 0 ? 'REJECT' : 'DNAT',
        dnatTargets: targets.map((address) => ({ address, port: 8080 })),
      },
    ],
    ...more,
  };
}

function run(
  versions: readonly SliceVersion[],
  observations: readonly RuleObservation[],
  former: readonly SliceChangeStatus[] = [],
  before: readonly EndpointSliceStatus[] = [sliceOf(['10.0.0.1'])],
): readonly SliceChangeStatus[] {
  return changeHistory({
    desired,
    nodes: [{ node: 'node-a' }],
    former,
    slices: { before, versions },
    observations,
  }).changes;
}

const added = version(100, start, sliceOf(['10.0.0.1', '10.0.0.2']));
const undone = version(101, start + 1000, sliceOf(['10.0.0.1']));
const redone = version(102, start + 2000, sliceOf(['10.0.0.1', '10.0.0.2']));

describe('changeHistory', () => {
  it('times a change from the last reading without it to the first one with it', () => {
    const [change] = run(
      [added],
      [
        observation(start - 5000, ['10.0.0.1']),
        observation(start + 3000, ['10.0.0.1']),
        observation(start + 8000, ['10.0.0.1', '10.0.0.2']),
        observation(start + 18_000, ['10.0.0.1', '10.0.0.2']),
      ],
    );
    expect(change?.nodes).toEqual([
      { node: 'node-a', state: 'Arrived', minMilliseconds: 3000, maxMilliseconds: 8000, fromMilliseconds: 3000 },
    ]);
    expect(change?.endpoints).toEqual([
      {
        address: '10.0.0.2',
        change: 'Added',
        nodeName: 'node-a',
        is: { ready: true, serving: true, terminating: false },
      },
    ]);
    expect(change?.lag).toMatchObject({ nodes: 1, arrived: 1, lastNode: 'node-a' });
  });

  it('knows nothing below the first reading: the lag is at most that', () => {
    const [change] = run([added], [observation(start + 9000, ['10.0.0.1', '10.0.0.2'])]);
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'Arrived', minMilliseconds: 0, maxMilliseconds: 9000 }]);
  });

  it('times a notified change within what the node reports, by its clock and its bounds', () => {
    const clock = { milliseconds: 60_000, uncertainty: 4 };
    const [change] = run(
      [added],
      [
        observation(start + 60_000 - 500, ['10.0.0.1'], { clock, source: 'Notification' }),
        observation(start + 60_000 + 250, ['10.0.0.1', '10.0.0.2'], {
          earliest: start + 60_000 + 249,
          clock,
          source: 'Notification',
        }),
      ],
    );
    expect(change?.nodes).toEqual([
      { node: 'node-a', state: 'Arrived', minMilliseconds: 245, maxMilliseconds: 254, fromMilliseconds: 245 },
    ]);
  });

  it('waits for a node whose rules do not have it, for at least as long as they were seen without it', () => {
    const [change] = run([added], [observation(start + 7000, ['10.0.0.1'])]);
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'Pending', minMilliseconds: 7000 }]);
    expect(change?.lag).toMatchObject({ pending: 1, arrived: 0 });
    expect(change?.lag.max).toBeUndefined();
  });

  it('waits for all endpoints of a change, not for the first of them', () => {
    const [change] = run(
      [version(100, start, sliceOf(['10.0.0.1', '10.0.0.2', '10.0.0.3']))],
      [observation(start + 7000, ['10.0.0.1', '10.0.0.2'], { source: 'Notification' })],
    );
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'Pending', minMilliseconds: 7000 }]);
  });

  it('says of a change that was undone before it arrived that it never did', () => {
    const [change] = run([added, undone], [observation(start + 5000, ['10.0.0.1'], { source: 'Notification' })]);
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'NeverArrived', minMilliseconds: 0 }]);
  });

  it('does not say so where the rules were only read before and after', () => {
    const [change] = run([added, undone], [observation(start + 5000, ['10.0.0.1'])]);
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'Unseen', minMilliseconds: 0 }]);
  });

  it('does not say so where a node that is far behind may have had it before it was asked once more', () => {
    const [change] = run(
      [added, undone, { ...redone, notBefore: start + 1100 }],
      [
        observation(start + 1050, ['10.0.0.1'], { source: 'Notification' }),
        observation(start + 1500, ['10.0.0.1', '10.0.0.2'], { source: 'Notification', earliest: start + 1499 }),
      ],
    );
    expect(change?.nodes[0]?.state).toBe('Unseen');
  });

  it('says when it arrived where the watch delivered it later than that: the lag may be nothing, and the moment is known', () => {
    const [change] = run(
      [{ ...added, seenAt: start + 900 }],
      [
        observation(start - 1000, ['10.0.0.1'], { source: 'Notification' }),
        observation(start + 300, ['10.0.0.1', '10.0.0.2'], { source: 'Notification', earliest: start + 299 }),
      ],
    );
    expect(change?.nodes).toEqual([
      { node: 'node-a', state: 'Arrived', minMilliseconds: 0, maxMilliseconds: 300, fromMilliseconds: 299 },
    ]);
    // It stays so.
    const then = changeHistory({
      desired,
      nodes: [{ node: 'node-a' }],
      former: change === undefined ? [] : [change],
      observations: [observation(start + 2000, ['10.0.0.1', '10.0.0.2'])],
    }).changes;
    expect(then[0]?.nodes).toEqual(change?.nodes);
  });

  it('does not take what a third change brought for the first one', () => {
    const changes = run(
      [added, undone, redone],
      [
        observation(start + 1500, ['10.0.0.1'], { source: 'Notification' }),
        observation(start + 2400, ['10.0.0.1', '10.0.0.2'], { source: 'Notification', earliest: start + 2390 }),
      ],
    );
    expect(changes.map(({ nodes }) => nodes[0])).toEqual([
      { node: 'node-a', state: 'NeverArrived', minMilliseconds: 0 },
      { node: 'node-a', state: 'Arrived', minMilliseconds: 0, maxMilliseconds: 500 },
      { node: 'node-a', state: 'Arrived', minMilliseconds: 390, maxMilliseconds: 400, fromMilliseconds: 390 },
    ]);
  });

  it('still times a change that arrived after it was undone', () => {
    const [change] = run(
      [added, undone],
      [
        observation(start + 1200, ['10.0.0.1', '10.0.0.2'], { source: 'Notification' }),
        observation(start + 1500, ['10.0.0.1'], { source: 'Notification' }),
      ],
    );
    expect(change?.nodes).toEqual([{ node: 'node-a', state: 'Arrived', minMilliseconds: 0, maxMilliseconds: 1200 }]);
  });

  it('asks a node for its own endpoints alone where the traffic policy is Local', () => {
    const { changes } = changeHistory({
      desired: {
        ...desired,
        service: { ...desired.service, internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' },
      },
      nodes: [{ node: 'node-a' }, { node: 'node-b' }],
      former: [],
      slices: {
        before: [sliceOf(['10.0.0.1'])],
        versions: [
          version(
            100,
            start,
            sliceOf(['10.0.0.1', '10.0.1.1'], (address) => (address === '10.0.1.1' ? 'node-b' : 'node-a')),
          ),
        ],
      },
      observations: [observation(start + 1000, ['10.0.0.1'])],
    });
    expect(changes[0]?.nodes).toEqual([{ node: 'node-b', state: 'Pending', minMilliseconds: 0 }]);
  });

  it('narrows the time of a change by the second that the API server wrote, and not where the two clocks differ', () => {
    const at = (writtenAt: number): SliceChangeStatus | undefined =>
      run([{ ...added, seenAt: start + 10_000, notBefore: start, writtenAt }], [])[0];
    expect(at(start + 4000)).toMatchObject({
      earliest: '2026-11-30T12:00:04.000Z',
      latest: '2026-11-30T12:00:04.999Z',
    });
    expect(at(start + 60_000)).toMatchObject({
      earliest: '2026-11-30T12:00:00.000Z',
      latest: '2026-11-30T12:00:10.000Z',
    });
  });

  it('keeps what was known where a status of before is continued', () => {
    const first = run([added], [observation(start + 3000, ['10.0.0.1'])]);
    const then = changeHistory({
      desired,
      nodes: [{ node: 'node-a' }],
      former: first,
      observations: [observation(start + 4000, ['10.0.0.1', '10.0.0.2'])],
    }).changes;
    expect(then[0]?.nodes).toEqual([
      { node: 'node-a', state: 'Arrived', minMilliseconds: 3000, maxMilliseconds: 4000, fromMilliseconds: 3000 },
    ]);
  });

  it('keeps the last 20, and counts the others', () => {
    const versions = Array.from({ length: 25 }, (_, index) =>
      version(100 + index, start + index, sliceOf(index % 2 === 0 ? ['10.0.0.1', '10.0.0.2'] : ['10.0.0.1'])),
    );
    const history = changeHistory({
      desired,
      nodes: [],
      former: [],
      slices: { before: [sliceOf(['10.0.0.1'])], versions },
      observations: [],
    });
    expect(history.changes.map(({ resourceVersion }) => resourceVersion)).toEqual(
      Array.from({ length: 20 }, (_, index) => String(105 + index)),
    );
    expect(history.dropped).toBe(5);
  });
});

/** A cluster of one Service with true moments: slices change, and each node writes the newest ones that have reached it. */
const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const world = fc
  .record({
    steps: fc.array(fc.record({ after: fc.integer({ min: 1, max: 3000 }), flip: fc.nat(2) }), {
      minLength: 1,
      maxLength: 8,
    }),
    /** When the node writes, and how old what it writes is. */
    writes: fc.array(
      fc.record({ after: fc.integer({ min: 1, max: 4000 }), behind: fc.integer({ min: 0, max: 2000 }) }),
      {
        maxLength: 8,
      },
    ),
    readings: fc.array(
      fc.record({ after: fc.integer({ min: 1, max: 5000 }), takes: fc.integer({ min: 0, max: 500 }) }),
      { minLength: 1, maxLength: 8 },
    ),
    isNotified: fc.boolean(),
    offset: fc.integer({ min: -100_000, max: 100_000 }),
    uncertainty: fc.integer({ min: 0, max: 200 }),
    error: fc.double({ min: -1, max: 1, noNaN: true }),
    stamped: fc.boolean(),
    shuffle: fc.integer(),
  })
  .map((plan) => {
    let at = start;
    let ready = new Set(['10.0.0.1']);
    const states = [{ at: -Infinity, ready }];
    const versions: SliceVersion[] = [];
    for (const [index, { after, flip }] of plan.steps.entries()) {
      at += after;
      const flipped = addresses[flip] ?? '';
      ready = ready.has(flipped)
        ? new Set([...ready].filter((address) => address !== flipped))
        : new Set([...ready, flipped]);
      states.push({ at, ready });
      versions.push({
        slice: sliceOf([...ready].sort()),
        resourceVersion: String(98 + index),
        isGone: false,
        seenAt: at + 30,
        notBefore: at - 700,
        ...(plan.stamped ? { writtenAt: Math.floor(at / 1000) * 1000 } : {}),
      });
    }
    let reached = 0;
    let written = start;
    const rules = [{ at: -Infinity, ready: states[0]?.ready ?? new Set<string>() }];
    for (const { after, behind } of plan.writes) {
      written += after;
      // What has reached it is not forgotten.
      reached = Math.max(
        reached,
        states.findLastIndex((state) => state.at <= written - behind),
      );
      rules.push({ at: written, ready: states[reached]?.ready ?? new Set() });
    }
    const clock = {
      milliseconds: Math.round(plan.offset + plan.error * plan.uncertainty),
      uncertainty: plan.uncertainty + 1,
    };
    const rulesAt = (time: number): Set<string> => rules.findLast((each) => each.at <= time)?.ready ?? new Set();
    const observations: RuleObservation[] = [];
    if (plan.isNotified) {
      observations.push(observation(start - 1 + plan.offset, ['10.0.0.1'], { source: 'Notification', clock }));
      for (const each of rules.slice(1))
        observations.push(
          observation(each.at + plan.offset, [...each.ready], {
            source: 'Notification',
            earliest: each.at + plan.offset - 1,
            clock,
          }),
        );
    } else {
      let reading = start;
      for (const { after, takes } of plan.readings) {
        reading += after;
        const moment = reading + Math.floor(takes / 2);
        observations.push(
          observation(reading + takes + plan.offset, [...rulesAt(moment)], { readFrom: reading + plan.offset, clock }),
        );
      }
    }
    return { versions, observations, states: states.slice(1), rules, plan };
  });

function shuffled<Value>(values: readonly Value[], seed: number): Value[] {
  return values
    .map((value, index) => ({ value, place: Math.imul(seed ^ (index * 2654435761), 1597334677) }))
    .sort((one, other) => one.place - other.place)
    .map(({ value }) => value);
}

describe('changeHistory, of simulated clusters', () => {
  it('misses no change and has none twice, in whatever order and however often versions come', () => {
    fc.assert(
      fc.property(world, ({ versions, observations, states, plan }) => {
        const changes = run(shuffled([...versions, ...versions], plan.shuffle), observations);
        expect(changes.map(({ resourceVersion }) => resourceVersion)).toEqual(
          states.map((_, index) => String(98 + index)),
        );
        // Given once more, nothing is new.
        expect(run(versions, observations, changes).map(({ resourceVersion }) => resourceVersion)).toEqual(
          changes.map(({ resourceVersion }) => resourceVersion),
        );
      }),
    );
  });

  it('knows the same in whatever order observations come', () => {
    fc.assert(
      fc.property(world, ({ versions, observations, plan }) => {
        expect(run(versions, shuffled(observations, plan.shuffle))).toEqual(run(versions, observations));
      }),
    );
  });

  it('has the true moment within its bounds', () => {
    fc.assert(
      fc.property(world, ({ versions, observations, states, rules }) => {
        const changes = run(versions, observations);
        for (const [index, { nodes, expected }] of changes.entries()) {
          const [lag] = nodes;
          const changedAt = states[index]?.at ?? NaN;
          const [target] = expected[0]?.targets ?? [];
          if (lag === undefined || target === undefined) continue;
          const isAsked = (ready: ReadonlySet<string>): boolean => ready.has(target.address) === target.present;
          const undone = states.slice(index + 1).find(({ ready }) => !isAsked(ready))?.at ?? Infinity;
          const again = states.find(({ at, ready }) => at > undone && isAsked(ready))?.at ?? Infinity;
          const writes = [
            { at: changedAt, ready: rules.findLast(({ at }) => at <= changedAt)?.ready ?? new Set<string>() },
            ...rules.filter(({ at }) => at > changedAt && at < again),
          ];
          const moments = writes
            .filter(({ ready }, at) => isAsked(ready) && (at === 0 || !isAsked(writes[at - 1]?.ready ?? new Set())))
            .map(({ at }) => at - changedAt);
          // By chance, or for good: what was behind before the change was undone did not do it for good.
          const contrary = writes.findLastIndex(({ at, ready }) => !isAsked(ready) && at < undone);
          const forGood = moments.find((moment) => moment >= (writes[contrary]?.at ?? changedAt) - changedAt);
          if (lag.state === 'Arrived') {
            const within = moments.filter(
              (moment) => lag.minMilliseconds <= moment && moment <= (lag.maxMilliseconds ?? NaN),
            );
            expect(within).not.toEqual([]);
          } else expect(forGood ?? Infinity).toBeGreaterThanOrEqual(lag.minMilliseconds);
          // What rules had all along never arrived in them.
          if (lag.state === 'NeverArrived') expect(forGood ?? 0).toBe(0);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
