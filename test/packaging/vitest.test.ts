import { expect, it } from 'vitest';
import { useRunnerProject } from '../support/runner-project.ts';

const { runTests } = useRunnerProject();

it('the emulator works in the process of vitest, in all pools, environments and modes of fake timers', async () => {
  const { passed, failures } = await runTests('node_modules/vitest/vitest.mjs', ['run', '--reporter', 'json']);
  expect(failures).toEqual([]);
  expect(passed).toBe(33);
});
