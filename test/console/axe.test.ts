import type { Page } from '@playwright/test';
import axe from 'axe-core';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, navigate, startListeningEmulator, statusError, useConsole } from '../support/console.ts';
import { createPopulatedEmulator, POPULATED_KEY } from '../support/populated-emulator.ts';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** Long enough for all views, one after the other, on a busy machine. */
const VIEWS_TIMEOUT_MS = 180_000;

const ALL_RULES = ['light', {}] as const;
/** Nothing else depends on the mode. */
const DARK_COLOURS = ['dark', { runOnly: ['color-contrast', 'link-in-text-block'] }] as const;

/** Runs axe on the page in its current state. */
async function runAxe(page: Page, runs = [ALL_RULES, DARK_COLOURS]): Promise<string[]> {
  const found: string[] = [];
  for (const [colorScheme, extraOptions] of runs) {
    await page.emulateMedia({ colorScheme });
    const options = { resultTypes: ['violations'], preload: false, ...extraOptions };
    const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`);
    for (const { id, impact, nodes } of violations)
      for (const { html, failureSummary } of nodes)
        found.push(`${colorScheme}: ${impact} ${id}: ${html} ${failureSummary}`);
  }
  return found;
}

describe.skipIf(!CHROMIUM)('console, axe', () => {
  const { openPage } = useConsole();

  it(
    'axe finds no violations on any view, light or dark, on a desktop or a phone',
    async () => {
      const { origin, views } = await createPopulatedEmulator();
      const { page } = await openPage(origin, '#/', { viewport: WIDE });
      await page.evaluate(axe.source);
      const found: string[] = [];
      for (const [name, view] of Object.entries(views)) {
        await page.setViewportSize(WIDE);
        await navigate(page, view);
        for (const finding of await runAxe(page)) found.push(`${name}, ${finding}`);
        // The size changes no colour.
        await page.setViewportSize(PHONE);
        if (view.hash.startsWith('#/accounts/')) await page.locator('details.folded').waitFor({ state: 'attached' });
        for (const finding of await runAxe(page, [ALL_RULES])) found.push(`${name} on a phone, ${finding}`);
      }
      expect(found).toEqual([]);
    },
    VIEWS_TIMEOUT_MS,
  );

  it(
    'axe finds no violations in popovers, toasts, confirmations, error pages and the token form',
    async () => {
      const { origin } = await createPopulatedEmulator();
      const { page, press, button, form, expectToast } = await openPage(origin, accountHref(POPULATED_KEY), {
        expected: [statusError(409), statusError(404)],
      });
      const found: string[] = [];
      await page.evaluate(axe.source);
      const check = async () => found.push(...(await runAxe(page)));
      for (const opener of ['Adjust …', 'Set …', 'Change …']) {
        await press(opener);
        await page.getByRole('form').waitFor();
        await check();
        await page.keyboard.press('Escape');
      }
      await press('Adjust …');
      await form('Adjust credits').getByLabel('Amount').fill('-99999');
      await press('Update');
      await expectToast(/cannot be deducted/);
      await check();
      await navigate(page, { hash: accountHref(POPULATED_KEY, 'states'), text: 'before-the-party' });
      await press('Restore before-the-party');
      await button('Really restore before-the-party?').waitFor();
      await check();
      await navigate(page, { hash: accountHref('nobody'), text: /not found/ });
      await check();
      await navigate(page, { hash: '#/', text: '7 accounts' });
      await press('New account …');
      await form('Create an account').waitFor();
      await check();

      const protectedEmulator = await startListeningEmulator(['--admin-token', 'open-sesame']);
      const tokenPage = await openPage(protectedEmulator.origin, '#/', {
        expected: [statusError(401)],
      });
      await tokenPage.form('Admin token').waitFor();
      await tokenPage.page.evaluate(axe.source);
      found.push(...(await runAxe(tokenPage.page)));
      expect(found).toEqual([]);
    },
    VIEWS_TIMEOUT_MS,
  );
});
