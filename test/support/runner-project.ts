import { cpSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll } from 'vitest';
import { MODULES, ROOT, run, TOOLS } from './package.ts';
import { lastingTempDir } from './temp-dir.ts';

const PROJECT_FILES = join(ROOT, 'test/packaging/runners');

interface Report {
  numFailedTests: number;
  numPassedTests: number;
  testResults: { message: string; assertionResults: { failureMessages: string[] | null }[] }[];
}

/**
 * A project that has the built package, the tests in `packaging/runners` and what they need. Packages are copied where
 * a link would change what they find.
 */
export function useRunnerProject() {
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

  return { project: () => project, runTests };
}
