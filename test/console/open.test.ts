import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFiles } from '../../src/cli/open.ts';
import { buildDocument } from '../support/account-document.ts';
import { CHROMIUM } from '../support/browser.ts';
import { MAIN, startCommand } from '../support/command.ts';
import { accountHref, eventually, startListeningEmulator, statusError, useConsole } from '../support/console.ts';
import { createPopulatedEmulator, POPULATED_KEY } from '../support/populated-emulator.ts';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';
import { tempDir } from '../support/temp-dir.ts';

const EMPTY_KEY = 'np_imported';

/** A test that fails after a submit and a request that the emulator rejects, and one that passes. */
const PYTEST_TESTS = `
import json, urllib.error, urllib.request

def submit(nanophoto, **body):
    headers = {"Authorization": "Bearer " + nanophoto.api_key, "Content-Type": "application/json"}
    url = nanophoto.base_url + "/api/sora-2/generate"
    try:
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
    except urllib.error.HTTPError:
        pass

def test_fails(nanophoto):
    submit(nanophoto, prompt="A cat at the piano", mode="textToVideo")
    submit(nanophoto, mode="textToVideo")
    nanophoto.assert_spent(1)

def test_passes(nanophoto):
    submit(nanophoto)
`;

/** Runs PYTEST_TESTS. Returns the directory of the artifacts. */
async function runFailingPytest(): Promise<string> {
  const project = tempDir();
  writeFileSync(join(project, 'test_video.py'), PYTEST_TESTS);
  const flags = ['--nanophoto-command', `${process.execPath} ${MAIN}`, '--nanophoto-artifacts', 'artifacts'];
  expect(await runPytest(project, flags)).toContain('1 failed, 1 passed');
  return join(project, 'artifacts');
}

/** Starts an emulator that shows a directory of two accounts: one of a client of every kind, and one without requests. */
async function openArtifacts() {
  const { get, views } = await createPopulatedEmulator();
  const dir = join(tempDir(), 'artifacts of "tests" ü');
  const documents = {
    used: (await get(`/__admin/accounts/${POPULATED_KEY}/export?include=requests,verdict`)).text,
    empty: JSON.stringify({ ...buildDocument(), tasks: [], ledger: [], faults: [] }),
  };
  for (const [name, text] of Object.entries(documents)) {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, 'account.json'), text);
  }
  const { origin } = await startListeningEmulator([], undefined, { filesToOpen: findFiles(dir) });
  return { origin, dir, views, document: JSON.parse(documents.used) };
}

describe.skipIf(!CHROMIUM)('console of a read-only emulator', () => {
  const { openPage } = useConsole();

  it('shows the artifacts that a failed test of pytest has left', async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    const { url } = await startCommand(['open', await runFailingPytest()]);
    const { page, rows, row, tab } = await openPage(url);
    await page.getByText('1 account', { exact: true }).waitFor();
    await row(/^np_/).click();
    await row(/A cat at the piano/).waitFor();
    await tab('Ledger').click();
    await row(/hold.*4/).waitFor();
    await tab('Requests').click();
    await eventually(() => rows.count()).toBe(2);
    await row(/400 POST \/api\/sora-2\/generate.*PROMPT_REQUIRED/).click();
    const body = page.getByRole('article', { name: /^Request / }).getByRole('region', { name: 'Request body' });
    expect(JSON.parse(await body.innerText())).toEqual({ mode: 'textToVideo' });
  });

  it('shows the tasks, requests, ledger, verdict and faults of the files', async () => {
    const { origin, document } = await openArtifacts();
    const { page, rows, row, press, expectToast } = await openPage(origin);
    await row(POPULATED_KEY).click();
    await eventually(() => rows.count()).toBe(document.tasks.length);
    await row(/A wolf/).click();
    await page
      .getByRole('article', { name: /^Task / })
      .getByText('failed, refunded: GENERATION_FAILED')
      .waitFor();

    await page.goto(`${origin}/console${accountHref(POPULATED_KEY, 'requests')}`);
    await eventually(() => rows.count()).toBe(document.requests.length);
    await row(/400 POST \/api\/veo-3\/generate/).click();
    const request = page.getByRole('article', { name: /^Request / });
    const body = await request.getByRole('region', { name: 'Request body' }).innerText();
    expect(JSON.parse(body)).toEqual({ shots: [] });
    await page.goto(`${origin}/console${accountHref(POPULATED_KEY, 'verdict')}`);
    for (const { message } of document.verdict.findings) await page.getByText(message, { exact: true }).waitFor();
    await page.goto(`${origin}/console${accountHref(POPULATED_KEY, 'faults')}`);
    await page.getByText('used up').waitFor();
    await page.goto(`${origin}/console${accountHref(POPULATED_KEY, 'ledger')}`);
    await press('Verify the ledger');
    await expectToast(/^The ledger adds up: /);
  });

  it('marks every view as read-only and offers no action', async () => {
    const { origin, dir, views, document } = await openArtifacts();
    const running = document.tasks.find(({ status }: { status: string }) => status === 'processing').id;
    const { page } = await openPage(origin);
    for (const { hash, text } of [
      { hash: '#/', text: '2 accounts' },
      { hash: '#/faults', text: 'No rules.' },
      ...[views.tasks, views['a task'], views.ledger, views.requests, views['a request'], views.verdict, views.faults],
      { hash: accountHref(POPULATED_KEY, 'tasks', running), text: 'Input' },
      { hash: accountHref(POPULATED_KEY, 'states'), text: 'A file has no snapshots.' },
    ]) {
      await page.goto(`${origin}/console${hash}`);
      await page.getByText(text).first().waitFor();
      await page.getByText(`read-only: from ${dir}`, { exact: true }).waitFor();
      // The page shows its connection only until that is live.
      await page.locator('.connection').waitFor({ state: 'detached' });
      expect(await page.getByRole('form').count(), hash).toBe(0);
      const names = await page.getByRole('button').allInnerTexts();
      const changes = names.filter(
        (name) => !/^(Copy|Copy id|Copy address|Copy as curl|Verify the ledger)$/.test(name),
      );
      expect(changes, hash).toEqual([]);
    }
  });

  it('says that a file has no requests, verdict and snapshots', async () => {
    const { origin } = await openArtifacts();
    const { page } = await openPage(origin, accountHref(EMPTY_KEY, 'requests'), { expected: [statusError(404)] });
    await page.getByText('The file has no requests.').waitFor();
    await page.goto(`${origin}/console${accountHref(EMPTY_KEY, 'verdict')}`);
    await page.getByText('The file has no verdict.').waitFor();
    await page.goto(`${origin}/console${accountHref(EMPTY_KEY, 'states')}`);
    await page.getByText('A file has no snapshots.').waitFor();
    await page.goto(`${origin}/console${accountHref(EMPTY_KEY)}`);
    await page.getByText('No tasks yet.').waitFor();
    await page.goto(`${origin}/console#/`);
    await page.getByText('2 accounts').waitFor();
    expect(await page.getByText('No requests yet').count()).toBe(0);
  });
});
