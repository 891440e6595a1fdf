/**
 * Every fault of the suite gives exactly the expected findings, and the healthy cluster none. With SVCTRACE_WRITE_DIAGNOSIS
 * in the environment, docs/diagnosis.md is written from what was seen, as `npm run faults` does it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cluster, unavailable } from '../support/cluster-under-test.ts';
import type { FaultResult } from './fault.ts';
import { deployKinds, healthyFindings, healthyServices } from './healthy.ts';
import { namespace, Place } from './place.ts';
import { prepare } from './prepare.ts';
import { writeDiagnosis } from './diagnosis.ts';
import { lookBefore, runGroup, type Before } from './run-group.ts';
import { suite } from './suite.ts';

let place: Place | undefined;
let before: Before = new Map();
const all: FaultResult[] = [];
let healthy: readonly string[] = [];

function open(): Place {
  if (place === undefined) throw new Error('the cluster is not open');
  return place;
}

beforeAll(async () => {
  if (unavailable !== undefined) return;
  place = new Place(await cluster());
  await Promise.all([deployKinds(place), prepare(place, suite)]);
  before = await lookBefore(place, suite);
});

afterAll(async () => {
  await place?.kubectl(['delete', 'namespace', namespace, 'kinds', '--wait=false']);
  await place?.close();
  if (process.env['SVCTRACE_WRITE_DIAGNOSIS'] !== undefined)
    await writeDiagnosis({ results: all, healthyServices: healthyServices.length, healthyFindings: healthy });
});

it('the healthy cluster has no finding that is not meant', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  healthy = await healthyFindings(open());
  expect(healthy).toEqual([]);
});

for (const group of suite) {
  describe(group.name, () => {
    let results = new Map<string, FaultResult>();

    beforeAll(async () => {
      if (unavailable !== undefined) return;
      const made = await runGroup(open(), group, before);
      all.push(...made);
      results = new Map(made.map((result) => [result.fault.name, result]));
    });

    for (const fault of group.faults) {
      it(`${fault.name}: ${fault.does}`, ({ skip }) => {
        if (unavailable !== undefined) return skip(unavailable);
        const result = results.get(fault.name);
        expect(result?.found, result?.messages.join('\n')).toEqual([...fault.expected].sort());
        expect(result?.foundHealthy, 'without the fault').toEqual([]);
      });
    }
  });
}
