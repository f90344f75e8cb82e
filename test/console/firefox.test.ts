import { type Browser, firefox } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIREFOX } from '../support/browser.ts';
import { accountHref, eventually } from '../support/console.ts';
import { createPopulatedEmulator, POPULATED_KEY } from '../support/populated-emulator.ts';

describe.skipIf(!FIREFOX)('console in Firefox', () => {
  let browser: Browser;
  beforeAll(async () => {
    // An unmodified Firefox, over WebDriver BiDi.
    browser = await firefox.launch({ channel: 'moz-firefox', executablePath: FIREFOX! });
  });
  afterAll(() => browser?.close());

  it('shows every view without errors, zooms the timeline, and runs actions', async () => {
    const { origin, views, read } = await createPopulatedEmulator();
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (line) => {
      if (['error', 'warning'].includes(line.type())) errors.push(line.text());
    });
    for (const { hash, text } of Object.values(views)) {
      await page.goto(`${origin}/console${hash}`);
      await page.getByText(text).first().waitFor();
    }

    await page.goto(`${origin}/console${accountHref(POPULATED_KEY, 'timeline')}`);
    const section = page.getByRole('region', { name: 'Timeline' }).getByText(/ UTC · /);
    const before = await section.innerText();
    await page.locator('.chart .lane').first().hover();
    await page.mouse.wheel(0, -400);
    await eventually(() => section.innerText()).not.toBe(before);
    const { now } = (await read(POPULATED_KEY)).clock;
    await page.getByRole('button', { name: '+1 minute' }).click();
    await page.getByRole('status').filter({ hasText: 'Advanced by 1:00 min' }).waitFor();
    expect(Date.parse((await read(POPULATED_KEY)).clock.now) - Date.parse(now)).toBe(60_000);
    expect(errors).toEqual([]);
    await page.close();
  });
});
