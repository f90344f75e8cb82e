import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, eventually, type PageElement, useConsole } from '../support/console.ts';

describe.skipIf(!CHROMIUM)('console timeline', () => {
  const { openPage, createAccount } = useConsole();

  it('shows requests, tasks, credits and the clock on one axis, live, and leads to all of them', async () => {
    const { key, origin, order, post, callAdmin } = await createAccount();
    const { page, tab, rowLabels, row, press, region } = await openPage(origin, accountHref(key));
    await tab('timeline').click();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    const id = await order(key, 'a golden retriever');
    await eventually(rowLabels).toEqual([
      '12:00:00.000 ± initial credits balance 1 000 +1 000',
      '12:00:00.000 200 POST /api/sora-2/generate −4',
    ]);
    await callAdmin('POST', key, '/clock/advance', { ms: 600_000 });
    for (let n = 0; n < 3; n++) await post('/api/sora-2/generate', {}, key);
    const failed = await order(key, 'a storm');
    await callAdmin('POST', key, `/tasks/${failed}/fail`);
    const shorten = (taskId: string) => `${taskId.slice(0, 8)}…${taskId.slice(-6)}`;
    await eventually(rowLabels).toEqual([
      expect.anything(),
      expect.anything(),
      expect.stringMatching(
        new RegExp(`^12:0\\d:\\d\\d\\.\\d{3} ✓ a golden retriever ${shorten(id)} completed in \\d:\\d\\d min$`),
      ),
      ...Array.from({ length: 3 }, () => '12:10:00.000 400 POST /api/sora-2/generate PROMPT_REQUIRED'),
      '12:10:00.000 200 POST /api/sora-2/generate −4',
      `12:10:00.000 ✕ a storm ${shorten(failed)} failed, refunded: GENERATION_FAILED +4`,
    ]);

    const chart = page.locator('.chart');
    expect(await chart.locator('.task-mark').allInnerTexts()).toEqual(['a golden retriever', '']);
    expect(await chart.locator('.request-mark').allInnerTexts()).toEqual(['', '4']);
    await chart.getByText('+10:00 min').waitFor();
    await chart.getByText('996', { exact: true }).waitFor();

    // Requests at the same time cannot be zoomed apart, so the list shows them.
    await chart.locator('.request-mark').nth(1).click();
    await eventually(() =>
      row(/PROMPT_REQUIRED/)
        .first()
        .getAttribute('aria-selected'),
    ).toBe('true');
    await press('Zoom in');
    await page.getByText(/ · 5:\d\d min · \d events?$/).waitFor();
    await press('Zoom in');
    await page.getByText(/ · 2:\d\d min · \d events?$/).waitFor();
    await press('Later');
    await press('Zoom out');
    await press('Show all');
    await page.getByText(/ · 8 events$/).waitFor();
    await chart.locator('.lane').first().hover();
    await page.mouse.wheel(0, -400);
    await page.getByText(/ · [1-7]:\d\d min · \d events?$/).waitFor();
    await press('Show all');

    // A drag moves the section and is not a click.
    const section = () => region('Timeline').getByText(/UTC/).innerText();
    const before = await section();
    const bar = chart.locator('.task-mark').first();
    const { x, y } = (await bar.boundingBox())!;
    await page.mouse.move(x + 5, y + 5);
    await page.mouse.down();
    await page.mouse.move(x + 105, y + 5, { steps: 3 });
    await page.mouse.up();
    await eventually(section).not.toBe(before);

    // A press that ends outside of the chart, before it has become a drag, drags nothing later.
    await page.mouse.move(x + 5, y + 5);
    await page.mouse.down();
    await page.mouse.move(x + 5, 1);
    await page.mouse.up();
    const after = await section();
    await page.mouse.move(x + 25, y + 5, { steps: 5 });
    expect(await section()).toBe(after);
    expect(page.url()).toBe(`${origin}/console${accountHref(key, 'timeline')}`);

    await press('Show all');
    await bar.click();
    await page.getByRole('article', { name: `Task ${id}` }).waitFor();
    await page.goBack();
    await chart.locator('.request-mark').first().click();
    await page.getByRole('article', { name: 'Request 1' }).waitFor();
    await page.goBack();
    await row(/a storm/).click();
    await page.getByRole('article', { name: `Task ${failed}` }).waitFor();
    await page.goBack();
    await row(/initial credits/).click();
    await region('Ledger').waitFor();
  });

  it('keeps the chosen section while the account changes, and shows a wait of a shot', async () => {
    const { key, origin, postOk, order } = await createAccount();
    const shot = (id: string) => ({ id, prompt: id, generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' });
    await postOk('/api/veo-3/generate', { shots: [shot('one'), shot('two')], resolution: '720p' }, key);
    const { page, press, region } = await openPage(origin, accountHref(key, 'timeline'));
    const chart = page.locator('.chart');
    await chart.getByText('two').waitFor();
    const edges = () =>
      chart
        .locator('.task-mark')
        .evaluateAll((bars: PageElement[]) => bars.map((bar) => bar.offsetLeft + bar.offsetWidth));
    const [firstEnd] = await edges();
    const wait = await chart.locator('.task-wait').evaluate((one: PageElement) => one.offsetWidth);
    const [, secondStart] = await chart
      .locator('.task-mark')
      .evaluateAll((bars: PageElement[]) => bars.map((bar) => bar.offsetLeft));
    expect(Math.abs(secondStart! + wait - firstEnd!)).toBeLessThanOrEqual(3);

    await press('Zoom in');
    const description = region('Timeline').getByText(/UTC/);
    const [section] = (await description.innerText()).split(/ · \d+ events?$/);
    await order(key, 'a later one');
    await region('Credits').getByText('24 held').waitFor();
    expect(await description.innerText()).toContain(section);
  });
});
