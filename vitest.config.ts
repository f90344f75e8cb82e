import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Test files that need a process of their own: they mock modules, count what the whole process holds, such as memory,
 * or need modules that no other file has loaded.
 */
const ISOLATED = [
  'test/conformance/media-probe.test.ts',
  'test/core/abort-signals.test.ts',
  'test/core/globals.test.ts',
  'test/core/storage/heap-trimmer.test.ts',
  'test/core/time/clock.test.ts',
  'test/http/journal.test.ts',
  'test/http/journal-memory.test.ts',
];

const common = {
  setupFiles: 'test/support/setup.ts',
  // Generous, so that tests do not fail on a busy machine.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  expect: { poll: { timeout: 20_000 } },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ISOLATED],
          // The files of a worker share their modules: most would spend more time on loading them than on their tests.
          isolate: false,
        },
      },
      { test: { ...common, name: 'isolated', include: ISOLATED } },
    ],
    // One more than the cores, because tests spend a quarter of their time waiting for processes and browsers.
    maxWorkers: availableParallelism() + 1,
    globalSetup: 'test/support/global-setup.ts',
    // CI reads its counts from this file.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.vitest/results.json' },
  },
});
