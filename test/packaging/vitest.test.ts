import { execFile } from 'node:child_process';
import { cpSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { lastingTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const TOOLS = join(ROOT, 'test/node_modules');
const PROJECT_FILES = join(import.meta.dirname, 'runners');
const run = promisify(execFile);

/** A project that has the built package and the tools. Packages are copied where a link would change what they find. */
let project: string;

beforeAll(() => {
  project = lastingTempDir();
  const modules = join(project, 'node_modules');
  cpSync(PROJECT_FILES, project, { recursive: true });
  for (const path of ['dist', 'migrations', 'fixtures', 'package.json']) {
    cpSync(join(ROOT, path), join(modules, 'nanophoto-emulator', path), { recursive: true });
  }
  cpSync(join(MODULES, 'vitest'), join(modules, 'vitest'), { recursive: true });
  for (const name of ['happy-dom', 'jsdom']) symlinkSync(join(TOOLS, name), join(modules, name));
  const linked = readdirSync(MODULES).filter((name) => !['vitest', 'happy-dom', 'jsdom'].includes(name));
  for (const name of linked) symlinkSync(join(MODULES, name), join(modules, name));
});

interface Report {
  numFailedTests: number;
  numPassedTests: number;
  testResults: { message: string; assertionResults: { failureMessages: string[] | null }[] }[];
}

/** Runs a test runner, and returns how many tests passed, and the messages of those that failed. */
async function runTests(script: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr } = await run(process.execPath, [script, ...args], {
    cwd: project,
    env: { PATH: process.env.PATH!, ...env },
    maxBuffer: 1e8,
  }).catch((error) => error as { stdout: string; stderr: string });
  const json = stdout.split('\n').find((line) => line.startsWith('{'));
  if (!json) return { passed: 0, failures: [stdout, stderr], stderr };
  const report = JSON.parse(json) as Report;
  const failures = report.testResults.flatMap(({ message, assertionResults }) => [
    message,
    ...assertionResults.flatMap(({ failureMessages }) => failureMessages ?? []),
  ]);
  return { passed: report.numPassedTests, failures: failures.filter(Boolean), stderr };
}

describe('the emulator in the process of', () => {
  it('vitest works in all pools, environments and modes of fake timers', async () => {
    const { passed, failures } = await runTests('node_modules/vitest/vitest.mjs', ['run', '--reporter', 'json']);
    expect(failures).toEqual([]);
    expect(passed).toBe(16);
  });

  it.each([
    ['29', join(TOOLS, 'jest/bin/jest.js'), join(TOOLS, 'jest-environment-jsdom')],
    ['30', join(TOOLS, 'jest-30/bin/jest.js'), join(TOOLS, 'jest-environment-jsdom-30')],
  ])('jest %s works with require, in all environments and modes of fake timers', async (_, jest, environment) => {
    const env = { JSDOM_ENVIRONMENT: environment };
    const { passed, failures, stderr } = await runTests(jest, ['--runInBand', '--json', '--rootDir', project], env);
    expect(failures).toEqual([]);
    expect(passed).toBe(16);
    expect(stderr).not.toContain('did not exit');
  });
});
