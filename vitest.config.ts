import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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
