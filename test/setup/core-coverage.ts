/** vitest's coverage by V8, of core's own tests alone: the workers of all other projects run as fast as without. */
import v8 from '@vitest/coverage-v8';
import type { CoverageProviderModule } from 'vitest/node';

/** Set for the project core (vitest.config.ts). */
const isMeasured = (): boolean => process.env['MEASURES_COVERAGE'] === 'true';

const coreCoverage: CoverageProviderModule = {
  getProvider: () => v8.getProvider(),
  startCoverage: async (options) => {
    if (isMeasured()) await v8.startCoverage?.(options);
  },
  takeCoverage: async (options) => (isMeasured() ? v8.takeCoverage?.(options) : undefined),
  stopCoverage: async (options) => {
    if (isMeasured()) await v8.stopCoverage?.(options);
  },
};
export default coreCoverage;
