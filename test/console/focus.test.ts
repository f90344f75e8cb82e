import type { Page } from 'playwright-core';
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

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;

/** What has the focus, and its text or label. */
const describeFocus = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const one: PageElement = document.activeElement;
    const role = one.getAttribute('role') ?? one.tagName.toLowerCase();
    return `${role}: ${one === document.body ? '' : (one.getAttribute('aria-label') ?? one.textContent)}`;
  });

describe.skipIf(!CHROMIUM)('who goes by keys', () => {
  const { openPage } = useConsole();

  it('finds the focus at the heading of a view that Enter has led to', async () => {
    const { origin, order } = await startListeningEmulator();
    const id = await order(KEY);
    const { page, rows, row, tab } = await openPage(origin);
    await rows.nth(5).waitFor();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await eventually(() => describeFocus(page)).toMatch(/^h1: np_test_auto$/);

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'ledger'))}`);
    await row(/hold/).waitFor();
    await tab('ledger').focus();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: `Task ${id}` }).waitFor();
    await eventually(() => describeFocus(page)).toBe(`h1: ${KEY}`);
    // A view that was chosen among others leaves the focus where the others are.
    await tab('requests').press('Enter');
    await row(/200/).waitFor();
    expect(await describeFocus(page)).toMatch(/^a: requests/);
  });

  it('on a phone, finds it at what has opened, and at the list after going back', async () => {
    const { origin, order } = await startListeningEmulator();
    const id = await order(KEY);
    const { page, rows } = await openPage(origin, accountHref(KEY), { viewport: PHONE });
    await rows.first().waitFor();
    await page.getByRole('listbox').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await eventually(() => describeFocus(page)).toBe(`h2: ${id}`);
    await page.getByRole('link', { name: 'Back to the list' }).press('Enter');
    await eventually(() => describeFocus(page)).toBe('listbox: Tasks, newest first');
  });

  it('finds it near what is gone: a rule, a form whose task has ended, an account, the question for a token', async () => {
    const { origin, order, callAdmin } = await startListeningEmulator();
    for (const times of [1, 2]) {
      await callAdmin('POST', KEY, '/faults', { ...{ at: 'task', effect: { fail: true } }, times });
    }
    const { page, button, press, form, expectToast } = await openPage(origin, accountHref(KEY, 'faults'), {
      // Of what it asks for while the account goes.
      expected: [statusError(404)],
    });
    const confirmByKeyboard = async (name: string) => {
      await button(name).press('Enter');
      const confirmButton = button(`Really ${name.charAt(0).toLowerCase()}${name.slice(1)}?`);
      await eventually(() => confirmButton.isEnabled()).toBe(true);
      await page.keyboard.press('Enter');
    };
    await confirmByKeyboard('Remove rule 2');
    await expectToast('Rule 2 is removed.');
    await eventually(() => describeFocus(page)).toBe('h2: Of this account');

    await callAdmin('DELETE', KEY, '/faults');
    const id = await order(KEY);
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'tasks', id))}`);
    await press('Fail …');
    await form('Fail this task').getByLabel('With the code').focus();
    await callAdmin('POST', KEY, `/tasks/${id}/complete`);
    await eventually(() => describeFocus(page)).toBe(`h2: ${id}`);

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'states'))}`);
    await confirmByKeyboard('Remove this account');
    await expectToast(`${KEY} is removed.`);
    await eventually(() => describeFocus(page)).toBe('h1: Accounts');

    const protectedEmulator = await startListeningEmulator(['--admin-token', 'open-sesame']);
    const tokenPage = await openPage(protectedEmulator.origin, accountHref(KEY), {
      expected: [statusError(401)],
    });
    await tokenPage.form('The admin token').getByLabel('Admin token').fill('open-sesame');
    await tokenPage.page.keyboard.press('Enter');
    await eventually(() => describeFocus(tokenPage.page)).toBe(`h1: ${KEY}`);
  });

  it('is left alone where the focus was given up before', async () => {
    const { origin, order, callAdmin } = await startListeningEmulator();
    const id = await order(KEY);
    const { page, button } = await openPage(origin, accountHref(KEY, 'tasks', id));
    await button('Complete now').focus();
    await page.getByRole('heading', { level: 3, name: 'Plan' }).click();
    expect(await describeFocus(page)).toBe('body: ');
    await callAdmin('POST', KEY, `/tasks/${id}/complete`);
    await button('Complete now').waitFor({ state: 'detached' });
    expect(await describeFocus(page)).toBe('body: ');
  });
});
