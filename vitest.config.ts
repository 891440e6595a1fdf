import { defineConfig } from 'vitest/config';

/**
 * unit: no root, no cluster. browser: reports in a headless Chromium. kernel: real rules in network namespaces that the
 * tests make and remove; needs root. proof: the light cluster, which the evaluator is compared with the kernel on.
 * cluster: the embedded cluster. Both need root, Go and Debian's packages. The groups run one after the other, because
 * each but the first uses the whole machine.
 */
// In CI, where others use the machine as well: docs/decisions/136-a-second-try.md.
const retry = process.env['CI'] === 'true' ? 1 : 0;

export default defineConfig({
  test: {
    reporters: ['default', './test/setup/closing-line-reporter.ts'],
    // With --coverage, as `npm run coverage` runs it. The closing line's reporter prints it: vitest's own would print behind that line.
    coverage: {
      provider: 'v8',
      include: ['core/**/*.ts'],
      reporter: [],
      reportsDirectory: 'node_modules/.cache/coverage',
    },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{core,engine,probe,operator,cmd,scripts,support,fuzz,screenshots}/**/*.test.{ts,tsx}'],
          // Properties of many runs, on a machine that may be busy.
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          fileParallelism: false,
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
          fileParallelism: false,
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
