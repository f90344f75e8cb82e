import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFiles } from '../../src/cli/open.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { expectValidHar } from '../support/har.ts';
import { environment, run, TOOLS, usePackage } from '../support/package.ts';
import { createTestClock } from '../support/test-clock.ts';

const { project } = usePackage();

describe('artifacts of failed tests, and of no others, are left', () => {
  const TESTS = `
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
  const WITH_FIXTURE = TESTS.replace("', async () =>", "', async ({ nanophoto }) =>").replace(
    "', () =>",
    "', ({ nanophoto }) =>",
  );

  /** Writes a project in which a test fails, runs its tests and returns their output. */
  async function runFailing(name: string, files: Record<string, string>, toArgs: (dir: string) => string[]) {
    const dir = join(project(), 'failing', name);
    mkdirSync(dir, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
    const result = await run('node', toArgs(dir), { cwd: dir, env: environment }).catch((error) => error);
    expect(result.code).toBe(1);
    const output = `${result.stdout}${result.stderr}`;
    expect(output).toContain('Expected spent credits: 1');
    return { dir, output };
  }

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

  it('with the fixture of vitest', async () => {
    const files = {
      'some.test.ts': `import { expect, test } from 'nanophoto-emulator/vitest';${WITH_FIXTURE}`,
      'vitest.config.ts': "export default { test: { provide: { nanophotoArtifacts: 'artifacts' } } };",
    };
    const vitest = join(project(), 'node_modules/vitest/vitest.mjs');
    const { dir } = await runFailing('vitest', files, (dir) => [vitest, 'run', '--root', dir, '--no-color']);
    await expectArtifacts(dir, /^some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/);
  });

  it.each(['jest', 'jest-30'])('with the hooks of %s', async (jest) => {
    const files = {
      'package.json': '{"type":"commonjs"}',
      'some.test.js': `const { useEmulator } = require('nanophoto-emulator/jest');
        const nanophoto = useEmulator({ artifacts: 'artifacts' });${TESTS}`,
    };
    const { dir } = await runFailing(jest, files, (dir) => [...[join(TOOLS, jest, 'bin/jest.js'), '--rootDir', dir]]);
    await expectArtifacts(dir, /^some\.test\.js-fails-a-np_\w+-[0-9a-f]{8}$/);
  });

  it('with the fixture of Playwright', async () => {
    const files = {
      'some.test.ts': `import { expect, test } from 'nanophoto-emulator/playwright';${WITH_FIXTURE}`,
      'playwright.config.ts': "export default { use: { nanophotoArtifacts: 'artifacts' } };",
    };
    const playwright = join(project(), 'node_modules/@playwright/test/cli.js');
    const { dir } = await runFailing('playwright', files, () => [playwright, 'test']);
    await expectArtifacts(dir, /^some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/);
  });

  it('or only warn if that is not possible', async () => {
    const files = {
      artifacts: '',
      'some.test.ts': `import { expect, test as base } from 'nanophoto-emulator/vitest';
        const test = base.extend({ nanophotoArtifacts: 'artifacts' });${WITH_FIXTURE}`,
    };
    const vitest = join(project(), 'node_modules/vitest/vitest.mjs');
    const { output } = await runFailing('warned', files, (dir) => [vitest, 'run', '--root', dir, '--no-color']);
    expect(output).toMatch(/nanophoto-emulator: Artifacts cannot be written: E\w+/);
    expect(output).toMatch(/Tests {2}1 failed \| 1 passed/);
  });
});
