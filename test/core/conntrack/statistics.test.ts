/** Printed by Linux 6.18 and conntrack 1.4.8, with numbers put in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConntrackStatistics } from '../../../core/conntrack/statistics.ts';
import { mutatedDump } from '../../support/mutated-dump.ts';

const proc = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000001f  00000002 00000010 00000000 0000000a 00000000 00000000 00000003 00000000 00000005 00000007 00000001 00000000  00000000 00000000 00000000 0000000c
0000001f  00000001 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000001 00000000 00000000 00000004  00000009 00000000 00000000 00000001
`;
const tool = `cpu=0   	found=16 invalid=10 insert=0 insert_failed=5 drop=7 early_drop=1 error=0 search_restart=12 clash_resolve=2 chaintoolong=3 
cpu=1   	found=0 invalid=1 insert=0 insert_failed=1 drop=0 early_drop=0 error=4 search_restart=1 clash_resolve=1 chaintoolong=0 
`;
const sums = {
  found: 16,
  invalid: 11,
  insert: 0,
  insert_failed: 6,
  drop: 7,
  early_drop: 1,
  error: 4,
  search_restart: 13,
  clash_resolve: 3,
  chaintoolong: 3,
};

describe('parseConntrackStatistics', () => {
  it('sums the CPUs of conntrack -S', () => {
    expect(Object.fromEntries(parseConntrackStatistics(tool) ?? [])).toEqual(sums);
  });

  it('reads the same of the hexadecimal numbers of /proc, and does not count the entries once for each CPU', () => {
    expect(Object.fromEntries(parseConntrackStatistics(proc) ?? [])).toEqual({ ...sums, new: 0, ignore: 0, delete: 0 });
  });

  it('reads the names of older kernels', () => {
    const older = proc.replace('clashres', 'searched');
    expect(parseConntrackStatistics(older)?.get('searched')).toBe(3);
    expect(parseConntrackStatistics(older)?.has('clash_resolve')).toBe(false);
  });

  it('takes no other text', () => {
    for (const text of [
      '',
      '\n',
      'conntrack v1.4.8',
      proc.split('\n')[0] ?? '',
      proc.replace('00000010', 'zz'),
      proc.replace(' 00000010', ''),
    ])
      expect(parseConntrackStatistics(text)).toBeUndefined();
  });

  it('gives whole numbers or nothing, whatever was cut or written over', () => {
    fc.assert(
      fc.property(mutatedDump([proc, tool]), (text) => {
        for (const value of parseConntrackStatistics(text)?.values() ?? [])
          expect(Number.isFinite(value) && value >= 0).toBe(true);
      }),
    );
  });
});
