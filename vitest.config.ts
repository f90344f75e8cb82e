import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Most test files spend most of their time waiting for processes and browsers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Generous, so that tests do not fail on a busy machine.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Builds the command, which some tests run.
    globalSetup: 'test/support/build.ts',
    // CI reads its counts from this file.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.vitest/results.json' },
  },
});
