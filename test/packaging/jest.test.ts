import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TOOLS } from '../support/package.ts';
import { useRunnerProject } from '../support/runner-project.ts';

const { project, runTests } = useRunnerProject();

describe('the emulator in the process of', () => {
  it.each([
    ['29', join(TOOLS, 'jest/bin/jest.js'), join(TOOLS, 'jest-environment-jsdom')],
    ['30', join(TOOLS, 'jest-30/bin/jest.js'), join(TOOLS, 'jest-environment-jsdom-30')],
  ])('jest %s works with require, in all environments and modes of fake timers', async (_, jest, environment) => {
    const env = { JSDOM_ENVIRONMENT: environment };
    const { passed, failures, stderr } = await runTests(jest, ['--runInBand', '--json', '--rootDir', project()], env);
    expect(failures).toEqual([]);
    expect(passed).toBe(22);
    expect(stderr).not.toContain('did not exit');
  });
});
