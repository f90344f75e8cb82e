import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { findFiles } from '../../src/cli/open.ts';
import { createTestEmulator } from './emulator.ts';
import { expectValidHar } from './har.ts';
import { environment, run } from './package.ts';
import { createTestClock } from './test-clock.ts';

/** Two tests, of which the first one fails. */
export const FAILING = `
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
export const FAILING_WITH_FIXTURE = FAILING.replace("', async () =>", "', async ({ nanophoto }) =>").replace(
  "', () =>",
  "', ({ nanophoto }) =>",
);

/** Writes files of a test project. Returns its path. */
export function writeProject(dir: string, files: Record<string, string>): string {
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return dir;
}

/** Runs a test runner, once for all of its projects, since each start takes seconds. Some of the tests fail. */
export async function runFailing(cwd: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('node', args, { cwd, env: environment }).catch((error) => error);
  expect(code).toBe(1);
  return `${stdout}${stderr}`;
}

/** Checks that the failed test, and no other, has left artifacts. */
export async function expectArtifacts(dir: string, name: RegExp): Promise<void> {
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
