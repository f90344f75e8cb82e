import type { Page } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  type OpenedPage,
  type PageElement,
  startListeningEmulator,
  useConsole,
} from '../support/console.ts';
import { buildOrder } from '../support/core.ts';

const KEY = 'np_test_much';
const TASKS = 4000;
const REQUESTS = 300;
const GENERATE = '/api/sora-2/generate';
/** A request body with all defaults, as the API stores it. */
const INPUT = {
  mode: 'textToVideo',
  modelTier: 'sora2',
  aspectRatio: 'portrait',
  videoDuration: '10',
  imageUrls: [],
};
/** More rows than fit on any screen. */
const MAX_ROWS = 100;
/** More marks than the chart has columns. */
const MAX_MARKS = 2000;
/** Generous, so that tests do not fail on a busy machine. */
const MAX_FRAME_MS = 800;

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;

async function createManyTasks() {
  const emulator = await startListeningEmulator();
  const { post, core, account } = emulator;
  await post('/__admin/accounts', { key: KEY, clock: 'frozen', credits: 1_000_000, rateLimit: null }, null);
  const orders = Array.from({ length: TASKS }, (_, n) =>
    buildOrder({ seconds: 60 + (n % 100), input: { ...INPUT, prompt: `the prompt ${n}` } }),
  );
  core.tasks.submit(account(KEY).id, orders);
  return emulator;
}

/** Starts recording the duration of long tasks, those that block the page for more than 50 ms. */
async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    document.longFrames = [];
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) document.longFrames.push(Math.round(duration));
    }).observe({ type: 'longtask' });
    setTimeout(() => { for (const began = performance.now(); performance.now() < began + 80; ); });
  })()`);
  // Proves that long tasks are recorded at all. The page may have had others.
  await eventually(async () => Math.max(...(await longFrames(page)))).toBeGreaterThanOrEqual(80);
  await page.evaluate('document.longFrames = []');
}
const longFrames = (page: Page) => page.evaluate<number[]>('document.longFrames');

/** The position of the active row, and whether it is visible. */
const activeRow = ({ page }: OpenedPage) =>
  page.getByRole('listbox').evaluate((list: PageElement) => {
    const row = document.getElementById(list.getAttribute('aria-activedescendant'));
    const [outer, inner] = [list.getBoundingClientRect(), row?.getBoundingClientRect()];
    return {
      place: Number(row?.getAttribute('aria-posinset')),
      isVisible: inner !== undefined && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1,
    };
  });

/** The first fully visible row and its offset from the top of the list. */
const firstVisibleRow = ({ page }: OpenedPage) =>
  page.getByRole('listbox').evaluate((list: PageElement) => {
    const { top } = list.getBoundingClientRect();
    const rows = [...list.querySelectorAll('[role=option]')].map((row) => ({
      text: row.querySelector('bdi').textContent,
      at: Math.round(row.getBoundingClientRect().top - top),
    }));
    return rows.filter(({ at }) => at >= 0).sort((one, other) => one.at - other.at)[0];
  });

describe.skipIf(!CHROMIUM)('console with many items', () => {
  const { openPage } = useConsole();

  it('renders only the visible rows of 4,000 tasks, and reaches all of them', async () => {
    const { origin, order: submit, callAdmin } = await createManyTasks();
    const opened = await openPage(origin, accountHref(KEY), {
      // The emulator disconnects a listener that falls too far behind; the page reconnects.
      expected: [/net::ERR_INCOMPLETE_CHUNKED_ENCODING .*\/__admin\/events/],
    });
    const { page, rows, row, rowLabels, tab } = opened;
    await page.getByText('4\u202f000 tasks', { exact: true }).waitFor();
    await watchFrames(page);
    expect(await rows.count()).toBeLessThan(MAX_ROWS);
    const list = page.getByRole('listbox');
    await list.focus();
    for (const [key, place] of [
      ['End', TASKS],
      ['ArrowUp', TASKS - 1],
      ['Home', 1],
      ['ArrowDown', 2],
    ] as const) {
      await page.keyboard.press(key);
      await eventually(() => activeRow(opened)).toEqual({ place, isVisible: true });
    }
    await page.keyboard.press('PageDown');
    await eventually(async () => (await activeRow(opened)).place).toBeGreaterThan(3);
    const { place: after } = await activeRow(opened);
    await page.keyboard.press('PageUp');
    await eventually(() => activeRow(opened)).toEqual({ place: 2, isVisible: true });
    expect(after).toBeLessThan(30);
    await page.keyboard.press('End');
    await row(/^the prompt 0 /).waitFor();
    expect(await rows.last().getAttribute('aria-setsize')).toBe(String(TASKS));
    expect(await rows.count()).toBeLessThan(MAX_ROWS);

    await page.keyboard.press('Home');
    await row(/^the prompt 3999 /).waitFor();
    await list.hover();
    for (let turn = 0; turn < 60; turn++) await page.mouse.wheel(0, 1200);
    await eventually(async () => (await firstVisibleRow(opened))!.text).not.toBe('the prompt 3999');

    // New rows on top do not move the visible ones.
    const isSettled = async () => {
      const one = await firstVisibleRow(opened);
      await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
      return JSON.stringify(one) === JSON.stringify(await firstVisibleRow(opened));
    };
    await eventually(isSettled).toBe(true);
    const rowBefore = await firstVisibleRow(opened);
    await submit(KEY, 'one on top');
    await eventually(() => tab('tasks').innerText()).toMatch(/4\u202f001$/);
    await eventually(() => firstVisibleRow(opened)).toEqual(rowBefore);
    await list.focus();
    await page.keyboard.press('Home');
    await row(/^one on top/).waitFor();
    // At the top of the list, new rows appear.
    await submit(KEY, 'another on top');
    await eventually(async () => (await firstVisibleRow(opened))!.text).toBe('another on top');

    const search = page.getByRole('searchbox', { name: 'Find tasks' });
    await search.fill('prompt 2711');
    await eventually(rowLabels).toEqual([expect.stringMatching(/^the prompt 2711 sora-2 generating/)]);
    await search.fill('');
    await page.getByText('4\u202f002 tasks', { exact: true }).waitFor();

    await callAdmin('POST', KEY, '/clock/advance', { ms: 3_600_000 });
    await page.getByRole('combobox', { name: 'Status' }).selectOption('completed');
    await page.getByText('4\u202f002 tasks', { exact: true }).waitFor();
    await page.getByRole('region', { name: 'Credits' }).getByText('none held').waitFor();
    expect(await rows.count()).toBeLessThan(MAX_ROWS);

    await tab('timeline').click();
    await page.getByText(/4\u202f00\d events$/).waitFor();
    const marks = page.locator('.chart-body span');
    expect(await marks.count()).toBeLessThan(MAX_MARKS);
    for (let turn = 0; turn < 5; turn++) await page.getByRole('button', { name: 'Zoom in' }).click();
    await eventually(() => page.getByText(/ events$/).innerText()).not.toMatch(/4\u202f00\d events$/);
    expect(await marks.count()).toBeLessThan(MAX_MARKS);
    expect(Math.max(0, ...(await longFrames(page)))).toBeLessThan(MAX_FRAME_MS);
  });

  it('renders only the visible rows of a long journal, and reaches all of them', async () => {
    const { origin, post } = await startListeningEmulator(['--rate-limit', 'off']);
    for (let n = 0; n < REQUESTS; n++) await post(GENERATE, n % 2 === 0 ? {} : { prompt: 'a' }, KEY);
    const opened = await openPage(origin, accountHref(KEY, 'requests'));
    const { page, rows } = opened;
    await page.getByText('300 requests', { exact: true }).waitFor();
    await watchFrames(page);
    await page.getByRole('listbox').focus();
    await page.keyboard.press('End');
    await eventually(() => activeRow(opened)).toEqual({ place: REQUESTS, isVisible: true });
    expect(await rows.count()).toBeLessThan(MAX_ROWS);
    await page.keyboard.press('Enter');
    await page.getByRole('article', { name: 'Request 1', exact: true }).waitFor();
    for (let n = 0; n < 20; n++) await post('/api/veo-3/generate', {}, KEY);
    await page.getByText('320 requests', { exact: true }).waitFor();
    await page.getByRole('searchbox', { name: 'Find requests' }).fill('veo');
    await page.getByText('20 requests', { exact: true }).waitFor();
    expect(Math.max(0, ...(await longFrames(page)))).toBeLessThan(MAX_FRAME_MS);
  });
});
