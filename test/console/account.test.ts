import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, eventually, startListeningEmulator, statusError, useConsole } from '../support/console.ts';

const KEY = 'np_test_frozen';
const HOUR_MS = 3_600_000;

describe.skipIf(!CHROMIUM)('console account', () => {
  const { openPage, createAccount } = useConsole();

  it('adds and removes credits, and shows the error when more are removed than available', async () => {
    const { key, origin, read } = await createAccount();
    const { press, form, expectToast, region, button } = await openPage(origin, accountHref(key), {
      expected: [statusError(409)],
    });
    const amount = form('Adjust credits').getByLabel('Amount');
    await press('Adjust …');
    await amount.fill('250');
    await form('Adjust credits').getByLabel('Reason').fill('a present');
    // A double-click submits once.
    await button('Update').dblclick();
    await expectToast('New balance: 1\u202f250.');
    await amount.waitFor({ state: 'detached' });
    await region('Credits').getByText('1\u202f250', { exact: true }).waitFor();

    await press('Adjust …');
    await amount.fill('-1251');
    await press('Update');
    await expectToast('1251 credits cannot be deducted from 1250.');
    // The form stays open, so that the amount can be corrected.
    await amount.fill('-1250');
    await press('Update');
    await expectToast('New balance: 0.');
    await region('Credits').getByText('0', { exact: true }).waitFor();

    expect((await read(key)).credits).toBe(0);
    expect((await read(key, '/ledger')).entries).toMatchObject([
      { kind: 'grant', amount: 1000 },
      { kind: 'grant', amount: 250, reason: 'a present' },
      { kind: 'adjust', amount: -1250 },
    ]);
    expect(await button('Update').count()).toBe(0);
  });

  it('sets the rate limit and what is left of it, and switches it off', async () => {
    const { key, origin, read } = await createAccount();
    const { press, form, expectToast, region } = await openPage(origin, accountHref(key), {
      expected: [statusError(400)],
    });
    const set = form('Set the rate limit');
    await region('Rate limit').getByText('100 of 100').waitFor();
    await press('Set …');
    await set.getByLabel('Requests per hour').fill('5');
    await set.getByLabel('Left this hour').fill('6');
    await press('Update');
    await expectToast('Invalid parameter remaining: expected at most the limit, 5.');
    await set.getByLabel('Left this hour').fill('2');
    await press('Update');
    await expectToast('Rate limit set.');
    await region('Rate limit').getByText('2 of 5').waitFor();
    await region('Rate limit').getByText('left until 13:00:00').waitFor();
    expect((await read(key)).rateLimit).toMatchObject({ limit: 5, remaining: 2 });

    await press('Set …');
    await press('Update');
    await expectToast('Nothing changed: both fields are empty.');
    await press('Switch off');
    await expectToast('Rate limit off.');
    await region('Rate limit').getByText('off', { exact: true }).waitFor();
    expect((await read(key)).rateLimit.limit).toBeNull();
  });

  it('changes the mode and speed of the clock', async () => {
    const { key, origin, read } = await createAccount();
    const { press, form, expectToast, region } = await openPage(origin, accountHref(key));
    const clock = region('Clock');
    const time = () => clock.getByText(/^2026-01-15/).innerText();
    await clock.getByText('only moves when advanced', { exact: true }).waitFor();
    await press('Change …');
    const change = form('Change the clock');
    expect(await change.getByLabel('Mode').inputValue()).toBe('frozen');
    await change.getByLabel('Mode').selectOption('real');
    await change.getByLabel('Speed').fill('2.5');
    await press('Update');
    await expectToast('Clock mode: real.');
    await clock.getByText('follows the wall clock; generation is 2.5 times as fast').waitFor();
    expect(await read(key)).toMatchObject({ clock: { mode: 'real' }, speed: 2.5 });
    const before = await time();
    await eventually(time).not.toBe(before);

    await press('Change …');
    await change.getByLabel('Mode').selectOption('auto');
    await press('Update');
    await expectToast('Clock mode: auto.');
    await clock.getByText('each poll advances it', { exact: true }).waitFor();
    expect(await read(key)).toMatchObject({ clock: { mode: 'auto' }, speed: 2.5 });
  });

  it('lists and verifies the ledger, and opens the task of an entry', async () => {
    const { origin, order, callAdmin, core, account } = await startListeningEmulator();
    const done = await order(KEY, 'done');
    await callAdmin('POST', KEY, `/tasks/${done}/complete`);
    const failed = await order(KEY, 'failed');
    await callAdmin('POST', KEY, `/tasks/${failed}/fail`);
    const running = await order(KEY, 'running');
    await callAdmin('POST', KEY, '/credits', { amount: -6, reason: 'taken by hand' });
    const { page, press, expectToast, rowLabels, row, tab, region } = await openPage(origin, accountHref(KEY));
    await tab('ledger').click();
    const shorten = (id: string) => `${id.slice(0, 8)}…${id.slice(-6)}`;
    const entry = (...words: string[]) => `2026-01-15 12:00:00 ${words.join(' ')}`;
    await eventually(rowLabels).toEqual([
      entry('adjust taken by hand −6 986'),
      entry(`hold running ${shorten(running)} −4 992`),
      entry(`refund failed ${shorten(failed)} +4 996`),
      entry(`hold failed ${shorten(failed)} −4 992`),
      entry(`capture done ${shorten(done)} 0 996`),
      entry(`hold done ${shorten(done)} −4 996`),
      entry('grant initial credits +1 000 1 000'),
    ]);
    await region('Ledger')
      .getByText(/^Balance\s986$/)
      .waitFor();
    await region('Ledger')
      .getByText(/^Held\s4$/)
      .waitFor();
    await region('Ledger').getByText('7 entries', { exact: true }).waitFor();

    await press('Verify the ledger');
    await expectToast('The ledger adds up: 7 entries, every hold resolved at most once.');
    core.db.exec('DROP TRIGGER entry_is_never_changed');
    core.db.exec(`UPDATE ledger_entries SET balance = 987 WHERE seq = 7 AND account_id = ${account(KEY).id}`);
    await press('Verify the ledger');
    await expectToast(/^The ledger does not add up: .*entry 7/);

    await row(/refund/).click();
    await page.getByRole('article', { name: `Task ${failed}` }).waitFor();
    expect(page.url()).toBe(`${origin}/console${accountHref(KEY, 'tasks', failed)}`);
  });

  it('links the findings of the verdict to their requests', async () => {
    const { key, origin, order, postOk, callAdmin, read } = await createAccount();
    const { page, tab, region } = await openPage(origin, accountHref(key, 'verdict'));
    await region('Verdict').getByText('The journal is empty: there is nothing to check.').waitFor();
    await order(key, 'the same');
    await region('Verdict').getByText('No findings about this client.').waitFor();
    await order(key, 'the same');
    await postOk('/api/sora-2/generate', { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, key);
    await callAdmin('POST', key, '/clock/advance', { ms: HOUR_MS });
    const findings = region('Verdict').getByRole('article');
    await eventually(() => findings.getByRole('heading').allInnerTexts()).toEqual([
      'DUPLICATE_SUBMIT',
      'NEVER_COLLECTED',
      'NEVER_COLLECTED',
      'NEVER_COLLECTED',
      'UNDOCUMENTED_FIELD',
    ]);
    await eventually(() => tab('verdict').innerText()).toMatch(/^verdict\s*5$/i);
    const { findings: expected } = await read(key, '/verdict');
    for (const [index, { message, requests }] of expected.entries()) {
      await findings.nth(index).getByText(message, { exact: true }).waitFor();
      expect(await findings.nth(index).getByRole('link').allInnerTexts()).toEqual(
        requests.map((id: string) => `request ${id}`),
      );
    }
    await findings.filter({ hasText: 'DUPLICATE_SUBMIT' }).getByRole('link', { name: 'request 2' }).click();
    const request = page.getByRole('article', { name: 'Request 2' });
    await request.getByText(expected[0].message).waitFor();
    await request.getByRole('link', { name: 'DUPLICATE_SUBMIT' }).click();
    await findings.first().waitFor();
  });

  it('takes and restores a snapshot', async () => {
    const { key, origin, order, read } = await createAccount();
    const { page, press, pressAndConfirm, form, expectToast, region, tab } = await openPage(
      origin,
      accountHref(key, 'states'),
    );
    await region('States').getByText('No snapshots.').waitFor();
    await form('Take a snapshot').getByLabel('Name').fill('before');
    await press('Take a snapshot');
    await expectToast('Snapshot before taken.');
    await page.getByRole('listitem').filter({ hasText: 'before 2026-01-15 12:00:00' }).waitFor();
    await eventually(() => tab('states').innerText()).toMatch(/1$/);
    expect((await read(key, '/snapshots')).snapshots).toMatchObject([{ name: 'before' }]);

    await order(key);
    await region('Credits').getByText('996').waitFor();
    await pressAndConfirm('Restore before');
    await expectToast('Snapshot before restored.');
    await region('Credits').getByText('1\u202f000').waitFor();
    await eventually(() => tab('tasks').innerText()).toMatch(/^tasks$/i);
    expect(await read(key)).toMatchObject({ credits: 1000 });
    expect((await read(key, '/tasks')).tasks).toEqual([]);
  });

  it('forks an account into an independent one', async () => {
    const { key, origin, order, read } = await createAccount();
    const id = await order(key);
    const { page, press, form, expectToast, row } = await openPage(origin, accountHref(key, 'states'), {
      expected: [statusError(409)],
    });
    await form('Fork this account').getByLabel('New key').fill('np_test_auto');
    await press('Fork');
    await expectToast('An account with the key np_test_auto already exists.');
    await form('Fork this account').getByLabel('New key').fill('the-fork');
    await press('Fork');
    await expectToast('Forked to the-fork.');
    await page.getByRole('heading', { level: 1, name: /^the-fork/ }).waitFor();
    await row(/golden retriever/).waitFor();
    await press('To the end');
    await row(/completed/).waitFor();
    const [forkedTask] = (await read('the-fork', '/tasks')).tasks;
    expect(forkedTask).toMatchObject({ status: 'completed' });
    expect(await read(key, `/tasks/${id}`)).toMatchObject({ status: 'processing' });
  });

  it('resets, revokes, reinstates and removes an account', async () => {
    const { origin, order, read, get, post } = await startListeningEmulator();
    await order(KEY);
    const { page, press, pressAndConfirm, expectToast, region, tab } = await openPage(
      origin,
      accountHref(KEY, 'states'),
      {
        // The page may still read the account while it is being removed.
        expected: [statusError(404)],
      },
    );
    await region('Credits').getByText('996').waitFor();
    await pressAndConfirm('Reset this account');
    await expectToast('Account reset.');
    await region('Credits').getByText('1\u202f000').waitFor();
    await eventually(() => tab('requests').innerText()).toMatch(/^requests$/i);
    expect((await read(KEY, '/requests/count')).count).toBe(0);

    await press('Revoke the key');
    await expectToast('Key revoked: its requests get a 401.');
    await page.getByText('revoked', { exact: true }).waitFor();
    expect((await post('/api/sora-2/generate', {}, KEY)).status).toBe(401);
    await press('Reinstate the key');
    await expectToast('Key reinstated.');
    await page.getByText('revoked', { exact: true }).waitFor({ state: 'detached' });
    expect((await post('/api/sora-2/generate', {}, KEY)).status).toBe(400);

    await pressAndConfirm('Remove this account');
    await expectToast(`Account ${KEY} removed.`);
    await page.getByRole('heading', { level: 1, name: 'Accounts' }).waitFor();
    await page.getByText('5 accounts', { exact: true }).waitFor();
    expect((await get(`/__admin/accounts/${KEY}`)).status).toBe(404);
  });
});
