/** Which findings are looked for again before they are reported. */
import { expect, it } from 'vitest';
import type { FindingStatus } from '../../../core/api/service-trace.ts';
import { unconfirmed } from '../../../core/status/second-look.ts';

const finding = (id: string, where = 'service/auth'): FindingStatus => ({
  id,
  severity: 'error',
  where,
  message: 'm',
  evidence: [],
  advice: '',
});

it('looks again for what a moment can cause, unless it was found before', () => {
  const [empty, elsewhere] = [finding('EPS-EMPTY'), finding('EPS-EMPTY', 'service/other')];
  expect(unconfirmed([empty], [])).toEqual([empty]);
  expect(unconfirmed([empty, elsewhere], [empty])).toEqual([elsewhere]);
});

it('does not look again for what a spec, a setting or a count says: its kind is lasting', () => {
  expect(unconfirmed([finding('SVC-NOT-PROXIED'), finding('SYS-FORWARD'), finding('CT-DROP')], [])).toEqual([]);
});

it('looks again for a kind that this version does not know', () => {
  const unknown = finding('NEWER-KIND');
  expect(unconfirmed([unknown], [])).toEqual([unknown]);
});
