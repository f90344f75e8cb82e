import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectArtifacts, FAILING_WITH_FIXTURE, runFailing, writeProject } from '../support/failing-tests.ts';
import { environment, run, usePackage } from '../support/package.ts';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

const { project, installed, copyExample, copyPlaywrightExample } = usePackage();

describe('the npm package with vitest', () => {
  let root: string;
  let output: string;
  beforeAll(async () => {
    const library = copyExample('library', 'with-vitest/library');
    const fixture = copyExample('fixtures/vitest', 'with-vitest/fixture');
    root = join(library, '..');
    const failing = writeProject(join(root, 'failing'), {
      'some.test.ts': `import { expect, test } from 'nanophoto-emulator/vitest';${FAILING_WITH_FIXTURE}`,
    });
    const warned = writeProject(join(root, 'warned'), {
      'some.test.ts': `import { expect, test as base } from 'nanophoto-emulator/vitest';
        const test = base.extend({ nanophotoArtifacts: 'file' });${FAILING_WITH_FIXTURE}`,
    });
    // On a busy machine, starting the emulator takes longer than the 5 s that vitest allows.
    const testTimeout = 60_000;
    const projects = [
      { name: 'library', root: library },
      { name: 'real timers', root: fixture, isolate: false },
      { name: 'fake timers', root: fixture, setupFiles: ['../fake-timers.ts'], isolate: false },
      { name: 'failing', root: failing, provide: { nanophotoArtifacts: 'artifacts' } },
      { name: 'warned', root: warned },
    ].map((test) => ({ test: { ...test, testTimeout } }));
    writeProject(root, {
      file: '',
      'fake-timers.ts': "import { vi } from 'vitest'; vi.useFakeTimers();",
      'vitest.config.ts': `export default ${JSON.stringify({ test: { projects } })};`,
    });
    output = await runFailing(root, join(project(), 'node_modules/vitest/vitest.mjs'), 'run', '--no-color');
  });

  it('passes the examples: the library, and the fixture with real and with fake timers', () => {
    expect(output).toMatch(/Tests {2}2 failed \| 33 passed/);
    for (const name of ['failing', 'warned']) expect(output).toMatch(new RegExp(`FAIL .*${name}.* fails > a\n`));
    expect(output.match(/Expected spent credits: 1/g)).toHaveLength(2);
  });

  it('leaves artifacts of failed tests and of no others', () =>
    expectArtifacts(root, /^some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/));

  it('only warns if artifacts cannot be written', () => {
    expect(output).toMatch(/nanophoto-emulator: Artifacts cannot be written: E\w+/);
  });
});

describe('the npm package with Playwright', () => {
  let root: string;
  let output: string;
  beforeAll(async () => {
    const fixture = copyPlaywrightExample('with-playwright/fixture');
    root = join(fixture, '..');
    writeProject(join(root, 'failing'), {
      'some.test.ts': `import { expect, test } from 'nanophoto-emulator/playwright';${FAILING_WITH_FIXTURE}`,
    });
    const projects = [{ testDir: 'fixture' }, { testDir: 'failing', use: { nanophotoArtifacts: 'artifacts' } }];
    writeProject(root, { 'playwright.config.ts': `export default ${JSON.stringify({ projects })};` });
    output = await runFailing(root, join(project(), 'node_modules/@playwright/test/cli.js'), 'test');
  });

  it('passes the examples', () => {
    expect(output).toMatch(/1 failed\n.*some\.test\.ts.* fails > a/);
    expect(output).toMatch(/15 passed/);
    expect(output).toContain('Expected spent credits: 1');
  });

  it('leaves artifacts of failed tests and of no others', () =>
    expectArtifacts(root, /^failing-some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/));
});

describe('the npm package', () => {
  it('reports in one sentence that a test runner is missing', async () => {
    const dir = lastingTempDir();
    mkdirSync(join(dir, 'node_modules'));
    cpSync(installed(), join(dir, 'node_modules/nanophoto-emulator'), { recursive: true });
    const script = `const report = ({ message }) => console.log(message);
      (async () => {
        await import('nanophoto-emulator/vitest').catch(report);
        try { require('nanophoto-emulator/playwright'); } catch (error) { report(error); }
        try { require('nanophoto-emulator/jest').useEmulator(); } catch (error) { report(error); }
      })();`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(stdout.split('\n')).toEqual([
      'nanophoto-emulator/vitest needs vitest 3.2 or later: npm install --save-dev vitest',
      'nanophoto-emulator/playwright needs @playwright/test: npm install --save-dev @playwright/test',
      'nanophoto-emulator/jest needs the globals of Jest: call useEmulator() in a file that Jest runs.',
      '',
    ]);
  });

  it('passes the examples with pytest, which finds the emulator in node_modules', async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    expect(await runPytest(copyExample('pytest'))).toContain('4 passed');
  });
});
