import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { hrefOf, listeningEmulator, openDoor, refused, soon, useConsole } from '../support/console.ts';

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';

/** Answers to this are given, and kept back until they are let go. */
async function hold(page: Page, url: string) {
  let isHeld = false;
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route(url, async (route) => {
    const response = await route.fetch();
    isHeld = true;
    await held;
    await route.fulfill({ response });
  });
  return { isHeld: () => isHeld, letGo };
}

describe.skipIf(!CHROMIUM)('the console while somebody else works', () => {
  const { openPage } = useConsole();

  it('shows tasks that come and move, with the balance, the limiter and the time', async () => {
    const { origin, order, act, ask } = await listeningEmulator();
    const { page, said, region, live } = await openPage(origin, hrefOf(KEY));
    await live();
    const [credits, limiter, clock] = ['Credits', 'Limiter', 'Clock'].map(region);
    const first = await order(KEY, 'the first');
    await soon(said).toEqual(['the first sora-2 generating · 0 % 4 cr']);
    await credits!.getByText('996', { exact: true }).waitFor();
    await credits!.getByText('4 more are held').waitFor();
    await limiter!.getByText('99 of 100').waitFor();
    await limiter!.getByText('left until 13:00:00').waitFor();

    await order(KEY, 'the second');
    await soon(said).toEqual([
      'the second sora-2 generating · 0 % 4 cr',
      'the first sora-2 generating · 0 % 4 cr',
    ]);
    await act('POST', KEY, '/clock/advance', { ms: 60_000 });
    await clock!.getByText('2026-01-15 12:01:00').waitFor();
    await soon(said).toEqual([
      expect.stringMatching(/^the second sora-2 generating · [1-9]\d % 4 cr$/),
      expect.stringMatching(/^the first sora-2 generating · [1-9]\d % 4 cr$/),
    ]);
    await act('POST', KEY, `/tasks/${first}/fail`, { error: 'INTERNAL_ERROR' });
    await soon(said).toEqual([
      expect.stringMatching(/^the second/),
      'the first sora-2 failed: INTERNAL_ERROR 4 cr',
    ]);
    await act('POST', KEY, '/clock/advance', { toNext: true });
    await soon(said).toEqual([
      expect.stringMatching(/^the second sora-2 completed in \d:\d\d min 4 cr$/),
      'the first sora-2 failed: INTERNAL_ERROR 4 cr',
    ]);
    await credits!.getByText('none are held').waitFor();

    await act('PUT', KEY, '/clock', { mode: 'auto' });
    await clock!.getByText('each poll moves it on').waitFor();
    await act('PUT', KEY, '/rate-limit', { limit: 7, remaining: 3 });
    await limiter!.getByText('3 of 7').waitFor();
    await act('PATCH', KEY, '', { revoked: true });
    await page.getByText('revoked', { exact: true }).waitFor();
    await act('PATCH', KEY, '', { revoked: false });
    await page.getByText('revoked', { exact: true }).waitFor({ state: 'detached' });
    const polled = await order(KEY, 'polled');
    await ask('/api/sora-2/check-status', { taskId: polled }, KEY);
    await soon(said).toEqual([
      expect.stringMatching(/^polled sora-2 completed/),
      ...[expect.anything(), expect.anything()],
    ]);
  });

  it('misses nothing that happens while it is reading', async () => {
    const { origin, order, act } = await listeningEmulator();
    const { page, row, region, live } = await openPage(origin, hrefOf(KEY));
    await live();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    const { isHeld, letGo } = await hold(page, '**/tasks?*');
    const id = await order(KEY, 'of the first moment');
    await region('Credits').getByText('4 more are held').waitFor();
    await soon(isHeld).toBe(true);
    await act('POST', KEY, `/tasks/${id}/complete`);
    // So it has heard of that, and the answer that it waits for is old.
    await region('Credits').getByText('none are held').waitFor();
    letGo();
    await row(/^of the first moment sora-2 completed/).waitFor();
  });

  it('shows the ledger, requests, findings, rules and snapshots that others bring about', async () => {
    const { origin, order, act, post } = await listeningEmulator();
    const { page, said, row, tab, region, live } = await openPage(origin, hrefOf(KEY, 'ledger'));
    const count = (name: string) => tab(name).innerText();
    await live();
    await row(/initial credits/).waitFor();
    await act('POST', KEY, '/credits', { amount: 5, reason: 'a gift' });
    await row(/grant a gift \+5 1 005$/).waitFor();

    await tab('requests').click();
    await order(KEY);
    await row(/ 200 POST \/api\/sora-2\/generate/).waitFor();
    const rule = await act('POST', KEY, '/faults', { at: 'request', effect: { empty: true }, times: 1 });
    await soon(() => count('faults')).toMatch(/1$/);
    const lost = fetch(origin + GENERATE, { method: 'POST', headers: { authorization: `Bearer ${KEY}` } });
    await expect(lost).rejects.toThrow();
    await row(/ – POST \/api\/sora-2\/generate fault/).waitFor();
    await order(KEY);
    await soon(() => count('verdict')).toMatch(/1$/);
    await tab('verdict').click();
    await region('Verdict').getByText('DUPLICATE_SUBMIT').waitFor();

    await tab('faults').click();
    await page.getByText(`rule ${rule.id} · has struck once · used up`).waitFor();
    await act('DELETE', KEY, `/faults/${rule.id}`);
    await region('Of this account').getByText('None is set.').waitFor();
    await post('/__admin/faults', { at: 'task', effect: { fail: true } }, null);
    await region('For everybody').getByText('at task: fail · for every request').waitFor();

    await tab('states').click();
    await act('POST', KEY, '/snapshots', { name: 'of-another' });
    await page.getByText('of-another').waitFor();
    await act('DELETE', KEY, '/requests');
    await soon(() => count('requests')).toMatch(/^requests$/i);
    await act('POST', KEY, '/credits', { amount: 5 });
    await act('POST', KEY, '/snapshots/of-another/restore');
    await tab('ledger').click();
    await soon(async () => (await said())[0]).toMatch(/^2026-01-15 12:00:00 hold task_\w+ −4 997$/);
  });

  it('shows that an account was reset, removed and made again', async () => {
    const { origin, order, act, post } = await listeningEmulator();
    const key = 'np_test_of_somebody';
    const id = await order(key);
    const { page, row, region, tab } = await openPage(origin, hrefOf(key, 'tasks', id), {
      expected: [refused(404)],
    });
    const article = page.getByRole('article');
    await article.waitFor();
    await act('POST', key, '/reset');
    await page.getByText(`There is no task ${id}.`).waitFor();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    await region('Credits').getByText('1\u202f000').waitFor();

    await order(key, 'before it goes');
    await row(/before it goes/).waitFor();
    await act('DELETE', key, '');
    await page.getByRole('heading', { name: `There is no account ${key}` }).waitFor();
    await order(key, 'after it came back');
    await row(/after it came back/).waitFor();
    await soon(() => tab('tasks').innerText()).toMatch(/1$/);

    await post('/__admin/reset', undefined, null);
    await page.getByRole('heading', { name: `There is no account ${key}` }).waitFor();
  });

  it('shows all of it when everything is reset while one account is looked at', async () => {
    const { origin, order, post } = await listeningEmulator();
    await post('/__admin/faults', { at: 'task', effect: { fail: true } }, null);
    await order(KEY);
    const { region, tab, page } = await openPage(origin, hrefOf(KEY, 'faults'));
    await region('For everybody').getByText('at task: fail').waitFor();
    await soon(() => tab('tasks').innerText()).toMatch(/1$/);
    await post('/__admin/reset', undefined, null);
    await region('For everybody').getByText('None is set.').waitFor();
    await soon(() => tab('tasks').innerText()).toMatch(/^tasks$/i);
    await region('Credits').getByText('1\u202f000').waitFor();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await page.getByText('6 accounts', { exact: true }).waitFor();
  });

  it('shows the accounts that come, change and go', async () => {
    const { origin, clock, order, act, post } = await listeningEmulator();
    const { page, row, rows, live } = await openPage(origin);
    await live();
    await page.getByText('6 accounts', { exact: true }).waitFor();
    clock.advance(1000);
    await post('/__admin/accounts', { key: 'the-latest', credits: 5 }, null);
    await page.getByText('7 accounts', { exact: true }).waitFor();
    expect(await rows.first().innerText()).toMatch(/^the-latest/);
    clock.advance(1000);
    await order('np_test_made_by_itself');
    await row(/^np_test_made_by_itself active 996 99 of 100 real/).waitFor();
    expect(await rows.first().innerText()).toMatch(/^np_test_made_by_itself/);
    await act('POST', 'the-latest', '/credits', { amount: 6 });
    await row(/^the-latest active 11 /).waitFor();
    expect(await row(/active/).count()).toBe(1);
    await act('POST', KEY, '/clock/advance', { ms: 60_000 });
    await row(/^np_test_frozen .* frozen 2026-01-15 12:01:00$/).waitFor();
    await act('POST', KEY, '/fork', { to: 'the-fork' });
    await row(/^the-fork/).waitFor();
    await act('DELETE', 'the-latest', '');
    await row(/^the-latest/).waitFor({ state: 'detached' });
    await page.getByText('8 accounts', { exact: true }).waitFor();
    await post('/__admin/reset', undefined, null);
    await row(/^np_test_made_by_itself/).waitFor({ state: 'detached' });
    await row(/^the-fork/).waitFor();
    await page.getByText('7 accounts', { exact: true }).waitFor();
  });

  it('shows no account that goes while it is being read', async () => {
    const { origin, act, post } = await listeningEmulator();
    await post('/__admin/accounts', { key: 'soon-gone' }, null);
    const { page, row, live } = await openPage(origin);
    await live();
    await row(/^soon-gone/).waitFor();
    const { isHeld, letGo } = await hold(page, '**/__admin/accounts/soon-gone');
    await act('POST', 'soon-gone', '/credits', { amount: 5 });
    await soon(isHeld).toBe(true);
    await act('DELETE', 'soon-gone', '');
    await row(/^soon-gone/).waitFor({ state: 'detached' });
    letGo();
    await act('POST', KEY, '/credits', { amount: 5 });
    // It has read on since.
    await row(/^np_test_frozen active 1 005/).waitFor();
    expect(await row(/^soon-gone/).count()).toBe(0);
  });

  it('says that it is not connected, and goes on by itself at an emulator that is started in its place', async () => {
    const first = await listeningEmulator();
    await first.order(KEY, 'of the first one');
    const door = await openDoor(first.origin);
    const { page, row, press, told, live } = await openPage(door.origin, hrefOf(KEY), {
      expected: [/Failed to load resource: net::ERR_/, refused(404)],
    });
    await live();
    await row(/of the first one/).waitFor();
    door.shut();
    await page.getByText('not connected', { exact: true }).waitFor();
    const why = page.getByRole('paragraph').filter({ hasText: 'The emulator does not answer.' });
    await why.waitFor();
    await press('Next step');
    await told('The emulator does not answer.');
    // What was there can still be read.
    await row(/of the first one/).waitFor();

    const second = await listeningEmulator();
    await second.order(KEY, 'of the second one');
    door.leadTo(second.origin);
    await live();
    await row(/of the second one/).waitFor();
    await row(/of the first one/).waitFor({ state: 'detached' });
    await why.waitFor({ state: 'detached' });
    await second.order(KEY, 'and one more');
    await row(/and one more/).waitFor();
  });

  it('says that it is not connected when the emulator stops', async () => {
    const { origin, close } = await listeningEmulator();
    const { page, live } = await openPage(origin, '#/', { expected: [/net::ERR_/] });
    await live();
    await close();
    await page.getByText('not connected', { exact: true }).waitFor();
  });
});
