import { describe, expect, it } from 'vitest';
import { diagnose } from '../../../../core/diagnose/diagnose.ts';
import { labelDifferences, labelDistance } from '../../../../core/diagnose/checks/nearest-labels.ts';
import type { FindingStatus } from '../../../../core/api/service-trace.ts';
import { cluster, pod } from '../../../support/cluster-facts.ts';
import { collectedAt, desiredService } from '../../../support/node-facts.ts';

describe('labelDifferences', () => {
  it.each([
    ['letters in another order', { app: 'wbe' }, { app: 'web' }, { key: 'app', value: 'web' }, true],
    ['a letter too few', { app: 'auth-servic' }, { app: 'auth-service' }, { key: 'app', value: 'auth-service' }, true],
    ['letters in another case', { app: 'Auth' }, { app: 'auth' }, { key: 'app', value: 'auth' }, true],
    ['another word', { app: 'web' }, { app: 'database' }, { key: 'app', value: 'database' }, false],
    ['another short word', { tier: 'db' }, { tier: 'fe' }, { key: 'tier', value: 'fe' }, false],
    ['the value under a key that is near', { ap: 'auth' }, { app: 'auth' }, { key: 'app', value: 'auth' }, true],
    ['the value under any other key', { component: 'auth' }, { team: 'auth' }, undefined, false],
    ['words that every object inherits', { constructor: 'x', toString: 'y' }, {}, undefined, false],
  ])('%s', (_name, selector, labels, nearest, isTypo) => {
    const [difference] = labelDifferences(selector, labels);
    expect(difference?.nearest).toEqual(nearest);
    expect(difference?.isTypo).toBe(isTypo);
  });

  it('has nothing for labels that match, whatever else they are', () => {
    expect(labelDifferences({ app: 'auth' }, { app: 'auth', tier: 'web' })).toEqual([]);
    expect(labelDistance({ app: 'auth' }, { app: 'auth', tier: 'web' })).toBe(0);
  });
});

it('is smaller for a slip of the pen than for another word, and for that than for no label', () => {
  const far = (labels: Record<string, string>): number => labelDistance({ app: 'auth' }, labels);
  expect(far({ app: 'auht' })).toBeLessThan(far({ app: 'database' }));
  expect(far({ app: 'database' })).toBeLessThan(far({ tier: 'web' }));
});

describe('SVC-SELECTOR-NOMATCH', () => {
  const found = (selector: Record<string, string>, ...labels: Record<string, string>[]): FindingStatus | undefined =>
    diagnose({
      now: collectedAt,
      nodes: [],
      desired: desiredService([], { selector }),
      cluster: cluster({
        endpoints: null,
        pods: labels.map((each, index) => pod(`10.244.1.${index + 2}`, { selected: false, labels: each })),
      }),
    })[0];

  it('names the label that is misspelt, and the command that puts it right', () => {
    expect(found({ app: 'wbe', tier: 'front' }, { app: 'database' }, { app: 'web', tier: 'front' })).toMatchObject({
      message:
        'The selector app=wbe,tier=front of Service auth-service matches no pod: it asks for app=wbe, and pod auth-3 has app=web.',
      evidence: [
        'pod auth-3: it has app=web instead of app=wbe',
        'pod auth-2: it has app=database instead of app=wbe; it has no label tier, which is to be front',
      ],
      advice: 'Correct the selector, or give the pods the label that the Service asks for.',
      commands: [{ run: 'kubectl -n default set selector service/auth-service app=web,tier=front' }],
    });
  });

  it('does not take a slip for the reason where another label is missing', () => {
    expect(found({ app: 'wbe', tier: 'front' }, { app: 'web' })?.message).toBe(
      'The selector app=wbe,tier=front of Service auth-service matches no pod of namespace default.',
    );
  });
});
