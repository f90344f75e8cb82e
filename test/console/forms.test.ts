import type { Locator } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  findHorizontalOverflow,
  type OpenedPage,
  type PageElement,
  startListeningEmulator,
  useConsole,
} from '../support/console.ts';

const KEY = 'np_test_frozen';

const inputValue = (field: Locator) => field.inputValue();

/** Removes clipboard access, as browsers do over plain HTTP from another machine. */
async function disableClipboard({ page }: OpenedPage): Promise<void> {
  await page.addInitScript('delete Navigator.prototype.clipboard');
  await page.reload();
}

describe.skipIf(!CHROMIUM)('console forms', () => {
  const { openPage, createAccount } = useConsole();

  it('keep their values while the page updates', async () => {
    const { key, origin, order, read } = await createAccount();
    const { page, press, form, expectToast, region, tab } = await openPage(origin, accountHref(key));
    const credits = region('Credits');
    await press('Change …');
    const mode = form('Change the clock').getByLabel('Mode');
    await mode.selectOption('auto');
    await form('Change the clock').getByLabel('Speed').fill('3');
    await order(key);
    await credits.getByText('996', { exact: true }).waitFor();
    expect([await inputValue(mode), await inputValue(form('Change the clock').getByLabel('Speed'))]).toEqual([
      ...['auto', '3'],
    ]);
    await press('Update');
    await expectToast('Clock mode: auto.');
    expect((await read(key)).clock.mode).toBe('auto');
    // The form starts with the current values.
    await region('Clock').getByText('each poll advances it', { exact: true }).waitFor();
    await press('Change …');
    expect(await inputValue(mode)).toBe('auto');

    await tab('faults').click();
    const rule = form('New rule for this account');
    await rule.getByRole('combobox', { name: 'Effect', exact: true }).selectOption('answer');
    await rule.getByLabel('Status', { exact: true }).fill('555');
    await rule.getByLabel('Content type').fill('text/plain');
    await rule.getByLabel('Times').fill('9');
    await order(key);
    await credits.getByText('992', { exact: true }).waitFor();
    const fieldValue = (name: string) => inputValue(rule.getByLabel(name, { exact: true }));
    expect([await fieldValue('Status'), await fieldValue('Content type'), await fieldValue('Times')]).toEqual([
      ...['555', 'text/plain', '9'],
    ]);
    await page.getByRole('combobox', { name: 'Stage' }).selectOption('charge');
    expect(await fieldValue('Times')).toBe('9');
  });

  it('do not treat a double-click or a held key as a confirmation', async () => {
    const { origin, order, get } = await startListeningEmulator();
    await order('np_test_other');
    const { page, button, expectToast } = await openPage(origin, '#/', { isClockControlled: true });
    await page.getByText('7 accounts', { exact: true }).waitFor();
    const reset = button('Reset everything');
    const confirmButton = button('Really reset everything?');
    await reset.dblclick();
    await eventually(() => confirmButton.isEnabled()).toBe(true);
    expect((await get('/__admin/accounts')).body.accounts).toHaveLength(7);
    // The confirmation times out.
    await page.clock.fastForward(5000);
    await reset.waitFor();

    await reset.focus();
    await page.keyboard.down('Enter');
    await confirmButton.waitFor();
    const isReady = async () => {
      await page.keyboard.down('Enter');
      return confirmButton.isEnabled();
    };
    await eventually(isReady).toBe(true);
    await isReady();
    expect(await confirmButton.count()).toBe(1);
    expect((await get('/__admin/accounts')).body.accounts).toHaveLength(7);
    await page.keyboard.up('Enter');
    await page.keyboard.press('Enter');
    await expectToast('Everything was reset: 6 accounts.');
  });

  it('show the selected text if the clipboard is not available', async () => {
    const { origin, order } = await startListeningEmulator();
    await order(KEY, 'a cat');
    const opened = await openPage(origin, accountHref(KEY, 'requests', '1'));
    const { page, press, expectToast, button } = opened;
    await disableClipboard(opened);
    await press('Copy as curl');
    await expectToast(/Copy the selected text manually/);
    const text = page.getByRole('textbox', { name: 'Text to copy' });
    expect(await text.inputValue()).toMatch(/^curl .*"a cat"/);
    expect(
      await text.evaluate((area: PageElement) => [
        ...[area.readOnly, area === area.ownerDocument.activeElement],
        area.selectionEnd - area.selectionStart === area.value.length,
      ]),
    ).toEqual([true, true, true]);
    expect(await findHorizontalOverflow(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await text.waitFor({ state: 'detached' });
    await press('Copy the key');
    expect(await text.inputValue()).toBe(KEY);
    // Moving the focus elsewhere closes it.
    await button('Adjust …').focus();
    await text.waitFor({ state: 'detached' });
  });

  it('open within the viewport, and close when Tab leaves them', async () => {
    const { key, origin, order } = await createAccount();
    const id = await order(key);
    const { page, press, form, button } = await openPage(origin, accountHref(key, 'tasks', id));
    await page.getByRole('article').waitFor();
    for (const width of [1280, 1000, 900]) {
      await page.setViewportSize({ width, height: 800 });
      for (const opener of ['Adjust …', 'Set …', 'Change …', 'Fail …']) {
        await press(opener);
        await page.getByRole('form').waitFor();
        expect([width, opener, await findHorizontalOverflow(page)]).toEqual([width, opener, []]);
        const { x } = (await page.locator('.pop').boundingBox())!;
        expect(x).toBeGreaterThanOrEqual(0);
        await page.keyboard.press('Escape');
      }
    }
    await press('Adjust …');
    const opened = form('Adjust credits');
    await eventually(() => opened.getByLabel('Amount').evaluate(isActive)).toBe(true);
    for (const _ of ['Reason', 'Update']) await page.keyboard.press('Tab');
    expect(await opened.isVisible()).toBe(true);
    await page.keyboard.press('Tab');
    await opened.waitFor({ state: 'detached' });
    await eventually(() => button('Set …').evaluate(isActive)).toBe(true);
  });
});

const isActive = (one: PageElement): boolean => one === one.ownerDocument.activeElement;
