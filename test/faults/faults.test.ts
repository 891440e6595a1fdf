/** Every fault of the suite gives exactly the expected findings, and the healthy cluster none. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cluster, unavailable } from '../support/cluster-under-test.ts';
import type { FaultResult } from './fault.ts';
import { deployKinds, healthyFindings } from './healthy.ts';
import { namespace, Place } from './place.ts';
import { prepare } from './prepare.ts';
import { lookBefore, runGroup, type Before } from './run-group.ts';
import { suite } from './suite.ts';

let place: Place | undefined;
let before: Before = new Map();

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
});

it('the healthy cluster has no finding that is not meant', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  expect(await healthyFindings(open())).toEqual([]);
});

for (const group of suite) {
  describe(group.name, () => {
    let results = new Map<string, FaultResult>();

    beforeAll(async () => {
      if (unavailable !== undefined) return;
      results = new Map((await runGroup(open(), group, before)).map((result) => [result.fault.name, result]));
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
