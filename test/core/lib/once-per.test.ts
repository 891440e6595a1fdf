import { expect, it } from 'vitest';
import { oncePer } from '../../../core/lib/once-per.ts';

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
