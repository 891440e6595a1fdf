import { expect, it } from 'vitest';
import { nearNames, nearText } from '../../../core/lib/near-names.ts';

it('finds names near a wrong one', () => {
  expect(nearNames('auth-servic', ['auth-service', 'auth', 'billing', 'auth-service-v2'])).toEqual([
    'auth-service',
    'auth-service-v2',
    'auth',
  ]);
  expect(nearNames('nosuch', ['auth-service'])).toEqual([]);
});

it('has each name once, those as near as another by the alphabet', () => {
  expect(nearNames('web', ['wec', 'wea', 'wec'])).toEqual(['wea', 'wec']);
});

it('says no more than there is', () => {
  expect(nearText(['a', 'b'])).toBe('; near: a, b');
  expect(nearText([])).toBe('');
});
