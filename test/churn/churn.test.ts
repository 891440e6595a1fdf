/** A short churn run: Services, pods and nodes change all the time, and no finding appears that is not meant. */
import { expect, it } from 'vitest';
import { cluster, unavailable } from '../support/cluster-under-test.ts';
import { churn } from './churn.ts';

it('no finding appears that is not meant while everything changes', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const log: string[] = [];
  const { wrong, missed, collections, actions } = await churn({
    cluster: await cluster(),
    seconds: 80,
    seed: 7,
    most: 10,
    log: (line) => log.push(line),
  });
  expect(
    wrong.map(
      ({ at, service, finding, after }) =>
        `${at} ${service}: ${finding.id} ${finding.where}: ${finding.message} (after ${after.join('; ')})`,
    ),
  ).toEqual([]);
  expect(missed, log.join('\n')).toEqual([]);
  expect(collections).toBeGreaterThan(17);
  expect(actions).toBeGreaterThan(3);
}, 400_000);
