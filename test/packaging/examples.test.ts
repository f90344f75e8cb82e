import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findFiles } from '../../src/cli/open.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { expectValidHar } from '../support/har.ts';
import { environment, run, TOOLS, usePackage } from '../support/package.ts';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';
import { lastingTempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

const { project, installed, copyExample, copyPlaywrightExample } = usePackage();

/** Two tests, of which the first one fails. */
const FAILING = `
  test('fails > a', async () => {
    await nanophoto.credit(-1);
    await fetch(nanophoto.baseUrl + '/api/sora-2/generate', {
      method: 'POST',
      headers: { authorization: 'Bearer ' + nanophoto.apiKey, 'content-type': 'application/json' },
      body: '{}',
    });
    await expect(nanophoto).toHaveSpent(1);
  });
  test('passes', () => nanophoto.credit(-1));`;
const FAILING_WITH_FIXTURE = FAILING.replace("', async () =>", "', async ({ nanophoto }) =>").replace(
  "', () =>",
  "', ({ nanophoto }) =>",
);

/** Writes files of a test project. Returns its path. */
function writeProject(dir: string, files: Record<string, string>): string {
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return dir;
}

/** Runs a test runner, once for all of its projects, since each start takes seconds. Some of the tests fail. */
async function runFailing(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('node', args, { cwd, env: environment }).catch((error) => error);
  expect(code).toBe(1);
  return `${stdout}${stderr}`;
}

/** Checks that the failed test, and no other, has left artifacts. */
async function expectArtifacts(dir: string, name: RegExp): Promise<void> {
  const artifacts = join(dir, 'artifacts');
  expect(readdirSync(artifacts)).toEqual([expect.stringMatching(name)]);
  const read = (file: string) => readFileSync(join(artifacts, readdirSync(artifacts)[0]!, file), 'utf8');
  const { format, account, requests, ledger, verdict } = JSON.parse(read('account.json'));
  expect([format, requests.length, ledger.at(-1).amount, verdict.ok]).toEqual([
    ...['nanophoto-emulator/account', 1, -1, true],
  ]);
  expectValidHar(JSON.parse(read('requests.har')));
  expect(read('summary.md')).toContain('| PROMPT_REQUIRED |');
  const opened = await createTestEmulator([], createTestClock(), undefined, { filesToOpen: findFiles(artifacts) });
  const { body } = await opened.get(`/__admin/accounts/${account.key}/requests`);
  expect(body).toMatchObject({ requests: [{ errorCode: 'PROMPT_REQUIRED' }] });
}

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
    const projects = [
      { test: { name: 'library', root: library } },
      { test: { name: 'real timers', root: fixture } },
      { test: { name: 'fake timers', root: fixture, setupFiles: ['../fake-timers.ts'], isolate: false } },
      { test: { name: 'failing', root: failing, provide: { nanophotoArtifacts: 'artifacts' } } },
      { test: { name: 'warned', root: warned } },
    ];
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

describe.each(['jest', 'jest-30'])('the npm package with %s', (jest) => {
  let root: string;
  let output: string;
  beforeAll(async () => {
    const fixture = copyExample('fixtures/jest', `with-${jest}/fixture`);
    root = writeProject(join(fixture, '..'), { 'package.json': '{"type":"commonjs"}' });
    writeProject(join(root, 'failing'), {
      'some.test.js': `const nanophoto = require('nanophoto-emulator/jest').useEmulator({ artifacts: 'artifacts' });${FAILING}`,
    });
    const useEmulator = (options: string) =>
      `require('nanophoto-emulator/jest').useEmulator(${options});\ntest('a test', () => {});\n`;
    writeProject(join(root, 'refused'), {
      'start.test.js': useEmulator('{ port: -1 }'),
      'account.test.js': useEmulator('{ account: { credits: -1 } }'),
    });
    const testIn = (folder: string) => ({ testMatch: [`<rootDir>/${folder}/*.test.js`] });
    const withFakeTimers = { ...testIn('fixture'), fakeTimers: { enableGlobally: true } };
    const projects = [testIn('fixture'), withFakeTimers, testIn('failing'), testIn('refused')];
    const config = JSON.stringify({ rootDir: root, projects });
    output = await runFailing(root, join(TOOLS, jest, 'bin/jest.js'), '--runInBand', '--config', config);
  });

  it('passes the example with the hooks, with real and with fake timers', () => {
    expect(output).toMatch(/Tests: +3 failed, 7 passed, 10 total/);
    expect(output).toMatch(/● fails > a$/m);
    expect(output).toContain('Expected spent credits: 1');
    expect(output).not.toContain('did not exit');
  });

  it('leaves artifacts of failed tests and of no others', () =>
    expectArtifacts(root, /^some\.test\.js-fails-a-np_\w+-[0-9a-f]{8}$/));

  it('fails with only the reason when the hooks cannot start the emulator or create the account', () => {
    expect([...new Set(output.match(/^ +\w*Error: .*$/gm))].sort()).toEqual([
      '    ControlError: Invalid parameter credits: expected a whole number from 0 to 1000000000000.',
      '    SetupError: port must be a port from 0 to 65535, not "-1".',
    ]);
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
  ])('reports in one sentence that %s is missing', async (runner, load, sentence) => {
    const dir = lastingTempDir();
    mkdirSync(join(dir, 'node_modules'));
    cpSync(installed(), join(dir, 'node_modules/nanophoto-emulator'), { recursive: true });
    const script = `(async () => { const { useEmulator } = await ${load}('nanophoto-emulator/${runner}'); useEmulator?.(); })()
      .catch((error) => console.log(error.message));`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(stdout).toBe(`${sentence}\n`);
  });

  it('passes the examples with pytest, which finds the emulator in node_modules', async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    expect(await runPytest(copyExample('pytest'))).toContain('4 passed');
  });
});
