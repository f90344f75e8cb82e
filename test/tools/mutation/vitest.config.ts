import { defineConfig } from 'vitest/config';

/** The tests that must notice the mutants, without those that need a process of their own or that build the command. */
export default defineConfig({
  test: {
    include: [
      'test/core/**/*.test.ts',
      'test/http/{journal,body-turns}.test.ts',
      'test/http/pipeline/*.test.ts',
      'test/control-plane/verdict.test.ts',
      'test/uploads/*.test.ts',
    ],
    exclude: ['test/core/{file-descriptors,globals,abort-signals}.test.ts', 'test/core/storage/heap-trimmer.test.ts'],
    setupFiles: 'test/support/setup.ts',
    testTimeout: 60_000,
  },
});
