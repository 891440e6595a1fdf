/** The trace that the plugin collects itself, while the API server goes and comes back. */
import { KubeConfig } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { UnreachableError } from '../../../cmd/cluster/api.ts';
import { openStandalone } from '../../../cmd/sources/standalone.ts';
import type { TraceEvent } from '../../../cmd/sources/source.ts';
import type { TraceEngine } from '../../../engine/trace-engine.ts';
import { exampleTrace } from '../../support/example-trace.ts';

const options = {
  namespace: 'default',
  spec: { serviceRef: { name: 'auth-service' } },
  probeNamespace: 'svctrace-system',
  probeImage: 'probe:1',
};

/** @param answers of one collection after the other; the last one stays */
function engineOf(answers: readonly (() => void)[]): TraceEngine {
  let turn = 0;
  return {
    trace: async () => {
      turn += 1;
      answers[Math.min(turn, answers.length) - 1]?.();
      return {
        status: exampleTrace.status ?? {},
        desired: undefined,
        answers: [],
        cluster: undefined,
        nodeZones: {},
        walkFrom: [],
      };
    },
    capture: async () => [],
    onRuleChange: () => undefined,
    keepClean: () => undefined,
    sawEndpointSlice: () => false,
    changeAfter: () => undefined,
    probeCounts: () => ({ probes: 0, starting: 0, sessions: 0 }),
    release: async () => undefined,
    close: async () => undefined,
  };
}

async function follow(
  answers: readonly (() => void)[],
  watch: boolean,
  enough: (events: readonly TraceEvent[]) => boolean,
): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  const stop = new AbortController();
  const source = openStandalone({ kubeConfig: new KubeConfig() }, { ...options, watch, intervalMilliseconds: 1 }, () =>
    engineOf(answers),
  );
  await source.follow((event) => {
    events.push(event);
    if (enough(events)) stop.abort();
  }, stop.signal);
  return events;
}

const fails = (error: Error) => (): void => {
  throw error;
};
const works = (): void => undefined;

it('reports that the connection is lost, tries again, and reports that it is back', async () => {
  const gone = fails(new UnreachableError('https://api.test', 'connect ECONNREFUSED'));
  const events = await follow(
    [works, gone, gone, works],
    true,
    (all) => all.filter(({ kind }) => kind === 'trace').length === 2,
  );
  expect(events.map(({ kind }) => kind)).toEqual(['trace', 'lost', 'resumed', 'trace']);
  expect(events[1]).toEqual({ kind: 'lost', reason: 'https://api.test: connect ECONNREFUSED' });
});

it.each([
  ['a refusal that asking again does not change', new Error('no'), true],
  ['one result alone that cannot be had', new UnreachableError('https://api.test', 'connect ECONNREFUSED'), false],
])('ends with %s', async (_name, error, watch) => {
  await expect(follow([fails(error)], watch, () => false)).rejects.toBe(error);
});
