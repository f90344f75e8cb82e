import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
// @ts-expect-error: Stryker reads its configuration without a compiler.
import { ALL_TESTS } from './areas.mjs';
import { KeptThread } from './kept-thread.ts';

/** Tests that need a process of their own. */
const ISOLATED = [
  'test/core/{abort-signals,file-descriptors,globals}.test.ts',
  'test/core/storage/heap-trimmer.test.ts',
  'test/core/time/clock.test.ts',
];

/** The first failed test ends the run of a mutant, so those that start an emulator come after those of the domain. */
class FastestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const order = ['/test/core/ledger/', '/test/core/t', '/test/core/', '/test/http/', '/test/', 'model.test.ts'];
    const rank = ({ moduleId }: TestSpecification) => order.findLastIndex((part) => moduleId.includes(part));
    return files.toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  plugins: [
    {
      name: 'kept-thread',
      // After Stryker has chosen its own pool.
      configureVitest({ project: { config } }) {
        if (process.env.STRYKER_MUTATOR_WORKER === undefined) return;
        if (process.env.MUTATED_FILES) config.runner = `${import.meta.dirname}/related-first.ts`;
        config.pool = 'kept-thread';
        config.poolRunner = { name: 'kept-thread', createPoolWorker: (options) => new KeptThread(options) };
      },
    },
  ],
  test: {
    include: ALL_TESTS,
    exclude: ISOLATED,
    setupFiles: 'test/support/setup.ts',
    testTimeout: 60_000,
    isolate: false,
    sequence: { sequencer: FastestFirst },
  },
});
