import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { largeTrace } from '../../../bench/live-view/large-trace.ts';
import type { TraceEvent } from '../../../cmd/sources/source.ts';
import { compareWith, nothingShown, type Comparison } from '../../../cmd/views/state/comparison.ts';
import { loadExplainers } from '../../../cmd/views/state/explainers.ts';
import { createIntake } from '../../../cmd/views/result-intake.ts';
import type { ServiceTrace } from '../../../core/api/service-trace.ts';
import { exampleTrace, withStatus } from '../../support/example-trace.ts';

interface Taken {
  readonly give: (event: TraceEvent) => void;
  readonly shown: { readonly event: TraceEvent; readonly comparison: Comparison | undefined }[];
  readonly stop: AbortController;
}

function intake(): Taken {
  const stop = new AbortController();
  const shown: Taken['shown'] = [];
  return {
    shown,
    stop,
    give: createIntake((event, comparison) => {
      shown.push({ event, comparison });
    }, stop.signal),
  };
}

const trace = (of: ServiceTrace): TraceEvent => ({ kind: 'trace', trace: of });
const versions = ({ shown }: Taken): string[] =>
  shown.map(({ event }) => (event.kind === 'trace' ? (event.trace.metadata.resourceVersion ?? '') : event.kind));

async function until(isTrue: () => boolean): Promise<number> {
  for (let turns = 0; turns < 100_000; turns += 1) {
    if (isTrue()) return turns;
    await nextTurn();
  }
  throw new Error('it never came');
}

beforeAll(loadExplainers);

describe('the intake of results', () => {
  it('shows what comes in its order, each result compared with the one before it', async () => {
    const taken = intake();
    const next = withStatus({ collectedAt: '2026-11-24T11:00:10Z', endpointSlices: [] });
    taken.give({ kind: 'opened', origin: { kind: 'operator' } });
    taken.give(trace(exampleTrace));
    await until(() => taken.shown.length === 2);
    taken.give(trace(next));
    await until(() => taken.shown.length === 3);
    const first = compareWith(nothingShown, exampleTrace);
    expect(taken.shown).toEqual([
      { event: { kind: 'opened', origin: { kind: 'operator' } }, comparison: undefined },
      { event: trace(exampleTrace), comparison: first },
      { event: trace(next), comparison: compareWith({ trace: exampleTrace, ...first }, next) },
    ]);
    expect(taken.shown[2]?.comparison?.changes.length).toBeGreaterThan(0);
  });

  it('works a large one out in many turns, keeps the order, and of results that wait shows the last', async () => {
    const taken = intake();
    const [one, two, three] = [largeTrace(1), largeTrace(2), largeTrace(3)];
    taken.give(trace(one));
    taken.give(trace(two));
    taken.give({ kind: 'lost', reason: 'it went' });
    taken.give(trace(three));
    taken.give({ kind: 'resumed' });
    expect(taken.shown).toEqual([]);
    const turns = await until(() => taken.shown.length === 4);
    expect(turns).toBeGreaterThan(4);
    expect(versions(taken)).toEqual([one.metadata.resourceVersion, 'lost', three.metadata.resourceVersion, 'resumed']);
    expect(taken.shown[2]?.comparison).toEqual(compareWith({ trace: one, ...compareWith(nothingShown, one) }, three));
  });

  it('shows nothing more once it is stopped', async () => {
    const taken = intake();
    taken.give(trace(largeTrace(1)));
    taken.stop.abort();
    await sleep(50);
    taken.give(trace(exampleTrace));
    expect(taken.shown).toEqual([]);
  });
});
