/** The line of the Containerfile by which the operator starts, as the tests' image and the benchmarks read it. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { operatorEntrypoint, operatorNodeFlags } from '../../scripts/operator-entrypoint.ts';

it('starts node with the operator, and with flags that node takes', () => {
  const entrypoint = operatorEntrypoint();
  expect([entrypoint[0], entrypoint.at(-1)]).toEqual(['/usr/local/bin/node', '/operator.mjs']);
  const spaces = execFileSync(
    process.execPath,
    [...operatorNodeFlags(), '--print', `process.getBuiltinModule('node:v8').getHeapSpaceStatistics().length`],
    { encoding: 'utf8' },
  );
  expect(Number(spaces)).toBeGreaterThan(0);
});
