import { describe, expect, it } from 'vitest';
import { oncePer, oncePerAll } from '../../../core/lib/once-per.ts';

it('works out once for each value, also where nothing comes of it', () => {
  const asked: object[] = [];
  const first = oncePer((key: { readonly name: string | undefined }) => {
    asked.push(key);
    return key.name;
  });
  const [one, none] = [{ name: 'a' }, { name: undefined }];
  expect([first(one), first(one), first(none), first(none), first({ ...one })]).toEqual([
    'a',
    'a',
    undefined,
    undefined,
    'a',
  ]);
  expect(asked).toHaveLength(3);
});

describe('what is worked out of several', () => {
  const calls: unknown[] = [];
  const sum = oncePerAll((one: { n: number }, text: string, other: { n: number } | undefined) => {
    calls.push([one, text, other]);
    return other === undefined ? undefined : `${String(one.n)} ${text} ${String(other.n)}`;
  });

  it('is worked out once for the same objects and like texts, and where it is undefined too', () => {
    const [one, other] = [{ n: 1 }, { n: 2 }];
    expect([sum(one, 'a', other), sum(one, ['a'].join(), other)]).toEqual(['1 a 2', '1 a 2']);
    expect(calls).toHaveLength(1);
    expect([sum(one, 'a', undefined), sum(one, 'a', undefined)]).toEqual([undefined, undefined]);
    expect(calls).toHaveLength(2);
  });

  it('is another for each other object or text, and for the same in another place', () => {
    const [one, other] = [{ n: 3 }, { n: 4 }];
    expect([sum(one, 'a', other), sum(one, 'b', other), sum(other, 'a', one), sum(one, 'a', { n: 5 })]).toEqual([
      '3 a 4',
      '3 b 4',
      '4 a 3',
      '3 a 5',
    ]);
  });
});
