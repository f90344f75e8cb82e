import type { Locator, Page } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  findHorizontalOverflow,
  navigate,
  type PageElement,
  useConsole,
} from '../support/console.ts';
import { createPopulatedEmulator, POPULATED_KEY } from '../support/populated-emulator.ts';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** Long enough for all views, one after the other, on a busy machine. */
const VIEWS_TIMEOUT_MS = 180_000;
/** Enough to press Tab twice through any view. */
const MAX_PRESSES = 300;

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;
declare const getComputedStyle: (element: PageElement) => Record<string, string>;
declare const innerHeight: number;
declare const getSelection: () => { removeAllRanges(): void };

interface Stop {
  element: string;
  /** Whether a visible outline shows the focus. */
  isOutlined: boolean;
  /** Whether it is within the viewport and not covered. */
  isVisible: boolean;
}

/** Presses Tab through the whole page. Returns the elements that got the focus, and the focusable ones that did not. */
async function tabThrough(page: Page): Promise<{ stops: Stop[]; missed: string[] }> {
  const countMissed = () => page.evaluate<number>('document.notReached.size');
  await page.evaluate(() => {
    document.activeElement.blur();
    getSelection().removeAllRanges();
    const focusable = 'a[href], button, input, select, summary, video[controls], [tabindex]';
    document.notReached = new Set(
      [...document.querySelectorAll(focusable)].filter((one) => one.tabIndex >= 0 && one.checkVisibility()),
    );
    document.stops = [];
  });
  // The page itself inspects each stop, when the key that moved the focus is released: a round trip would take longer.
  await page.evaluate(`document.onkeyup = ${inspectFocus}`);
  // Tab may start in the middle of the page, and some elements have several stops, such as a video player.
  for (let presses = 0; presses < MAX_PRESSES && (await countMissed()) > 0; presses += 10)
    for (let n = 0; n < 10; n++) await page.keyboard.press('Tab');
  return page.evaluate(() => ({
    stops: document.stops,
    missed: [...document.notReached].map((one) => one.outerHTML.slice(0, 100)),
  }));
}

/** Runs in the page: records the focused element when it is reached for the first time. */
function inspectFocus(): void {
  const one = document.activeElement;
  if (!document.notReached.delete(one)) return;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const { left, top, width, height } = one.getBoundingClientRect();
  const topElement = document.elementFromPoint(left + width / 2, top + Math.min(height, innerHeight - top) / 2);
  document.stops.push({
    element: one.outerHTML.slice(0, 100),
    isOutlined: outlineStyle !== 'none' && Number.parseFloat(outlineWidth!) > 0,
    isVisible: one.contains(topElement) || one.closest('label')?.contains(topElement) === true,
  });
}

describe.skipIf(!CHROMIUM)('console accessibility', () => {
  const { openPage } = useConsole();

  it(
    'Tab reaches every control, and the focused control is outlined and not covered',
    async () => {
      const { origin, views } = await createPopulatedEmulator();
      const { page } = await openPage(origin);
      const phone = ['tasks', 'a request', 'faults'];
      for (const [name, view] of Object.entries(views)) {
        for (const viewport of phone.includes(name) ? [WIDE, PHONE] : [WIDE]) {
          await page.setViewportSize(viewport);
          await navigate(page, view);
          // The page exchanges the header for its folded form some time after its size has changed.
          const isFolded = viewport === PHONE;
          await page.locator('details.folded').waitFor({ state: isFolded ? 'attached' : 'detached' });
          const { stops, missed } = await tabThrough(page);
          expect(stops.length, name).toBeGreaterThan(5);
          const bad = stops.filter(({ isOutlined, isVisible }) => !isOutlined || !isVisible);
          expect({ name, ...viewport, missed, bad }).toEqual({ name, ...viewport, missed: [], bad: [] });
        }
      }
    },
    VIEWS_TIMEOUT_MS,
  );

  it('arrow keys move through a list, and Enter or Space opens the active row', async () => {
    const { origin } = await createPopulatedEmulator();
    const { page, rows } = await openPage(origin);
    const list = page.getByRole('listbox');
    await rows.nth(6).waitFor();
    await list.focus();
    /** The active row, as exposed to screen readers. */
    const activeRow = async () => {
      const id = await list.getAttribute('aria-activedescendant');
      return id === null ? undefined : page.locator(`[id="${id}"]`).locator('bdi').innerText();
    };
    expect(await activeRow()).toBeUndefined();
    for (const [key, expected] of [
      ['ArrowDown', POPULATED_KEY],
      ['ArrowDown', 'np_test_auto'],
      ['End', 'np_test_unlimited'],
      ['ArrowDown', 'np_test_unlimited'],
      ['ArrowUp', 'np_test_limited'],
      ['PageDown', 'np_test_unlimited'],
      ['Home', POPULATED_KEY],
      ['ArrowUp', POPULATED_KEY],
    ] as const) {
      await page.keyboard.press(key);
      await eventually(activeRow).toBe(expected);
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: POPULATED_KEY }).waitFor();

    await rows.nth(5).waitFor();
    await list.focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Space');
    await page.getByRole('article').getByRole('heading', { name: 'Plan' }).waitFor();
    expect(await rows.last().getAttribute('aria-selected')).toBe('true');
    // The list keeps the focus, so that the user can continue.
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await eventually(() => rows.nth(-2).getAttribute('aria-selected')).toBe('true');
  });

  it('the focus stays on a pressed button, moves into a popover, and returns when the popover closes', async () => {
    const { origin, read } = await createPopulatedEmulator();
    const { page, button, expectToast, form } = await openPage(origin, accountHref(POPULATED_KEY));
    const hasFocus = (one: Locator) => one.evaluate((element: PageElement) => element === document.activeElement);
    // Reaching the buttons in order by Tab shows that no action moved the focus.
    await button('Next step').focus();
    for (const expected of [/^Advanced to the next step/, /^Advanced by 1:00 min/, /^Advanced to the end/]) {
      await page.keyboard.press('Enter');
      await expectToast(expected);
      await page.keyboard.press('Tab');
    }
    expect(await hasFocus(button('Change …'))).toBe(true);

    const opener = button('Adjust …');
    const amount = form('Adjust credits').getByLabel('Amount');
    await opener.focus();
    await page.keyboard.press('Enter');
    await eventually(() => hasFocus(amount)).toBe(true);
    expect(await opener.getAttribute('aria-expanded')).toBe('true');
    await page.keyboard.press('Escape');
    await amount.waitFor({ state: 'detached' });
    expect([await hasFocus(opener), await opener.getAttribute('aria-expanded')]).toEqual([true, 'false']);
    await page.keyboard.press('Enter');
    await eventually(() => hasFocus(amount)).toBe(true);
    await page.keyboard.type('7');
    await page.keyboard.press('Enter');
    await expectToast(/^New balance: /);
    await eventually(() => hasFocus(opener)).toBe(true);
    // A click outside closes the popover.
    await page.keyboard.press('Enter');
    await amount.waitFor();
    await page.getByRole('heading', { level: 1 }).click();
    await amount.waitFor({ state: 'detached' });

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(POPULATED_KEY, 'states'))}`);
    const restore = button('Restore before-the-party');
    await restore.focus();
    await page.keyboard.press('Enter');
    const confirmButton = button('Really restore before-the-party?');
    await eventually(async () => (await hasFocus(confirmButton)) && (await confirmButton.isEnabled())).toBe(true);
    await page.keyboard.press('Enter');
    await expectToast('Snapshot before-the-party restored.');
    await eventually(() => hasFocus(restore)).toBe(true);
    expect((await read(POPULATED_KEY, '/snapshots')).snapshots).toHaveLength(1);
  });

  it('on a phone nothing overflows, and either the list or the details are visible', async () => {
    const { origin, views } = await createPopulatedEmulator();
    const { page, rows, region } = await openPage(origin, '#/', {
      viewport: PHONE,
      hasTouch: true,
      isMobile: true,
    });
    for (const [name, view] of Object.entries(views)) {
      await navigate(page, view);
      expect([name, await findHorizontalOverflow(page)]).toEqual([name, []]);
    }
    await navigate(page, views.accounts);
    const keys = page.locator('.row .clip');
    expect(await keys.allInnerTexts()).toContain('np_test_unlimited');
    expect(
      await keys.evaluateAll((all: PageElement[]) => all.map((one) => one.scrollWidth <= one.clientWidth)),
    ).toEqual((await keys.allInnerTexts()).map(() => true));
    for (const name of ['tasks', 'requests'] as const) {
      await navigate(page, views[name]);
      await rows.first().tap();
      const back = page.getByRole('link', { name: 'Back to the list' });
      await back.waitFor();
      expect([await region('List').isVisible(), await region('Details').isVisible()]).toEqual([false, true]);
      await back.tap();
      await rows.first().waitFor();
      expect([await region('List').isVisible(), await region('Details').isVisible()]).toEqual([true, false]);
    }
  });
});
