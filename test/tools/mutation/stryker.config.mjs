import { findMutated, MUTATED, testsFor } from './areas.mjs';

const files = findMutated(process.argv);
// Read by the processes that run the tests, which need files instead of patterns.
process.env.MUTATED_FILES = files.filter((file) => !file.includes('*')).join(',');

/** Mutates the code whose mistakes would cost the most: the domain, what is recorded and judged, and what is parsed. */
export default {
  testRunner: 'vitest',
  plugins: [import.meta.resolve('@stryker-mutator/vitest-runner')],
  vitest: { configFile: 'test/tools/mutation/vitest.config.ts', related: false },
  // Code that can be mutated is slower: the test of the matcher's speed fails.
  mutate: [...MUTATED, '!src/core/faults/text-matcher.ts'],
  testFiles: testsFor(files),
  // Otherwise Stryker rewrites the TypeScript settings of its copy, which needs an older version of TypeScript.
  tsconfigFile: 'none',
  ignorePatterns: ['dist', 'bench', 'python', 'docker', 'test/tools/mutation/node_modules'],
  // A mutant in code that runs once, when a module is loaded, would need a process of its own.
  ignoreStatic: true,
  disableTypeChecks: false,
  timeoutMS: 3_000,
  timeoutFactor: 1,
  dryRunTimeoutMinutes: 20,
  reporters: ['clear-text', 'progress-append-only', 'json'],
  clearTextReporter: { reportTests: false },
  jsonReporter: { fileName: 'node_modules/.mutation/report.json' },
  tempDirName: '.mutation',
};
