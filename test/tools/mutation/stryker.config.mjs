/** Mutates the code whose mistakes would cost the most: the domain, what is recorded and judged, and what is parsed. */
export default {
  testRunner: 'vitest',
  plugins: [import.meta.resolve('@stryker-mutator/vitest-runner')],
  vitest: { configFile: 'test/tools/mutation/vitest.config.ts', related: false },
  mutate: [
    'src/core/**/*.ts',
    'src/http/journal/*.ts',
    'src/http/pipeline/rate-limit.ts',
    'src/control-plane/client-lint/*.ts',
    'src/uploads/*.ts',
  ],
  // Otherwise Stryker rewrites the TypeScript settings of its copy, which needs an older version of TypeScript.
  tsconfigFile: 'none',
  ignorePatterns: ['dist', 'bench', 'python', 'docker', 'test/tools/mutation/node_modules'],
  // A mutant in code that runs once, when a module is loaded, would need a process of its own.
  ignoreStatic: true,
  disableTypeChecks: false,
  timeoutMS: 10_000,
  dryRunTimeoutMinutes: 20,
  reporters: ['clear-text', 'progress-append-only', 'json'],
  jsonReporter: { fileName: 'node_modules/.mutation/report.json' },
  tempDirName: '.mutation',
};
