/** What a recorded node's rules meant, where they came as a change. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseBundle } from '../../core/wire/bundle.ts';
import type { RuleRecord } from '../../core/wire/watch-records.ts';
import type { SeenChange } from '../../engine/node-watches.ts';
import { ruleObservations } from '../../engine/rule-observations.ts';

const { answers, desired } = parseBundle(
  readFileSync(new URL('../fixtures/auth-service.svctrace', import.meta.url), 'utf8'),
);
const clock = { milliseconds: 70, uncertainty: 2 };

/** The rules of each node, as its watch would have given them. */
function observed(change: Partial<RuleRecord>) {
  if (desired === undefined) return expect.fail('the recorded Service is not there');
  const seen = new Map(
    answers.flatMap((answer): [string, SeenChange[]][] => {
      if (!('report' in answer)) return [];
      const record: RuleRecord = {
        kind: 'rules',
        service: 'default/auth-service',
        changes: [],
        omitted: 0,
        hasLost: false,
        isSettled: true,
        polled: [],
        read: { began: 1000, ended: 1020 },
        records: [...answer.report.records],
        ...change,
      };
      return [[answer.node, [{ record, clock, at: 1 }]]];
    }),
  );
  return ruleObservations(answers, desired, { seen: () => seen }, undefined);
}

const first = { earliest: 900.25, latest: 901.5, monotonic: 5, generation: 7 };
const second = { earliest: 950, latest: 951, monotonic: 55, generation: 8 };

it('has of each node where its rules sent packets, and between which times they became so', () => {
  const observations = observed({ changes: [first] });
  expect(observations.map(({ node }) => node)).toEqual(['node-a', 'node-b', 'node-c']);
  for (const observation of observations) {
    expect(observation).toMatchObject({ earliest: 900.25, latest: 901.5, clock, source: 'Notification' });
    expect(observation.frontends.find(({ frontend }) => frontend === 'ClusterIP')?.dnatTargets).toHaveLength(3);
  }
});

it('does not say which of several changes made them so, nor that nothing was missed where it was', () => {
  expect(observed({ changes: [first, second] })[0]).toMatchObject({ earliest: 900.25, latest: 951 });
  const lost = observed({ changes: [first], hasLost: true })[0];
  expect(lost).toMatchObject({ latest: 901.5 });
  expect(lost).not.toHaveProperty('earliest');
});

it('is a reading where the kernel reported nothing, or went on changing', () => {
  // Nobody knows when between its beginning and its end they were so.
  expect(observed({})[0]).toMatchObject({ readFrom: 1000, latest: 1020, source: 'Reading' });
  expect(observed({})[0]).not.toHaveProperty('earliest');
  expect(observed({ changes: [first], polled: ['legacy'] })[0]).toMatchObject({ source: 'Reading', earliest: 900.25 });
  expect(observed({ changes: [first], isSettled: false })[0]).toMatchObject({
    source: 'Reading',
    readFrom: 1000,
    latest: 1020,
  });
});

it('says what a change did to the rules, against what they were before', () => {
  if (desired === undefined) return expect.fail('the recorded Service is not there');
  const answer = answers.find(({ node }) => node === 'node-a');
  if (answer === undefined || !('report' in answer)) return expect.fail('node-a was not recorded');
  const record = (records: RuleRecord['records']): RuleRecord => ({
    kind: 'rules',
    service: 'default/auth-service',
    changes: [first],
    omitted: 0,
    hasLost: false,
    isSettled: true,
    polled: [],
    read: { began: 1000, ended: 1020 },
    records,
  });
  const all = [...answer.report.records];
  const gone = all.findIndex((each) => each.kind === 'iptablesChain' && JSON.stringify(each).includes('DNAT'));
  const without = all.filter((_, index) => index !== gone);
  const deltaOf = (before: RuleRecord | undefined) =>
    ruleObservations(
      [answer],
      desired,
      {
        seen: () =>
          new Map([['node-a', [{ record: record(all), clock, at: 1, ...(before === undefined ? {} : { before }) }]]]),
      },
      undefined,
    )[0]?.delta;
  expect(deltaOf(undefined)).toBeUndefined();
  expect(deltaOf(record(all))).toMatchObject({ addedChains: [], removedChains: [], rewrittenChains: [] });
  const delta = deltaOf(record(without));
  expect(delta?.addedChains).toEqual([expect.stringMatching(/ nat KUBE-SEP-/)]);
  expect(delta?.untouchedRules).toBeGreaterThan(5);
});
