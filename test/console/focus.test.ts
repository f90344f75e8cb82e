import type { Page } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  type PageElement,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';

const KEY = 'np_test_frozen';
const PHONE = { width: 390, height: 844 };

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;

/** The role and the text or label of the focused element. */
const describeFocus = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const one: PageElement = document.activeElement;
    const role = one.getAttribute('role') ?? one.tagName.toLowerCase();
    return `${role}: ${one === document.body ? '' : (one.getAttribute('aria-label') ?? one.textContent)}`;
  });

describe.skipIf(!CHROMIUM)('console focus', () => {
  const { openPage, createAccount } = useConsole();

  it('moves to the heading of a view that was opened with Enter', async () => {
    const { origin, order } = await startListeningEmulator();
    const id = await order(KEY);
    const { page, rows, row, tab } = await openPage(origin);
    await rows.nth(5).waitFor();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await eventually(() => describeFocus(page)).toBe(`h1: ${KEY}`);

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'ledger'))}`);
    await row(/hold/).waitFor();
    await tab('ledger').focus();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: `Task ${id}` }).waitFor();
    await eventually(() => describeFocus(page)).toBe(`h1: ${KEY}`);
    // Choosing a tab keeps the focus on the tab.
    await tab('requests').press('Enter');
    await row(/200/).waitFor();
    expect(await describeFocus(page)).toMatch(/^a: requests/);
  });

  it('on a phone, moves to the opened details, and back to the list', async () => {
    const { key, origin, order } = await createAccount();
    await order(key);
    const { page, rows } = await openPage(origin, accountHref(key), { viewport: PHONE });
    await rows.first().waitFor();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await eventually(() => describeFocus(page)).toBe('h2: A golden retriever on a beach');
    await page.getByRole('link', { name: 'Back to the list' }).press('Enter');
    await eventually(() => describeFocus(page)).toBe('listbox: Tasks, newest first');
  });

  it('moves to the nearest heading when a focused rule, form, account or token prompt disappears', async () => {
    const { origin, order, callAdmin } = await startListeningEmulator();
    for (const times of [1, 2]) {
      await callAdmin('POST', KEY, '/faults', { ...{ at: 'task', effect: { fail: true } }, times });
    }
    const { page, button, press, form, expectToast } = await openPage(origin, accountHref(KEY, 'faults'), {
      // The page may still read the account while it is being removed.
      expected: [statusError(404)],
    });
    const confirmByKeyboard = async (name: string) => {
      await button(name).press('Enter');
      const confirmButton = button(`Really ${name.charAt(0).toLowerCase()}${name.slice(1)}?`);
      await eventually(() => confirmButton.isEnabled()).toBe(true);
      await page.keyboard.press('Enter');
    };
    await confirmByKeyboard('Remove rule 2');
    await expectToast('Rule 2 removed.');
    await eventually(() => describeFocus(page)).toBe('h2: Rules for this account');

    await callAdmin('DELETE', KEY, '/faults');
    const id = await order(KEY);
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'tasks', id))}`);
    await press('Fail …');
    await form('Fail this task').getByLabel('Error code').focus();
    await callAdmin('POST', KEY, `/tasks/${id}/complete`);
    await eventually(() => describeFocus(page)).toBe('h2: A golden retriever on a beach');

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'states'))}`);
    await confirmByKeyboard('Remove this account');
    await expectToast(`Account ${KEY} removed.`);
    await eventually(() => describeFocus(page)).toBe('h1: Accounts');

    const protectedEmulator = await startListeningEmulator(['--admin-token', 'open-sesame']);
    const tokenPage = await openPage(protectedEmulator.origin, accountHref(KEY), {
      expected: [statusError(401)],
    });
    await tokenPage.form('Admin token').getByLabel('Admin token').fill('open-sesame');
    await tokenPage.page.keyboard.press('Enter');
    await eventually(() => describeFocus(tokenPage.page)).toBe(`h1: ${KEY}`);
  });

  it('stays on the body if the user had moved it there', async () => {
    const { key, origin, order, callAdmin } = await createAccount();
    const id = await order(key);
    const { page, button } = await openPage(origin, accountHref(key, 'tasks', id));
    await button('Complete now').focus();
    await page.getByRole('heading', { level: 3, name: 'Plan' }).click();
    expect(await describeFocus(page)).toBe('body: ');
    await callAdmin('POST', key, `/tasks/${id}/complete`);
    await button('Complete now').waitFor({ state: 'detached' });
    expect(await describeFocus(page)).toBe('body: ');
  });
});
