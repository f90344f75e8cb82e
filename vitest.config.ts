import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Most of the time of most files goes by waiting, for processes and for browsers.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Nothing here takes long; a busy machine is no reason to fail.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The tests of the command run what is built.
    globalSetup: 'test/support/build.ts',
    // The counts that CI reports are read from the file.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.vitest/results.json' },
  },
});
