import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  holdResponses,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';
import { openSwitchableProxy } from '../support/switchable-proxy.ts';

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';

describe.skipIf(!CHROMIUM)('console live updates', () => {
  const { openPage, createAccount } = useConsole();

  it('shows new tasks and their progress, the credits, the rate limit and the clock', async () => {
    const { key, origin, order, callAdmin, postOk } = await createAccount();
    const { page, rowLabels, region, waitUntilLive } = await openPage(origin, accountHref(key));
    await waitUntilLive();
    const [credits, limiter, clock] = ['Credits', 'Rate limit', 'Clock'].map(region);
    const first = await order(key, 'the first');
    await eventually(rowLabels).toEqual(['the first sora-2 generating · 0 % 4 cr']);
    await credits!.getByText('996', { exact: true }).waitFor();
    await credits!.getByText('4 held').waitFor();
    await limiter!.getByText('99 of 100').waitFor();
    await limiter!.getByText('left until 13:00:00').waitFor();

    await order(key, 'the second');
    await eventually(rowLabels).toEqual([
      'the second sora-2 generating · 0 % 4 cr',
      'the first sora-2 generating · 0 % 4 cr',
    ]);
    await callAdmin('POST', key, '/clock/advance', { ms: 60_000 });
    await clock!.getByText('2026-01-15 12:01:00').waitFor();
    await eventually(rowLabels).toEqual([
      expect.stringMatching(/^the second sora-2 generating · [1-9]\d % 4 cr$/),
      expect.stringMatching(/^the first sora-2 generating · [1-9]\d % 4 cr$/),
    ]);
    await callAdmin('POST', key, `/tasks/${first}/fail`, { error: 'INTERNAL_ERROR' });
    await eventually(rowLabels).toEqual([
      expect.stringMatching(/^the second/),
      'the first sora-2 failed, refunded: INTERNAL_ERROR 4 cr',
    ]);
    await callAdmin('POST', key, '/clock/advance', { toNext: true });
    await eventually(rowLabels).toEqual([
      expect.stringMatching(/^the second sora-2 completed in \d:\d\d min 4 cr$/),
      'the first sora-2 failed, refunded: INTERNAL_ERROR 4 cr',
    ]);
    await credits!.getByText('none held').waitFor();

    await callAdmin('PUT', key, '/clock', { mode: 'auto' });
    await clock!.getByText('each poll advances it').waitFor();
    await callAdmin('PUT', key, '/rate-limit', { limit: 7, remaining: 3 });
    await limiter!.getByText('3 of 7').waitFor();
    await callAdmin('PATCH', key, '', { revoked: true });
    await page.getByText('revoked', { exact: true }).waitFor();
    await callAdmin('PATCH', key, '', { revoked: false });
    await page.getByText('revoked', { exact: true }).waitFor({ state: 'detached' });
    const polled = await order(key, 'polled');
    await postOk('/api/sora-2/check-status', { taskId: polled }, key);
    await eventually(rowLabels).toEqual([
      expect.stringMatching(/^polled sora-2 completed/),
      ...[expect.anything(), expect.anything()],
    ]);
  });

  it('does not miss a change during a read', async () => {
    const { key, origin, order, callAdmin } = await createAccount();
    const { page, row, region, waitUntilLive } = await openPage(origin, accountHref(key));
    await waitUntilLive();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    const { isHeld, release } = await holdResponses(page, '**/tasks?*');
    const id = await order(key, 'early');
    await region('Credits').getByText('4 held').waitFor();
    await eventually(isHeld).toBe(true);
    await callAdmin('POST', key, `/tasks/${id}/complete`);
    // The page knows of the change now, and the delayed response is outdated.
    await region('Credits').getByText('none held').waitFor();
    release();
    await row(/^early sora-2 completed/).waitFor();
  });

  it('shows new ledger entries, requests, findings, fault rules and snapshots', async () => {
    const { origin, order, callAdmin, post } = await startListeningEmulator();
    const { page, rowLabels, row, tab, region, waitUntilLive } = await openPage(origin, accountHref(KEY, 'ledger'));
    const count = (name: string) => tab(name).innerText();
    await waitUntilLive();
    await row(/initial credits/).waitFor();
    await callAdmin('POST', KEY, '/credits', { amount: 5, reason: 'a gift' });
    await row(/grant a gift \+5 1 005$/).waitFor();

    await tab('requests').click();
    await order(KEY);
    await row(/ 200 POST \/api\/sora-2\/generate/).waitFor();
    const rule = await callAdmin('POST', KEY, '/faults', {
      at: 'request',
      effect: { empty: true },
      times: 1,
    });
    await eventually(() => count('faults')).toMatch(/1$/);
    const lost = fetch(origin + GENERATE, { method: 'POST', headers: { authorization: `Bearer ${KEY}` } });
    await expect(lost).rejects.toThrow();
    await row(/ – POST \/api\/sora-2\/generate fault/).waitFor();
    await order(KEY);
    await eventually(() => count('verdict')).toMatch(/1$/);
    await tab('verdict').click();
    await region('Verdict').getByText('DUPLICATE_SUBMIT').waitFor();

    await tab('faults').click();
    await page.getByText(`rule ${rule.id} · has fired once · used up`).waitFor();
    await callAdmin('DELETE', KEY, `/faults/${rule.id}`);
    await region('Rules for this account')
      .getByText(/^No rules\./)
      .waitFor();
    await post('/__admin/faults', { at: 'task', effect: { fail: true } }, null);
    await region('Rules for all accounts').getByText('Every task fails.').waitFor();

    await tab('states').click();
    await callAdmin('POST', KEY, '/snapshots', { name: 'external-snapshot' });
    await page.getByText('external-snapshot').waitFor();
    await callAdmin('DELETE', KEY, '/requests');
    await eventually(() => count('requests')).toMatch(/^requests$/i);
    await callAdmin('POST', KEY, '/credits', { amount: 5 });
    await callAdmin('POST', KEY, '/snapshots/external-snapshot/restore');
    await tab('ledger').click();
    await eventually(async () => (await rowLabels())[0]).toMatch(
      /^2026-01-15 12:00:00 hold A golden retriever on a beach task_\S+ −4 997$/,
    );
  });

  it('shows that an account was reset, removed and created again', async () => {
    const { origin, order, callAdmin, post } = await startListeningEmulator();
    const key = 'np_test_other';
    const id = await order(key);
    const { page, row, region, tab } = await openPage(origin, accountHref(key, 'tasks', id), {
      expected: [statusError(404)],
    });
    const article = page.getByRole('article');
    await article.waitFor();
    await callAdmin('POST', key, '/reset');
    await page.getByText(`Task ${id} not found.`).waitFor();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    await region('Credits').getByText('1\u202f000').waitFor();

    await order(key, 'before it goes');
    await row(/before it goes/).waitFor();
    await callAdmin('DELETE', key, '');
    await page.getByRole('heading', { name: `Account ${key} not found` }).waitFor();
    await order(key, 'after it came back');
    await row(/after it came back/).waitFor();
    await eventually(() => tab('tasks').innerText()).toMatch(/1$/);

    await post('/__admin/reset', undefined, null);
    await page.getByRole('heading', { name: `Account ${key} not found` }).waitFor();
  });

  it('updates an open account when everything is reset', async () => {
    const { origin, order, post } = await startListeningEmulator();
    await post('/__admin/faults', { at: 'task', effect: { fail: true } }, null);
    await order(KEY);
    const { region, tab, page } = await openPage(origin, accountHref(KEY, 'faults'));
    await region('Rules for all accounts').getByText('Every task fails.').waitFor();
    await eventually(() => tab('tasks').innerText()).toMatch(/1$/);
    await post('/__admin/reset', undefined, null);
    await region('Rules for all accounts')
      .getByText(/^No rules\./)
      .waitFor();
    await eventually(() => tab('tasks').innerText()).toMatch(/^tasks$/i);
    await region('Credits').getByText('1\u202f000').waitFor();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await page.getByText('6 accounts', { exact: true }).waitFor();
  });

  it('shows accounts that are created, changed and removed', async () => {
    const { origin, clock, order, callAdmin, post } = await startListeningEmulator();
    const { page, row, rows, waitUntilLive } = await openPage(origin);
    await waitUntilLive();
    await page.getByText('6 accounts', { exact: true }).waitFor();
    clock.advance(1000);
    await post('/__admin/accounts', { key: 'the-latest', credits: 5 }, null);
    await page.getByText('7 accounts', { exact: true }).waitFor();
    expect(await rows.first().innerText()).toMatch(/^the-latest/);
    clock.advance(1000);
    await order('np_test_auto_created');
    await row(/^np_test_auto_created [01] running 0 failed .* 996 credits 99 of 100 real/).waitFor();
    expect(await rows.first().innerText()).toMatch(/^np_test_auto_created/);
    await callAdmin('POST', 'the-latest', '/credits', { amount: 6 });
    await row(/^the-latest .* 11 credits /).waitFor();
    await callAdmin('POST', KEY, '/clock/advance', { ms: 60_000 });
    await row(/^np_test_frozen .* frozen 2026-01-15 12:01:00$/).waitFor();
    await callAdmin('POST', KEY, '/fork', { to: 'the-fork' });
    await row(/^the-fork/).waitFor();
    await callAdmin('DELETE', 'the-latest', '');
    await row(/^the-latest/).waitFor({ state: 'detached' });
    await page.getByText('8 accounts', { exact: true }).waitFor();
    await post('/__admin/reset', undefined, null);
    await row(/^np_test_auto_created/).waitFor({ state: 'detached' });
    await row(/^the-fork/).waitFor();
    await page.getByText('7 accounts', { exact: true }).waitFor();
  });

  it('ignores a late response for an account that was removed', async () => {
    const { origin, callAdmin, post } = await startListeningEmulator();
    await post('/__admin/accounts', { key: 'soon-gone' }, null);
    const { page, row, waitUntilLive } = await openPage(origin);
    await waitUntilLive();
    await row(/^soon-gone/).waitFor();
    const { isHeld, release } = await holdResponses(page, '**/__admin/accounts/soon-gone');
    // Repeated, because a periodic reload of the list can replace the read of the single account.
    const triggerRead = async () => {
      await callAdmin('POST', 'soon-gone', '/credits', { amount: 5 });
      return isHeld();
    };
    await eventually(triggerRead).toBe(true);
    await callAdmin('DELETE', 'soon-gone', '');
    await row(/^soon-gone/).waitFor({ state: 'detached' });
    release();
    await callAdmin('POST', KEY, '/credits', { amount: 5 });
    // A later change is shown, so the page has processed the late response.
    await row(/^np_test_frozen .* 1 005 credits/).waitFor();
    expect(await row(/^soon-gone/).count()).toBe(0);
  });

  it('shows a lost connection, and reconnects to an emulator started on the same port', async () => {
    const first = await startListeningEmulator();
    await first.order(KEY, 'of the first one');
    const proxy = await openSwitchableProxy(first.origin);
    const { page, row, press, expectToast, waitUntilLive } = await openPage(proxy.origin, accountHref(KEY), {
      expected: [/Failed to load resource: net::ERR_/, statusError(404)],
    });
    await waitUntilLive();
    await row(/of the first one/).waitFor();
    proxy.disconnect();
    await page.getByText('not connected', { exact: true }).waitFor();
    const reason = page.getByRole('paragraph').filter({ hasText: 'The emulator does not respond.' });
    await reason.waitFor();
    await press('Next step');
    await expectToast('The emulator does not respond.');
    // Data that was already loaded stays visible.
    await row(/of the first one/).waitFor();

    const second = await startListeningEmulator();
    await second.order(KEY, 'of the second one');
    proxy.switchTo(second.origin);
    await waitUntilLive();
    await row(/of the second one/).waitFor();
    await row(/of the first one/).waitFor({ state: 'detached' });
    await reason.waitFor({ state: 'detached' });
    await second.order(KEY, 'and one more');
    await row(/and one more/).waitFor();
  });

  it('shows a lost connection when the emulator stops', async () => {
    const { origin, close } = await startListeningEmulator();
    const { page, waitUntilLive } = await openPage(origin, '#/', { expected: [/net::ERR_/] });
    await waitUntilLive();
    await close();
    await page.getByText('not connected', { exact: true }).waitFor();
  });
});
