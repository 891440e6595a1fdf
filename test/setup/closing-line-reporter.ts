import type { Reporter, TestModule } from 'vitest/node';
import * as z from 'zod';

const share = z.object({ total: z.number(), covered: z.number(), pct: z.union([z.number(), z.literal('Unknown')]) });
/** The summary of istanbul's CoverageMap, as JSON. */
const summarySchema = z.object({ statements: share, branches: share, functions: share, lines: share });

/**
 * Prints the last line of a test run, `N passed, N failed, N skipped`, and before it what of core/ was run, where that was
 * measured, which tests passed only at the second try, and why tests were skipped, one line for each reason; in CI, where a
 * skip is a failure, each test's name. A file that could not be loaded counts as a failed test, so that it cannot hide.
 */
export default class ClosingLineReporter implements Reporter {
  #coverage: string | undefined;

  onCoverage(coverage: unknown): void {
    this.#coverage = coverageText(coverage);
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    const unsteady: string[] = [];
    const skipped: { readonly name: string; readonly reason: string }[] = [];
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (test.diagnostic()?.flaky === true) unsteady.push(test.fullName);
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failed += 1;
        else skipped.push({ name: test.fullName, reason: ('note' in result && result.note) || 'no reason given' });
      }
    }
    if (this.#coverage !== undefined) process.stdout.write(`${this.#coverage}\n`);
    for (const name of unsteady) process.stdout.write(`passed only at the second try: ${name}\n`);
    for (const [reason, tests] of Map.groupBy(skipped, ({ reason }) => reason))
      process.stdout.write(`skipped, ${tests.length} ${tests.length === 1 ? 'test' : 'tests'}: ${reason}\n`);
    // A skip in CI is a hole in the proof: whoever wants to skip there has to change this line.
    if (process.env['CI'] === 'true' && skipped.length > 0) {
      for (const { name } of skipped) process.stdout.write(`skipped: ${name}\n`);
      process.exitCode = 1;
    }
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
  }
}

/** `coverage of core/: statements 95.1 % (1902/2000), branches …`. */
function coverageText(coverage: unknown): string {
  if (!hasSummary(coverage)) return 'coverage of core/: not measured';
  const { statements, branches, functions, lines } = summarySchema.parse(
    JSON.parse(JSON.stringify(coverage.getCoverageSummary())),
  );
  const parts = Object.entries({ statements, branches, functions, lines }).map(
    ([name, { pct, covered, total }]) => `${name} ${String(pct)} % (${String(covered)}/${String(total)})`,
  );
  return `coverage of core/: ${parts.join(', ')}`;
}

function hasSummary(value: unknown): value is { getCoverageSummary: () => unknown } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'getCoverageSummary' in value &&
    typeof value.getCoverageSummary === 'function'
  );
}
