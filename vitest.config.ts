import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * core, unit: no root, no cluster; what the tests of core/ run of it is measured. browser: reports in a headless Chromium.
 * terminal: the plugin in tmux, two minutes of it in one file, beside which the others run. kernel: real rules in network
 * namespaces that the tests make and remove; needs root. proof: the light cluster, which the evaluator is compared with the
 * kernel on. cluster: the embedded cluster. Both need root, Go and Debian's packages. The groups run one after the other,
 * because most use the whole machine.
 */
// In CI, where others use the machine as well: docs/decisions/136-a-second-try.md.
const retry = process.env['CI'] === 'true' ? 1 : 0;

export default defineConfig({
  test: {
    // vitest leaves one processor to itself; of two, that is half, and it needs little of it. Projects of one group share these.
    maxWorkers: availableParallelism(),
    reporters: ['default', './test/setup/closing-line-reporter.ts'],
    // With --coverage, as `npm test` runs it. The closing line's reporter prints it: vitest's own would print behind that line.
    coverage: {
      provider: 'custom',
      customProviderModule: './test/setup/core-coverage.ts',
      include: ['core/**/*.ts'],
      reporter: [],
      reportsDirectory: 'node_modules/.cache/coverage',
    },
    projects: [
      {
        test: {
          name: 'core',
          include: ['test/core/**/*.test.ts'],
          env: { MEASURES_COVERAGE: 'true' },
          // Properties of many runs, on a machine that may be busy.
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'unit',
          include: ['test/{engine,probe,operator,cmd,scripts,support,fuzz,screenshots}/**/*.test.{ts,tsx}'],
          // Properties of many runs, on a machine that may be busy.
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // The plugin in tmux, on recorded traces and on an API server of the tests: no cluster, no root.
        test: {
          name: 'terminal',
          include: ['test/terminal/**/*.test.ts'],
          globalSetup: ['test/setup/plugin.ts'],
          testTimeout: 60_000,
          retry,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/proxy/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/{cluster,end-to-end,faults,churn}/**/*.test.ts'],
          globalSetup: ['test/setup/cluster.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 300_000,
          retry,
          sequence: { groupOrder: 5 },
        },
      },
    ],
  },
});
