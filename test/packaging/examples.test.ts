import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environment, run, TOOLS, usePackage } from '../support/package.ts';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

const { project, installed, copyExample, copyPlaywrightExample, runInProject } = usePackage();

describe('examples with the npm package', () => {
  it('pass with vitest: the library, and the fixture with real and with fake timers', async () => {
    const dir = copyExample('library', 'with-vitest/library');
    const fixture = copyExample('fixtures/vitest', 'with-vitest/fixture');
    writeFileSync(join(fixture, 'fake-timers.ts'), "import { vi } from 'vitest'; vi.useFakeTimers();");
    const projects = [
      { test: { name: 'library', root: dir } },
      { test: { name: 'real timers', root: fixture } },
      { test: { name: 'fake timers', root: fixture, setupFiles: ['./fake-timers.ts'] } },
    ];
    const root = join(dir, '..');
    writeFileSync(join(root, 'vitest.config.ts'), `export default ${JSON.stringify({ test: { projects } })};`);
    const vitest = join(project(), 'node_modules/vitest/vitest.mjs');
    const { stdout } = await runInProject('node', vitest, 'run', '--root', root, '--no-color');
    expect(stdout).toMatch(/Tests {2}31 passed/);
  });

  it.each(['jest', 'jest-30'])('pass with the hooks of %s, with real and with fake timers', async (jest) => {
    const rootDir = copyExample('fixtures/jest', `with-${jest}`);
    writeFileSync(join(rootDir, 'package.json'), '{"type":"commonjs"}');
    const projects = [false, true].map((enableGlobally) => ({ rootDir, fakeTimers: { enableGlobally } }));
    const config = JSON.stringify({ rootDir, projects });
    const { stderr } = await runInProject('node', join(TOOLS, jest, 'bin/jest.js'), '--config', config);
    expect(stderr).toMatch(/Tests: +6 passed, 6 total/);
    expect(stderr).not.toContain('did not exit');
  });

  it('fail with only the reason when the hooks of jest cannot start the emulator or create the account', async () => {
    const dir = join(project(), 'failing-hooks');
    mkdirSync(dir);
    writeFileSync(join(dir, 'package.json'), '{"type":"commonjs"}');
    for (const [name, options] of Object.entries({ start: '{ port: -1 }', account: '{ account: { credits: -1 } }' })) {
      const text = `require('nanophoto-emulator/jest').useEmulator(${options});\ntest('a test', () => {});\n`;
      writeFileSync(join(dir, `${name}.test.js`), text);
    }
    const args = [join(TOOLS, 'jest-30/bin/jest.js'), '--config', JSON.stringify({ rootDir: dir })];
    const { stderr } = await runInProject('node', ...args).catch((error) => error);
    expect(stderr.match(/^ +\w*Error: .*$/gm).sort()).toEqual([
      '    ControlError: Invalid parameter credits: expected a whole number from 0 to 1000000000000.',
      '    SetupError: port must be a port from 0 to 65535, not "-1".',
    ]);
  });

  it('pass with Playwright', async () => {
    const playwright = join(project(), 'node_modules/@playwright/test/cli.js');
    const { stdout } = await runInProject('node', playwright, 'test', copyPlaywrightExample('fixtures/playwright'));
    expect(stdout).toMatch(/14 passed/);
  });

  it.each([
    ['vitest', 'import', 'nanophoto-emulator/vitest needs vitest 3.2 or later: npm install --save-dev vitest'],
    [
      'playwright',
      'require',
      'nanophoto-emulator/playwright needs @playwright/test: npm install --save-dev @playwright/test',
    ],
    [
      'jest',
      'require',
      'nanophoto-emulator/jest needs the globals of Jest: call useEmulator() in a file that Jest runs.',
    ],
  ])('report in one sentence that %s is missing', async (runner, load, sentence) => {
    const dir = lastingTempDir();
    mkdirSync(join(dir, 'node_modules'));
    cpSync(installed(), join(dir, 'node_modules/nanophoto-emulator'), { recursive: true });
    const script = `(async () => { const { useEmulator } = await ${load}('nanophoto-emulator/${runner}'); useEmulator?.(); })()
      .catch((error) => console.log(error.message));`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(stdout).toBe(`${sentence}\n`);
  });

  it('pass with pytest, which finds the emulator in node_modules', async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    expect(await runPytest(copyExample('pytest'))).toContain('4 passed');
  });
});
