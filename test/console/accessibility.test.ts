import axe from 'axe-core';
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  hrefOf,
  listeningEmulator,
  type PageElement,
  refused,
  sideways,
  soon,
  useConsole,
} from '../support/console.ts';
import { USED, usedEmulator } from '../support/populated-emulator.ts';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** All views, one after the other, on a machine that is busy. */
const LONG_MS = 180_000;

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;
declare const getComputedStyle: (element: PageElement) => Record<string, string>;
declare const innerHeight: number;
declare const getSelection: () => { removeAllRanges(): void };

/** Goes on in the page that is open, as a click on a link would. */
async function show(page: Page, { hash, text }: { hash: string; text: string | RegExp }): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.getByText(text).first().waitFor();
}

/** What axe finds on the page as it is; in other colours it can find other contrasts, and nothing else. */
async function findings(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const [colorScheme, only] of [
    ['light', {}],
    ['dark', { runOnly: ['color-contrast', 'link-in-text-block'] }],
  ] as const) {
    await page.emulateMedia({ colorScheme });
    const options = { resultTypes: ['violations'], preload: false, ...only };
    const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`);
    for (const { id, impact, nodes } of violations)
      for (const { html, failureSummary } of nodes)
        found.push(`${colorScheme}: ${impact} ${id}: ${html} ${failureSummary}`);
  }
  return found;
}

interface Stop {
  what: string;
  /** Has a mark that tells that it has the focus. */
  isMarked: boolean;
  /** Nothing lies over it, and it is where one sees it. */
  isSeen: boolean;
  /** How many are still to be reached. */
  left: number;
}

/** Where Tab leads, through all of the page, and what it does not lead to. */
async function tabThrough(page: Page): Promise<{ stops: Stop[]; missed: string[] }> {
  await page.evaluate(() => {
    document.activeElement.blur();
    getSelection().removeAllRanges();
    const canBePressed = 'a[href], button, input, select, summary, video[controls], [tabindex]';
    document.notReached = new Set(
      [...document.querySelectorAll(canBePressed)].filter(
        (one) => one.tabIndex >= 0 && one.checkVisibility(),
      ),
    );
  });
  const stops: Stop[] = [];
  // It can begin in the middle: to the end, and on from the beginning.
  for (let ends = 0; ends < 2; ) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(lookAtFocus);
    if (stop === undefined) {
      ends += 1;
      continue;
    }
    // What has several stops inside, as a player.
    if (stop !== null) stops.push(stop);
    if (stop?.left === 0) break;
    expect(stops.length).toBeLessThan(200);
  }
  const missed = await page.evaluate(() =>
    [...document.notReached].map((one) => one.outerHTML.slice(0, 100)),
  );
  return { stops, missed };
}

/** Runs in the page. Null: it has been looked at; undefined: the page is at its end. */
function lookAtFocus(): Stop | null | undefined {
  const one = document.activeElement;
  if (one === document.body || one === null || !document.hasFocus()) return undefined;
  if (!document.notReached.delete(one)) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const { left, top, width, height } = one.getBoundingClientRect();
  const top2 = document.elementFromPoint(left + width / 2, top + Math.min(height, innerHeight - top) / 2);
  return {
    what: one.outerHTML.slice(0, 100),
    isMarked: outlineStyle !== 'none' && Number.parseFloat(outlineWidth!) > 0,
    isSeen: one.contains(top2) || one.closest('label')?.contains(top2) === true,
    left: document.notReached.size,
  };
}

describe.skipIf(!CHROMIUM)('the console for everybody', () => {
  const { openPage } = useConsole();

  it(
    'axe finds nothing on any view, light and dark, wide and on a phone',
    async () => {
      const { origin, views } = await usedEmulator();
      const { page } = await openPage(origin, '#/', { bypassCSP: true, viewport: WIDE });
      await page.evaluate(axe.source);
      const found: string[] = [];
      for (const [name, view] of Object.entries(views)) {
        for (const [size, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
          await page.setViewportSize(viewport);
          await show(page, view);
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            for (const finding of await findings(page))
              found.push(`${name}, ${size}, ${colorScheme}: ${finding}`);
          }
        }
      }
      expect(found).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'axe finds nothing in what opens, in what is told, and where a token is wanted',
    async () => {
      const { origin } = await usedEmulator();
      const { page, press, button, form, told } = await openPage(origin, hrefOf(USED), {
        bypassCSP: true,
        expected: [refused(409), refused(404)],
      });
      const found: string[] = [];
      const look = async (one = page) => {
        await one.evaluate(axe.source);
        found.push(...(await findings(one)));
      };
      for (const opener of ['Give or take …', 'Set …', 'Change …']) {
        await press(opener);
        await page.getByRole('form').waitFor();
        await look();
        await page.keyboard.press('Escape');
      }
      await press('Give or take …');
      await form('Give or take credits').getByLabel('Amount').fill('-99999');
      await press('Book it');
      await told(/cannot be taken/);
      await look();
      await show(page, { hash: hrefOf(USED, 'states'), text: 'before-the-party' });
      await press('Restore before-the-party');
      await button('Really restore before-the-party?').waitFor();
      await look();
      await show(page, { hash: hrefOf('nobody'), text: 'There is no account' });
      await look();
      await show(page, { hash: '#/', text: '7 accounts' });
      await press('New account …');
      await form('Make an account').waitFor();
      await look();

      const closed = await listeningEmulator(['--admin-token', 'open-sesame']);
      const asking = await openPage(closed.origin, '#/', { bypassCSP: true, expected: [refused(401)] });
      await asking.form('The admin token').waitFor();
      await look(asking.page);
      expect(found).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'every thing that can be pressed is reached by Tab, is marked then, and nothing lies over it',
    async () => {
      const { origin, views } = await usedEmulator();
      const { page } = await openPage(origin);
      const phone = ['tasks', 'a request', 'faults'];
      for (const [name, view] of Object.entries(views)) {
        for (const viewport of phone.includes(name) ? [WIDE, PHONE] : [WIDE]) {
          await page.setViewportSize(viewport);
          await show(page, view);
          const { stops, missed } = await tabThrough(page);
          expect(stops.length, name).toBeGreaterThan(5);
          const bad = stops.filter(({ isMarked, isSeen }) => !isMarked || !isSeen);
          expect({ name, ...viewport, missed, bad }).toEqual({ name, ...viewport, missed: [], bad: [] });
        }
      }
    },
    LONG_MS,
  );

  it('lists are gone through by arrows, and what is chosen opens with Enter', async () => {
    const { origin } = await usedEmulator();
    const { page, rows } = await openPage(origin);
    const list = page.getByRole('listbox');
    await rows.nth(6).waitFor();
    await list.focus();
    /** The row that is meant, as a screen reader is told. */
    const meant = async () => {
      const id = await list.getAttribute('aria-activedescendant');
      return id === null ? undefined : page.locator(`[id="${id}"]`).locator('bdi').innerText();
    };
    expect(await meant()).toBeUndefined();
    for (const [key, expected] of [
      ['ArrowDown', 'np_test_auto'],
      ['ArrowDown', 'np_test_default'],
      ['Home', 'np_test_auto'],
      ['ArrowUp', 'np_test_auto'],
      ['End', 'np_test_used'],
      ['ArrowDown', 'np_test_used'],
      ['ArrowUp', 'np_test_unlimited'],
      ['PageDown', 'np_test_used'],
    ] as const) {
      await page.keyboard.press(key);
      await soon(meant).toBe(expected);
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: USED }).waitFor();

    await rows.nth(5).waitFor();
    await list.focus();
    await page.keyboard.press('End');
    await page.keyboard.press('Space');
    await page.getByRole('article').getByRole('heading', { name: 'Plan' }).waitFor();
    expect(await rows.last().getAttribute('aria-selected')).toBe('true');
    // The focus stays, so that one can go on.
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await soon(() => rows.nth(-2).getAttribute('aria-selected')).toBe('true');
  });

  it('the focus stays where something is done, is in what opens, and comes back when that closes', async () => {
    const { origin, read } = await usedEmulator();
    const { page, button, told, form } = await openPage(origin, hrefOf(USED));
    const hasFocus = (one: Locator) =>
      one.evaluate((element: PageElement) => element === document.activeElement);
    // By their order: what has been done has taken the focus nowhere.
    await button('Next step').focus();
    for (const expected of [/^Moved on to the next change/, /^Moved on by 1:00 min/, /^All that will end/]) {
      await page.keyboard.press('Enter');
      await told(expected);
      await page.keyboard.press('Tab');
    }
    expect(await hasFocus(button('Change …'))).toBe(true);

    const opener = button('Give or take …');
    const amount = form('Give or take credits').getByLabel('Amount');
    await opener.focus();
    await page.keyboard.press('Enter');
    await soon(() => hasFocus(amount)).toBe(true);
    expect(await opener.getAttribute('aria-expanded')).toBe('true');
    await page.keyboard.press('Escape');
    await amount.waitFor({ state: 'detached' });
    expect([await hasFocus(opener), await opener.getAttribute('aria-expanded')]).toEqual([true, 'false']);
    await page.keyboard.press('Enter');
    await soon(() => hasFocus(amount)).toBe(true);
    await page.keyboard.type('7');
    await page.keyboard.press('Enter');
    await told(/^The balance is/);
    await soon(() => hasFocus(opener)).toBe(true);
    // Who presses beside it wants something else.
    await page.keyboard.press('Enter');
    await amount.waitFor();
    await page.getByRole('heading', { level: 1 }).click();
    await amount.waitFor({ state: 'detached' });

    await page.evaluate(`location.hash = ${JSON.stringify(hrefOf(USED, 'states'))}`);
    const restore = button('Restore before-the-party');
    await restore.focus();
    await page.keyboard.press('Enter');
    const sure = button('Really restore before-the-party?');
    await soon(async () => (await hasFocus(sure)) && (await sure.isEnabled())).toBe(true);
    await page.keyboard.press('Enter');
    await told('The account is as it was at before-the-party.');
    await soon(() => hasFocus(restore)).toBe(true);
    expect((await read(USED, '/snapshots')).snapshots).toHaveLength(1);
  });

  it('on a phone nothing reaches beyond its side, and a list and what is chosen in it take turns', async () => {
    const { origin, views } = await usedEmulator();
    const { page, rows, region } = await openPage(origin, '#/', {
      viewport: PHONE,
      hasTouch: true,
      isMobile: true,
    });
    for (const [name, view] of Object.entries(views)) {
      await show(page, view);
      expect([name, await sideways(page)]).toEqual([name, []]);
    }
    await show(page, views.accounts);
    const keys = page.locator('.row .clip');
    expect(await keys.allInnerTexts()).toContain('np_test_unlimited');
    expect(
      await keys.evaluateAll((all: PageElement[]) => all.map((one) => one.scrollWidth <= one.clientWidth)),
    ).toEqual((await keys.allInnerTexts()).map(() => true));
    for (const name of ['tasks', 'requests'] as const) {
      await show(page, views[name]);
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
