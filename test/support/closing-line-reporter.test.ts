/** What a test run ends with. */
import type { TestModule } from 'vitest/node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import ClosingLineReporter from '../setup/closing-line-reporter.ts';

let written: string;
beforeEach(() => {
  written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const counted = (covered: number, total: number): object => ({
  covered,
  total,
  skipped: 0,
  pct: (100 * covered) / total,
});

it('prints the coverage, where it was measured, before the last line', () => {
  const reporter = new ClosingLineReporter();
  reporter.onCoverage({
    getCoverageSummary: () => ({
      toJSON: () => ({
        statements: counted(9, 10),
        branches: counted(1, 2),
        functions: counted(3, 4),
        lines: counted(8, 10),
      }),
    }),
  });
  reporter.onTestRunEnd([], []);
  expect(written).toBe(
    'coverage of core/: statements 90 % (9/10), branches 50 % (1/2), functions 75 % (3/4), lines 80 % (8/10)\n0 passed, 0 failed, 0 skipped\n',
  );
});

it('prints no coverage where none was asked for', () => {
  new ClosingLineReporter().onTestRunEnd([], [new Error('x')]);
  expect(written).toBe('0 passed, 1 failed, 0 skipped\n');
});

it('names a test that passed only at the second try', () => {
  const test = {
    fullName: 'the picker opens',
    result: () => ({ state: 'passed' }),
    diagnostic: () => ({ flaky: true }),
  };
  const module = { errors: () => [], children: { allTests: () => [test] } };
  // What the reporter reads of vitest's modules.
  new ClosingLineReporter().onTestRunEnd([module as unknown as TestModule], []);
  expect(written).toBe('passed only at the second try: the picker opens\n1 passed, 0 failed, 0 skipped\n');
});
